//! Which files make up the store: one small file, written whole with every change.
//!
//! ```text
//! magic 8 │ version 4 │ crc 4 │ store id 16 │ generation, checkpoint, first log file, next number,
//! history │ segment records … │ catalog records … │ deletions … │ marks … │ document files …
//! ```
//! The generation is also in the name; the highest there is counts. Layout and the argument for
//! every crash point: `docs/format/manifest.md`; why not a log of edits: the record on it under
//! `docs/adr/`.
//!
//! *Invariant.* Every file a manifest names was durable under its final name before the manifest
//! was published, and no file it needs is removed or reused while it is the newest.

use tacitus_model::{TagId, TimeRange, Timestamp};

use crate::cursor::{Cursor, put_text, put_varint, put_zigzag};
use crate::disk::Disk;
use crate::envelope::Envelope;
use crate::error::{Error, Outcome};
use crate::log::StoreId;
use crate::naming::Naming;
use crate::publish;

const ENVELOPE: Envelope =
    Envelope { magic: *b"TACMAN1\0", version: 2, otherwise: "it is no manifest" };

/// What the store is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) store: StoreId,
    /// Rises by one with every manifest.
    pub(crate) generation: u64,
    /// Every record up to this sequence is in the files below.
    pub(crate) checkpoint: u64,
    /// The first log file that may hold a later record.
    pub(crate) first_log: u64,
    /// The number of the next segment or catalog file.
    pub(crate) next_number: u64,
    /// The store can be read as it was at any sequence from this one on.
    pub(crate) history: u64,
    /// In order of precedence: [`SegmentRecord::rank`].
    pub(crate) segments: Vec<SegmentRecord>,
    /// In order of sequence.
    pub(crate) catalogs: Vec<FileRecord>,
    /// The file of audit entries, once there is one.
    pub(crate) audit: Option<FileRecord>,
    /// In order of sequence.
    pub(crate) documents: Vec<FileRecord>,
    /// In order of sequence.
    pub(crate) deletions: Vec<Deletion>,
    /// When some sequences were the last, in order.
    pub(crate) marks: Vec<Mark>,
}

/// One immutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileRecord {
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// How much of its samples a segment has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tier {
    /// All of them.
    Raw = 0,
    /// Statistics of every minute.
    Minute = 1,
    /// Statistics of every hour.
    Hour = 2,
}

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentRecord {
    pub(crate) file: FileRecord,
    /// 0: sealed or imported, any times, any class; 1: compacted, of one class and partition.
    pub(crate) level: u8,
    pub(crate) tier: Tier,
    /// Its samples were replaced or deleted: only a look into the past reads it.
    pub(crate) replaced: bool,
    /// The retention class; empty at level 0.
    pub(crate) class: String,
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
    pub(crate) samples: u64,
    /// The wall clock when it was made.
    pub(crate) made_ns: i64,
    /// Deletions up to this sequence are applied in it.
    pub(crate) applied: u64,
}

/// Samples that someone deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Deletion {
    pub(crate) sequence: u64,
    pub(crate) tags: Vec<TagId>,
    pub(crate) range: TimeRange,
}

/// What the wall clock said when a sequence was the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) sequence: u64,
    pub(crate) at_ns: i64,
}

/// Marks kept. LIMIT: enough to tell any moment of the audit retention to a hundredth of it.
const MARKS_MAX: usize = 128;

impl Tier {
    /// The tier with this number.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        [Self::Raw, Self::Minute, Self::Hour].into_iter().find(|own| *own as u8 == code)
    }
}

impl SegmentRecord {
    /// Some segment, for tests of lists of them.
    #[cfg(test)]
    pub(crate) fn example(number: u64) -> Self {
        Self {
            file: FileRecord { number, bytes: 9, first_sequence: 1, last_sequence: 7 },
            level: 1,
            tier: Tier::Minute,
            replaced: false,
            class: "short".into(),
            first_ns: i64::MIN,
            last_ns: i64::MAX,
            samples: 12,
            made_ns: 77,
            applied: 8,
        }
    }

    /// The order of precedence: of two segments with the same sample the later one is right.
    pub(crate) fn rank(&self) -> (u64, bool, u64) {
        (self.file.last_sequence, !self.replaced, self.file.number)
    }

    pub(crate) fn range(&self) -> TimeRange {
        TimeRange {
            first: Timestamp::from_nanos(self.first_ns),
            last: Timestamp::from_nanos(self.last_ns),
        }
    }
}

