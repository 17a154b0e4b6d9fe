//! A disk in memory that can lose power.
//!
//! Files are sectors of 512 bytes with a durable and a pending content; names are a durable map
//! and a list of pending changes. [`SimDisk::crash`] makes the disk that a power cut leaves: of
//! everything pending, whatever [`Survival`] says was kept.
//!
//! What each kind of file must survive: a **log** file any subset of the sectors written since
//! its last sync, torn sectors included; **segments, catalog files and manifests** the same while
//! they have their temporary name, and nothing at all once they are renamed; **names** any subset
//! of the changes since the last sync of the directory.
//!
//! *Invariant.* What was synced is never touched by a crash.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::disk::{Disk, DiskFile};

const SECTOR: usize = 512;

/// A disk in memory. Cloning shares it.
#[derive(Debug, Clone, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
    /// Before every name: a directory of its own on the same medium.
    folder: String,
}

/// What a crash keeps of one pending change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survival {
    /// As if it had not happened.
    Lost,
    /// As if it had been synced.
    Kept,
    /// A sector of which only the first bytes arrived; a name change is kept.
    Torn(usize),
}

/// What goes wrong while the disk runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SimFaults {
    /// Bytes the disk can hold; `None` for no end.
    pub bytes_max: Option<u64>,
    /// `sync` of files from this many operations on fails, loses what it should have made
    /// durable, and claims success when tried again.
    pub sync_fails_at: Option<u64>,
    /// The one operation with this number fails; those after it work again.
    pub fails_once_at: Option<u64>,
    /// Every operation from this many on fails.
    pub dies_at: Option<u64>,
    /// The one read with this number fails; those after it work again.
    pub read_fails_once_at: Option<u64>,
    /// Every read from this many on fails.
    pub reads_die_at: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
    faults: SimFaults,
    operations: u64,
    reads: u64,
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors of `content` that differ from `durable`.
    pending: Vec<usize>,
}

#[derive(Debug, Clone)]
enum NameChange {
    Set(String, usize),
    Move(String, String, usize),
    Remove(String),
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what goes wrong from here on.
    pub fn set_faults(&self, faults: SimFaults) {
        self.lock().faults = faults;
    }

    /// How many operations that change something there were.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many reads there were; listing, opening and asking for a size count too.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Another directory on the same medium: one fault, one crash hits both.
    #[must_use]
    pub fn folder(&self, name: &str) -> Self {
        Self { state: Arc::clone(&self.state), folder: format!("{name}/") }
    }

    /// How many changes are pending: what a [`Survival`] is asked for.
    pub fn pending(&self) -> usize {
        let state = self.lock();
        state.pending_names.len() + state.files.iter().map(|file| file.pending.len()).sum::<usize>()
    }

    /// The disk after a power cut: `fate` decides for each pending change by its number, names
    /// first, then sectors.
    #[must_use]
    pub fn crash(&self, mut fate: impl FnMut(usize) -> Survival) -> Self {
        let state = self.lock();
        let mut number = 0..;
        let mut next = || fate(number.next().unwrap_or(usize::MAX));
        let mut names = state.durable_names.clone();
        for change in &state.pending_names {
            if next() != Survival::Lost {
                change.apply(&mut names);
            }
        }
        let files = state.files.iter().map(|file| file.crashed(&mut next)).collect();
        let survivor = State { files, durable_names: names.clone(), names, ..State::default() };
        Self { state: Arc::new(Mutex::new(survivor)), folder: self.folder.clone() }
    }

    /// A disk with the same content, pending changes included, that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        let state = self.lock().clone();
        Self { state: Arc::new(Mutex::new(state)), folder: self.folder.clone() }
    }

    /// Throws out what the system has in memory beside the medium: bytes that a failed `sync` lost
    /// are read back as they were before.
    pub fn evict(&self) {
        for file in &mut self.lock().files {
            let mut content = file.durable.clone();
            content.resize(file.content.len().max(content.len()), 0);
            for sector in &file.pending {
                let from = sector * SECTOR;
                let to = (from + SECTOR).min(file.content.len());
                if let (Some(into), Some(with)) =
                    (content.get_mut(from..to), file.content.get(from..to))
                {
                    into.copy_from_slice(with);
                }
            }
            file.content = content;
        }
    }

    /// Flips one bit of a durable byte.
    pub fn flip(&self, name: &str, offset: usize, bit: u8) {
        let mut state = self.lock();
        let Some(file) = state.names.get(&self.place(name)).copied() else { return };
        let Some(file) = state.files.get_mut(file) else { return };
        for bytes in [&mut file.content, &mut file.durable] {
            if let Some(byte) = bytes.get_mut(offset) {
                *byte ^= 1 << (bit & 7);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, name: &str) -> String {
        format!("{}{name}", self.folder)
    }

    /// The names in this directory, without it.
    fn own<'a>(&self, place: &'a str) -> Option<&'a str> {
        place.strip_prefix(&self.folder).filter(|name| !name.contains('/'))
    }

    fn reading(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.reads += 1;
        let dead = state.faults.reads_die_at.is_some_and(|at| state.reads >= at);
        if dead || state.faults.read_fails_once_at == Some(state.reads) {
            return Err(io::Error::other("simulated failure to read"));
        }
        Ok(state)
    }

    fn changing(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        state.operations += 1;
        let dead = state.faults.dies_at.is_some_and(|at| state.operations >= at);
        if dead || state.faults.fails_once_at == Some(state.operations) {
            return Err(io::Error::other("simulated failure of the disk"));
        }
        Ok(state)
    }
}

