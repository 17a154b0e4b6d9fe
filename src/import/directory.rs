//! Import into a data directory that this process has open.
//!
//! *Invariant.* When all is kept it is on disk and sealed, so the directory can be opened by a
//! server without a recovery to wait for.

use std::sync::Arc;

use tacitus_files::{Faults, Form, Sorted, Target};
use tacitus_model::{Batch, Kind, Sample, TagDefinition, TagId, TagPath, Timestamp};
use tacitus_storage::{Block, Engine, ErrorKind, Progress};

use super::{Error, Store};

/// About how many bytes of samples are committed at once. LIMIT: a group must fit a log file, and
/// a sync costs as much for a few.
const BATCH_BYTES_MAX: usize = 2 << 20;

/// An engine as the place to import to.
#[derive(Debug)]
pub(crate) struct Directory {
    engine: Arc<Engine>,
}

impl Directory {
    /// Imports into this engine.
    pub(crate) const fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    fn commit(&self, batch: &mut Batch) -> Result<u64, Error> {
        let rows = batch.len() as u64;
        loop {
            match self.engine.commit(std::slice::from_ref(batch)) {
                Ok(_) => break,
                // The head is full: it is sealed by the steps, then there is room.
                Err(error) if error.kind() == ErrorKind::Busy && self.step()? => {}
                Err(error) => return Err(Error::Store(error)),
            }
        }
        while self.step()? {}
        *batch = Batch::default();
        Ok(rows)
    }

    fn step(&self) -> Result<bool, Error> {
        self.engine.step().map(|progress| progress == Progress::Did).map_err(Error::Store)
    }
}

impl Store for Directory {
    fn target(&mut self, form: &Form, kind: Option<Kind>) -> Result<Target, String> {
        let path = TagPath::new(&form.path).map_err(|error| error.to_string())?;
        let catalog = self.engine.catalog();
        let tag = match (catalog.find(path.as_str()), kind) {
            (Some(tag), _) => tag,
            (None, None) => {
                return Err("no value says what kind of tag this is: say it with --kind".to_owned());
            }
            (None, Some(Kind::State)) => {
                return Err("a new state tag needs the names of its states: let a topic rule \
                            make it, or import it as text"
                    .to_owned());
            }
            (None, Some(kind)) => {
                let labels = form.labels.clone();
                let definition =
                    TagDefinition { labels, ..TagDefinition::new(path, kind, "import") };
                catalog.define(definition).map_err(|error| error.to_string())?
            }
        };
        let TagDefinition { kind, ref states, .. } = tag.definition;
        Ok(Target { tag: tag.id, kind, states: states.clone() })
    }

    fn keep(&mut self, sorted: Sorted, _faults: &mut Faults) -> Result<u64, Error> {
        let mut batch = Batch::default();
        let mut kept = 0;
        for item in sorted {
            let (tag, block) = item.map_err(Error::Sort)?;
            add(tag, &block, &mut batch);
            if batch.size_bytes() >= BATCH_BYTES_MAX {
                kept += self.commit(&mut batch)?;
            }
        }
        // Also without samples: the tags are written with it.
        kept += self.commit(&mut batch)?;
        self.engine.seal().map_err(Error::Store)?;
        while self.step()? {}
        Ok(kept)
    }
}

fn add(tag: TagId, block: &Block, batch: &mut Batch) {
    for (row, ts) in block.times.iter().enumerate() {
        let (value, quality) = (block.value(row), block.quality(row));
        batch.push(Sample { tag, ts: Timestamp::from_nanos(*ts), value, quality });
    }
}