/// What kind of immutable file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment,
    Catalog,
    Audit,
    Documents,
}

/// An immutable file of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileName {
    pub(crate) kind: FileKind,
    pub(crate) number: u64,
}

impl FileKind {
    const ALL: [Self; 4] = [Self::Segment, Self::Catalog, Self::Audit, Self::Documents];

    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Segment => 1,
            Self::Catalog => 2,
            Self::Audit => 3,
            Self::Documents => 4,
        }
    }

    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

impl FileName {
    /// The name in the directory.
    pub(crate) fn in_words(self) -> String {
        match self.kind {
            FileKind::Segment => Naming::segment(self.number),
            FileKind::Catalog => Naming::catalog(self.number),
            FileKind::Audit => Naming::audit(self.number),
            FileKind::Documents => Naming::documents(self.number),
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        let numbers = [
            Naming::segment_number(name),
            Naming::catalog_number(name),
            Naming::audit_number(name),
            Naming::documents_number(name),
        ];
        let found = FileKind::ALL.into_iter().zip(numbers);
        found.into_iter().find_map(|(kind, number)| Some(Self { kind, number: number? }))
    }
}

impl Manifest {
    /// Every immutable file of the store.
    pub(crate) fn files(&self) -> impl Iterator<Item = (FileName, FileRecord)> {
        let named = |kind| move |file: &FileRecord| (FileName { kind, number: file.number }, *file);
        let segments = self.segments.iter().map(|own| &own.file).map(named(FileKind::Segment));
        let catalogs = self.catalogs.iter().map(named(FileKind::Catalog));
        let audit = self.audit.iter().map(named(FileKind::Audit));
        let documents = self.documents.iter().map(named(FileKind::Documents));
        segments.chain(catalogs).chain(audit).chain(documents)
    }

    /// The manifest of a store without any file but its log.
    pub(crate) fn new(store: StoreId) -> Self {
        Self {
            store,
            generation: 1,
            checkpoint: 0,
            first_log: 1,
            next_number: 1,
            history: 0,
            segments: Vec::new(),
            catalogs: Vec::new(),
            audit: None,
            documents: Vec::new(),
            deletions: Vec::new(),
            marks: Vec::new(),
        }
    }

    /// What it says of a segment.
    pub(crate) fn segment(&self, number: u64) -> Option<&SegmentRecord> {
        self.segments.iter().find(|own| own.file.number == number)
    }

    /// Puts the segments in their order.
    pub(crate) fn sort(&mut self) {
        self.segments.sort_by_key(SegmentRecord::rank);
    }

    /// Notes that a sequence was the last at a moment, where the last note is a hundredth of
    /// `kept_ns` old, and forgets those from before `kept_ns` but the newest.
    pub(crate) fn mark(&mut self, mark: Mark, kept_ns: i64) {
        let due = |last: &Mark| mark.at_ns.saturating_sub(last.at_ns) >= kept_ns / 100;
        if self.marks.last().is_some_and(|last| !due(last)) {
            return;
        }
        self.marks.push(mark);
        let old = mark.at_ns.saturating_sub(kept_ns);
        let first_needed = self.marks.partition_point(|own| own.at_ns <= old).saturating_sub(1);
        let surplus = self.marks.len().saturating_sub(MARKS_MAX);
        self.marks.drain(..first_needed.max(surplus));
    }

    /// The last sequence that was committed before a moment, as far as it is known.
    pub(crate) fn sequence_at(&self, at_ns: i64) -> u64 {
        let before = self.marks.iter().filter(|mark| mark.at_ns <= at_ns);
        before.map(|mark| mark.sequence).max().unwrap_or(0)
    }

    /// Makes this the manifest of the store, then drops the one before it.
    pub(crate) fn publish(&self, disk: &dyn Disk) -> Result<(), Error> {
        self.put(disk)?;
        // Whether the old one goes is of no consequence: the highest generation counts.
        drop(disk.remove(&Naming::manifest(self.generation.saturating_sub(1))));
        Ok(())
    }

    /// Makes this the manifest of the store.
    ///
    /// # Errors
    /// With [`Outcome::Unknown`] where it may be the manifest all the same after a power cut.
    pub(crate) fn put(&self, disk: &dyn Disk) -> Result<(), Error> {
        let name = Naming::manifest(self.generation);
        publish::publish(disk, &name, &self.encode()).map_err(|error| {
            let surely_not = disk.list().is_ok_and(|names| !names.contains(&name));
            if surely_not { error } else { error.with_outcome(Outcome::Unknown) }
        })
    }