impl NameChange {
    /// The name by which it is told to which directory it belongs.
    fn name(&self) -> &str {
        match self {
            Self::Set(name, _) | Self::Move(name, ..) | Self::Remove(name) => name,
        }
    }

    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, file) => {
                names.insert(name.clone(), *file);
            }
            Self::Move(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
        }
    }
}

impl File {
    fn crashed(&self, next: &mut impl FnMut() -> Survival) -> Self {
        let mut durable = self.durable.clone();
        for sector in &self.pending {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(self.content.len());
            let kept = match next() {
                Survival::Lost => continue,
                Survival::Kept => to,
                Survival::Torn(bytes) => (from + bytes).min(to),
            };
            // A kept sector behind a lost one implies the length, and zeros between.
            if durable.len() < to {
                durable.resize(to, 0);
            }
            if let (Some(into), Some(with)) =
                (durable.get_mut(from..kept), self.content.get(from..kept))
            {
                into.copy_from_slice(with);
            }
        }
        Self { content: durable.clone(), durable, pending: Vec::new() }
    }

    /// Makes pending sectors durable.
    fn keep(&mut self, sectors: &[usize]) {
        for sector in sectors {
            let from = sector * SECTOR;
            let to = (from + SECTOR).min(self.content.len());
            if self.durable.len() < to {
                self.durable.resize(to, 0);
            }
            if let (Some(into), Some(with)) =
                (self.durable.get_mut(from..to), self.content.get(from..to))
            {
                into.copy_from_slice(with);
            }
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.content.len() < end {
            self.content.resize(end, 0);
        }
        if let Some(place) = self.content.get_mut(offset..end) {
            place.copy_from_slice(bytes);
        }
        for sector in offset / SECTOR..end.div_ceil(SECTOR) {
            if !self.pending.contains(&sector) {
                self.pending.push(sector);
            }
        }
    }
}

impl State {
    fn used_bytes(&self) -> u64 {
        self.names
            .values()
            .filter_map(|file| self.files.get(*file))
            .map(|file| file.content.len() as u64)
            .sum()
    }

    /// Enters a new name for a file.
    fn enter(&mut self, name: String, file: usize) -> io::Result<()> {
        if self.names.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.names.insert(name.clone(), file);
        self.pending_names.push(NameChange::Set(name, file));
        Ok(())
    }

    fn file_of(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }
}

impl Disk for SimDisk {
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.changing()?;
        let file = state.files.len();
        state.enter(self.place(name), file)?;
        state.files.push(File::default());
        Ok(Box::new(SimFile { disk: self.clone(), file }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = self.reading()?.file_of(&self.place(name))?;
        Ok(Box::new(SimFile { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.changing()?;
        let (from, to) = (self.place(from), self.place(to));
        let file = state.file_of(&from)?;
        let change = NameChange::Move(from, to, file);
        change.apply(&mut state.names);
        state.pending_names.push(change);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.changing()?;
        let name = self.place(name);
        state.file_of(&name)?;
        state.names.remove(&name);
        state.pending_names.push(NameChange::Remove(name));
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let state = self.reading()?;
        Ok(state.names.keys().filter_map(|name| self.own(name)).map(str::to_owned).collect())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.changing()?;
        let changes = std::mem::take(&mut state.pending_names);
        for change in changes {
            if self.own(change.name()).is_some() {
                change.apply(&mut state.durable_names);
            } else {
                state.pending_names.push(change);
            }
        }
        Ok(())
    }

    fn used_bytes(&self) -> io::Result<u64> {
        let state = self.lock();
        let own = state.names.iter().filter(|(name, _)| self.own(name).is_some());
        let files = own.filter_map(|(_, file)| state.files.get(*file));
        Ok(files.map(|file| file.content.len() as u64).sum())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.lock();
        Ok(state.faults.bytes_max.map_or(u64::MAX, |max| max.saturating_sub(state.used_bytes())))
    }

    fn total_bytes(&self) -> io::Result<u64> {
        Ok(self.lock().faults.bytes_max.unwrap_or(u64::MAX))
    }

    fn link(&self, name: &str, to: &dyn Disk) -> io::Result<()> {
        let to: &dyn Any = to;
        let to: &Self = to.downcast_ref().ok_or(io::ErrorKind::Unsupported)?;
        if !Arc::ptr_eq(&self.state, &to.state) {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let mut state = self.changing()?;
        let file = state.file_of(&self.place(name))?;
        state.enter(to.place(name), file)
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
}

impl DiskFile for SimFile {
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let state = self.disk.reading()?;
        let content = state.files.get(self.file).map(|file| &*file.content).unwrap_or_default();
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let found = from.checked_add(bytes.len()).and_then(|to| content.get(from..to));
        bytes.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.changing()?;
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        let used = state.used_bytes();
        let max = state.faults.bytes_max;
        let Some(file) = state.files.get_mut(self.file) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let growth = (offset + bytes.len()).saturating_sub(file.content.len()) as u64;
        if growth > 0 && max.is_some_and(|max| used + growth > max) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        file.write(offset, bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.changing()?;
        let fails = state.faults.sync_fails_at.is_some_and(|at| state.operations >= at);
        if fails {
            state.faults.sync_fails_at = None;
        }
        let Some(file) = state.files.get_mut(self.file) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let pending = std::mem::take(&mut file.pending);
        if fails {
            // As Linux does: the pages are marked clean although they never reached the disk.
            return Err(io::Error::other("simulated failure of sync"));
        }
        file.keep(&pending);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let state = self.disk.reading()?;
        Ok(state.files.get(self.file).map_or(0, |file| file.content.len() as u64))
    }
}
