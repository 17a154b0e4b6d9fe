//! Samples that name their tags by place in a list: another store's rows.
//!
//! *Invariant.* As for points: a sample leaves here only with a value of its tag's kind, and one
//! that does not fit is refused alone, counted and remembered.

use std::sync::Arc;

use tacitus_model::{Batch, Sample, Tag, Value};

use super::refusals::Refusal;
use super::resolve::{Refused, Resolved, fit, shown};
use super::{Ingest, REFUSED_NAMED_MAX};

/// A tag of the list.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// Its path here.
    pub(crate) path: String,
    /// The names of its states where the rows come from.
    pub(crate) states: Vec<String>,
    /// The tag here, or why there is none.
    pub(crate) tag: Result<Arc<Tag>, String>,
}

impl Ingest {
    /// Turns rows into samples of the tags they name.
    pub(crate) fn resolve_listed(&self, rows: &Batch, list: &[Listed], source: &str) -> Resolved {
        let now = self.now();
        let mut resolved =
            Resolved { batch: Batch::with_capacity(rows.len()), ..Resolved::default() };
        for (index, (tag, ts, value, quality)) in rows.iter().enumerate() {
            let Some(listed) = list.get(tag.0 as usize) else { continue };
            let fitted = listed.fitted(value);
            let (tag, value) = match fitted {
                Ok(fitted) => fitted,
                Err((code, reason)) => {
                    let path = listed.path.clone();
                    let payload = shown(value);
                    let refusal =
                        Refusal::new(now, source, &path, (code, &reason), payload.as_bytes());
                    self.refusals.add(refusal);
                    resolved.refused_count += 1;
                    if resolved.refused.len() < REFUSED_NAMED_MAX {
                        resolved.refused.push(Refused { index, path, reason });
                    }
                    continue;
                }
            };
            let ts = ts.quantised(tag.definition.quantum_ns);
            resolved.batch.push(Sample { tag: tag.id, ts, value, quality });
        }
        resolved
    }
}

impl Listed {
    /// The tag here, and a value as one of its kind; or the word for a refusal, and the reason.
    fn fitted(&self, value: &Value) -> Result<(&Tag, Value), (&'static str, String)> {
        let tag = self.tag.as_ref().map_err(|reason| ("definition", reason.clone()))?;
        // By their names, because the states may have other numbers here.
        let mut value = match value {
            Value::State(index) => match self.states.get(*index as usize) {
                Some(name) => Value::Text(name.as_str().into()),
                None => return Err(("state", format!("state {index} has no name"))),
            },
            other => other.clone(),
        };
        let fitted = fit(&mut value, &tag.definition);
        let fitted = fitted.map_err(|reason| (reason.code(), reason.to_string()))?;
        Ok((tag, fitted))
    }
}
