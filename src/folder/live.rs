//! The running store as the place to import to: through the queue, like any other sender.
//!
//! *Invariant.* The document that says that a file was taken is written with its last samples, and
//! only after all others are on disk.

use std::sync::Arc;

use tacitus_files::{Faults, Form, Sorted, Target};
use tacitus_model::{Batch, Kind, Quality, Sample, TagDefinition, TagPath, Timestamp};
use tacitus_protocol::Point;
use tacitus_storage::{Document, Engine};

use crate::import::{Error, Imported, Store};
use crate::ingest::Ingest;

/// The source that tags of files name.
const SOURCE: &str = "files";

/// About how many bytes of samples are written at once.
const BATCH_BYTES: usize = 1 << 20;

/// Points of JSON rows that are resolved at once.
const POINTS_AT_ONCE: usize = 8192;

/// The running store, for one file.
#[derive(Debug)]
pub(super) struct Live<'s> {
    engine: &'s Arc<Engine>,
    ingest: &'s Ingest,
    /// What says that the file was taken.
    document: Option<Document>,
}

impl<'s> Live<'s> {
    pub(super) const fn new(
        engine: &'s Arc<Engine>,
        ingest: &'s Ingest,
        document: Document,
    ) -> Self {
        Self { engine, ingest, document: Some(document) }
    }

    /// Waits for the sync; to be called on a thread for what blocks.
    fn write(&mut self, batch: Batch, is_last: bool) -> Result<(), Error> {
        let documents = if is_last { self.document.take() } else { None };
        let written = self.ingest.write_with(vec![batch], documents.into_iter().collect());
        tokio::runtime::Handle::current()
            .block_on(written)
            .map(|_sequence| ())
            .map_err(Error::Write)
    }

    /// Keeps the points of rows that have numbers.
    pub(super) fn keep_points(
        &mut self,
        points: Vec<(usize, Point)>,
        file: &str,
        faults: &mut Faults,
    ) -> Result<Imported, Error> {
        let mut imported = Imported::default();
        let mut tags = std::collections::BTreeSet::new();
        let mut rest = points.into_iter().peekable();
        while rest.peek().is_some() {
            let (numbers, points): (Vec<usize>, Vec<Point>) =
                rest.by_ref().take(POINTS_AT_ONCE).unzip();
            let resolved = self.ingest.resolve(points, SOURCE);
            for refused in resolved.refused {
                let number = numbers.get(refused.index).copied().unwrap_or_default();
                faults.add(file, number as u64, || {
                    format!("\"{}\": {}", refused.path, refused.reason)
                });
            }
            imported.samples += resolved.batch.len() as u64;
            tags.extend(resolved.batch.iter().map(|(tag, ..)| tag));
            self.write(resolved.batch, false)?;
        }
        self.write(Batch::default(), true)?;
        imported.tags = tags.len();
        imported.faults = std::mem::take(faults);
        Ok(imported)
    }
}

impl Store for Live<'_> {
    fn target(&mut self, form: &Form, kind: Option<Kind>) -> Result<Target, String> {
        let path = TagPath::new(&form.path).map_err(|error| error.to_string())?;
        let catalog = self.engine.catalog();
        let tag = match (catalog.find(path.as_str()), kind) {
            (Some(tag), _) => tag,
            (None, None | Some(Kind::State)) => {
                return Err("no value says what kind of tag this is".to_owned());
            }
            (None, Some(kind)) => {
                let labels = form.labels.clone();
                let definition = TagDefinition { labels, ..TagDefinition::new(path, kind, SOURCE) };
                self.ingest.define(definition)?
            }
        };
        let TagDefinition { kind, ref states, .. } = tag.definition;
        Ok(Target { tag: tag.id, kind, states: states.clone() })
    }

    fn keep(&mut self, sorted: Sorted, _faults: &mut Faults) -> Result<u64, Error> {
        let mut kept = 0;
        let mut batch = Batch::default();
        for block in sorted {
            let (tag, block) = block.map_err(Error::Sort)?;
            for (row, ts) in block.times.iter().enumerate() {
                let quality = block.qualities.as_ref().and_then(|all| all.get(row).copied());
                batch.push(Sample {
                    tag,
                    ts: Timestamp::from_nanos(*ts),
                    value: block.value(row),
                    quality: Quality(quality.unwrap_or(Quality::GOOD.0)),
                });
                kept += 1;
            }
            if batch.size_bytes() >= BATCH_BYTES {
                self.write(std::mem::take(&mut batch), false)?;
            }
        }
        self.write(batch, true)?;
        Ok(kept)
    }
}
