//! Why machines stood: what a value of the state tag means, each kept once.
//!
//! *Invariant.* Two stops of the same rule and the same value have the same cause.

use std::collections::HashMap;
use std::sync::Arc;

use crate::limits::STOP_CAUSES_MAX;

/// Why a machine stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cause {
    /// In people's words.
    pub(crate) reason: Arc<str>,
    /// What the state tag said; `None` of a number with a fraction.
    pub(crate) value: Option<Arc<str>>,
    /// Whether there was nothing to make.
    pub(crate) no_order: bool,
}

/// The causes of some machines, by number.
#[derive(Debug, Default)]
pub(crate) struct Causes {
    all: Vec<Cause>,
    /// By rule and value.
    known: HashMap<(Option<usize>, Option<Arc<str>>), u32>,
    /// By the cause that was told first, and the reason that was given later.
    recoded: HashMap<(u32, Arc<str>), u32>,
}

impl Causes {
    /// The number of a cause; `None` where there are too many.
    pub(crate) fn number(
        &mut self,
        rule: Option<usize>,
        value: Option<&str>,
        make: impl FnOnce(Option<Arc<str>>) -> Cause,
    ) -> Option<u32> {
        let value: Option<Arc<str>> = value.map(Into::into);
        let key = (rule, value.clone());
        if let Some(number) = self.known.get(&key) {
            return Some(*number);
        }
        if self.all.len() >= STOP_CAUSES_MAX {
            return None;
        }
        let number = u32::try_from(self.all.len()).ok()?;
        self.all.push(make(value));
        self.known.insert(key, number);
        Some(number)
    }

    /// The number of a cause with another reason; `None` where there are too many.
    pub(crate) fn recoded(&mut self, cause: u32, reason: &Arc<str>) -> Option<u32> {
        let key = (cause, Arc::clone(reason));
        if let Some(number) = self.recoded.get(&key) {
            return Some(*number);
        }
        if self.all.len() >= STOP_CAUSES_MAX {
            return None;
        }
        let number = u32::try_from(self.all.len()).ok()?;
        let told = self.get(cause)?;
        self.all.push(Cause { reason: Arc::clone(reason), ..told.clone() });
        self.recoded.insert(key, number);
        Some(number)
    }

    /// The cause of a number.
    pub(crate) fn get(&self, number: u32) -> Option<&Cause> {
        self.all.get(usize::try_from(number).ok()?)
    }
}