    /// The manifest with the highest generation; `None` in a directory without any.
    pub(crate) fn load(disk: &dyn Disk) -> Result<Option<Self>, Error> {
        let names =
            disk.list().map_err(|source| Error::io("list", "the data directory", source))?;
        let Some(generation) = names.iter().filter_map(|name| Naming::manifest_number(name)).max()
        else {
            return Ok(None);
        };
        let name = Naming::manifest(generation);
        let (_, bytes) = publish::read_whole(disk, &name)?;
        let manifest = Self::decode(&bytes).map_err(|what| Error::corrupt(&name, what))?;
        if manifest.generation != generation {
            let what = format!("it says it is generation {}", manifest.generation);
            return Err(Error::corrupt(&name, what));
        }
        Ok(Some(manifest))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        body.extend_from_slice(&self.store);
        for word in [self.generation, self.checkpoint, self.first_log, self.next_number] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        put_varint(&mut body, self.history);
        put_varint(&mut body, self.segments.len() as u64);
        for segment in &self.segments {
            put_segment(&mut body, segment);
        }
        put_varint(&mut body, self.catalogs.len() as u64);
        for file in &self.catalogs {
            put_file(&mut body, file);
        }
        put_varint(&mut body, u64::from(self.audit.is_some()));
        self.audit.iter().for_each(|file| put_file(&mut body, file));
        put_varint(&mut body, self.deletions.len() as u64);
        for deletion in &self.deletions {
            put_varint(&mut body, deletion.sequence);
            put_deletion(&mut body, &deletion.tags, deletion.range);
        }
        put_varint(&mut body, self.marks.len() as u64);
        for mark in &self.marks {
            put_varint(&mut body, mark.sequence);
            put_zigzag(&mut body, mark.at_ns);
        }
        // A store without documents has a manifest without a list of them.
        if !self.documents.is_empty() {
            put_varint(&mut body, self.documents.len() as u64);
            self.documents.iter().for_each(|file| put_file(&mut body, file));
        }
        ENVELOPE.seal(&body)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, &'static str> {
        Self::decode_body(ENVELOPE.open(bytes)?).ok_or("its content makes no sense")
    }

