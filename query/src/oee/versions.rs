//! The definitions of an asset, each from its own time on: what was keeps its numbers.
//!
//! *Invariant.* Of one time there is one definition; they are sorted by it.

use std::sync::Arc;

use super::model::OeeModel;

/// The definitions of an asset by the time from which on they hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OeeVersions(Vec<Arc<OeeModel>>);

impl OeeVersions {
    /// Puts a definition in, in place of the one of its time.
    pub fn put(&mut self, model: OeeModel) {
        let place = self.0.binary_search_by_key(&model.valid_from_ns, |own| own.valid_from_ns);
        let model = Arc::new(model);
        match place {
            Ok(at) => {
                if let Some(own) = self.0.get_mut(at) {
                    *own = model;
                }
            }
            Err(at) => self.0.insert(at, model),
        }
    }

    /// Takes out the definition that holds from a moment on, in nanoseconds since 1970; `None`: from
    /// the beginning. Whether there was one.
    pub fn take(&mut self, valid_from_ns: Option<i64>) -> bool {
        let count = self.0.len();
        self.0.retain(|own| own.valid_from_ns != valid_from_ns.unwrap_or(i64::MIN));
        self.0.len() < count
    }

    /// All of them, the earliest first.
    #[must_use]
    pub fn all(&self) -> &[Arc<OeeModel>] {
        &self.0
    }

    /// What holds between two moments: each definition with the span in which it does.
    pub(crate) fn between(
        &self,
        from: i64,
        to: i64,
    ) -> impl Iterator<Item = (i64, i64, &Arc<OeeModel>)> {
        self.0.iter().enumerate().filter_map(move |(at, own)| {
            let next = self.0.get(at + 1).map_or(i64::MAX, |next| next.valid_from_ns);
            let (first, end) = (own.valid_from_ns.max(from), next.min(to));
            (first < end).then_some((first, end, own))
        })
    }
}
