//! Import into a data directory that this process has open.
//!
//! *Invariant.* All samples of an import appear at once, in segments on disk, or none of them.

use std::sync::Arc;

use tacitus_files::{Faults, Form, Sorted, Target};
use tacitus_model::{Kind, TagDefinition, TagPath};
use tacitus_storage::Engine;

use super::{Error, Store};

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
        let unsorted =
            |error| tacitus_storage::Error::io("sort the samples in", "the temporary file", error);
        let blocks = sorted.map(|item| item.map_err(unsorted));
        Ok(self.engine.import(blocks).map_err(Error::Store)?.samples)
    }
}