    fn decode_body(mut from: Cursor<'_>) -> Option<Self> {
        let store = from.array()?;
        let [generation, checkpoint, first_log, next_number] =
            [from.u64()?, from.u64()?, from.u64()?, from.u64()?];
        let history = from.varint()?;
        let segments = list(&mut from, take_segment)?;
        let catalogs = list(&mut from, take_file)?;
        let audit = list(&mut from, take_file)?;
        if audit.len() > 1 {
            return None;
        }
        let audit = audit.into_iter().next();
        let deletions = list(&mut from, |from| {
            let sequence = from.varint()?;
            let (tags, range) = take_deletion(from)?;
            Some(Deletion { sequence, tags, range })
        })?;
        let marks =
            list(&mut from, |from| Some(Mark { sequence: from.varint()?, at_ns: from.zigzag()? }))?;
        let documents = if from.is_empty() { Vec::new() } else { list(&mut from, take_file)? };
        from.is_empty().then_some(Self {
            store,
            generation,
            checkpoint,
            first_log,
            next_number,
            history,
            segments,
            catalogs,
            audit,
            documents,
            deletions,
            marks,
        })
    }
}

/// The first of the files to merge with so many new bytes: where there are `files_max` already, the
/// youngest that together are about as large as the one before them.
pub(crate) fn merged_from(files: &[FileRecord], fresh: u64, files_max: usize) -> usize {
    if files.len() < files_max {
        return files.len();
    }
    let mut from = files.len().saturating_sub(1);
    let mut bytes = fresh + files.get(from).map_or(0, |file| file.bytes);
    while let Some(before) = from.checked_sub(1).and_then(|before| files.get(before))
        && before.bytes <= bytes.saturating_mul(2)
    {
        bytes += before.bytes;
        from -= 1;
    }
    from
}

/// A count, and as many items.
fn list<T>(
    from: &mut Cursor<'_>,
    mut take: impl FnMut(&mut Cursor<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let count = from.count()?;
    (0..count).map(|_| take(from)).collect()
}

fn put_file(out: &mut Vec<u8>, file: &FileRecord) {
    for word in [file.number, file.bytes, file.first_sequence, file.last_sequence] {
        put_varint(out, word);
    }
}

fn take_file(from: &mut Cursor<'_>) -> Option<FileRecord> {
    Some(FileRecord {
        number: from.varint()?,
        bytes: from.varint()?,
        first_sequence: from.varint()?,
        last_sequence: from.varint()?,
    })
}

fn put_segment(out: &mut Vec<u8>, segment: &SegmentRecord) {
    put_file(out, &segment.file);
    out.extend_from_slice(&[segment.level, segment.tier as u8, u8::from(segment.replaced)]);
    put_text(out, &segment.class);
    for time in [segment.first_ns, segment.last_ns, segment.made_ns] {
        put_zigzag(out, time);
    }
    put_varint(out, segment.samples);
    put_varint(out, segment.applied);
}

fn take_segment(from: &mut Cursor<'_>) -> Option<SegmentRecord> {
    let file = take_file(from)?;
    let [level, tier, replaced] = from.array()?;
    let tier = Tier::from_code(tier)?;
    let class = from.text()?.to_owned();
    let [first_ns, last_ns, made_ns] = [from.zigzag()?, from.zigzag()?, from.zigzag()?];
    let (samples, applied) = (from.varint()?, from.varint()?);
    let replaced = match replaced {
        0 => false,
        1 => true,
        _ => return None,
    };
    (first_ns <= last_ns).then_some(SegmentRecord {
        file,
        level,
        tier,
        replaced,
        class,
        first_ns,
        last_ns,
        samples,
        made_ns,
        applied,
    })
}

/// Tags and range of a deletion: the same in the log and in a manifest.
pub(crate) fn put_deletion(out: &mut Vec<u8>, tags: &[TagId], range: TimeRange) {
    put_varint(out, tags.len() as u64);
    tags.iter().for_each(|tag| put_varint(out, u64::from(tag.0)));
    put_zigzag(out, range.first.nanos());
    put_zigzag(out, range.last.nanos());
}

pub(crate) fn take_deletion(from: &mut Cursor<'_>) -> Option<(Vec<TagId>, TimeRange)> {
    let tags = list(from, |from| from.varint().and_then(|id| u32::try_from(id).ok()).map(TagId))?;
    let first = Timestamp::from_nanos(from.zigzag()?);
    let last = Timestamp::from_nanos(from.zigzag()?);
    Some((tags, TimeRange { first, last }))
}

/// Decodes the body of a manifest, past its checksum.
#[cfg(fuzzing)]
pub(crate) fn fuzz(body: &[u8]) {
    drop(Manifest::decode_body(Cursor::new(body)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;

    fn manifest(generation: u64) -> Manifest {
        let file = |number| FileRecord { number, bytes: 9, first_sequence: 1, last_sequence: 7 };
        let segment =
            |number, replaced| SegmentRecord { replaced, ..SegmentRecord::example(number) };
        Manifest {
            generation,
            segments: vec![segment(1, true), segment(3, false)],
            catalogs: vec![file(2)],
            audit: Some(file(5)),
            deletions: vec![Deletion {
                sequence: 9,
                tags: vec![TagId(4), TagId(1)],
                range: TimeRange::ALL,
            }],
            marks: vec![Mark { sequence: 3, at_ns: -5 }],
            history: 2,
            ..Manifest::new([5; 16])
        }
    }

    #[test]
    fn the_highest_generation_counts() {
        let disk = SimDisk::new();
        for generation in [1, 2, 10] {
            manifest(generation).publish(&disk).unwrap();
        }
        assert_eq!(Manifest::load(&disk).unwrap(), Some(manifest(10)));
    }

    #[test]
    fn a_moment_within_the_retention_is_known_to_a_hundredth_of_it() {
        let mut manifest = Manifest::new([0; 16]);
        for n in 1..=5000 {
            manifest.mark(Mark { sequence: n, at_ns: n.cast_signed() * 10 }, 10_000);
            assert!(manifest.marks.len() <= MARKS_MAX);
        }
        assert!((4989..=5000).contains(&manifest.sequence_at(50_000)));
        assert!((4489..=4500).contains(&manifest.sequence_at(45_000)));
        assert!((3989..=4000).contains(&manifest.sequence_at(40_005)));
        assert_eq!(manifest.sequence_at(30_000), 0);
    }

    #[test]
    fn a_manifest_with_any_bit_flipped_is_refused() {
        let bytes = manifest(1).encode();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_manifest_is_refused() {
        let bytes = manifest(1).encode();
        for len in 0..bytes.len() {
            assert!(Manifest::decode(&bytes[..len]).is_err(), "cut at {len}");
        }
    }
}
