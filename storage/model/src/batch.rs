//! Samples that are written together: all of them or none.
//!
//! *Invariant.* The four columns have the same length. Rows keep the order of arrival; of two
//! rows with the same `(tag, ts)` the later one wins.

use crate::{Quality, Sample, TagId, Timestamp, Value};

/// Samples in columns, in order of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    tags: Vec<TagId>,
    times: Vec<Timestamp>,
    values: Vec<Value>,
    qualities: Vec<Quality>,
}

impl Batch {
    /// An empty batch with room for `rows`.
    #[must_use]
    pub fn with_capacity(rows: usize) -> Self {
        Self {
            tags: Vec::with_capacity(rows),
            times: Vec::with_capacity(rows),
            values: Vec::with_capacity(rows),
            qualities: Vec::with_capacity(rows),
        }
    }

    /// Adds a sample at the end.
    pub fn push(&mut self, sample: Sample) {
        self.tags.push(sample.tag);
        self.times.push(sample.ts);
        self.values.push(sample.value);
        self.qualities.push(sample.quality);
    }

    /// How many samples there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// The tag of each row.
    #[must_use]
    pub fn tags(&self) -> &[TagId] {
        &self.tags
    }

    /// The time of each row.
    #[must_use]
    pub fn times(&self) -> &[Timestamp] {
        &self.times
    }

    /// The value of each row.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// The quality of each row.
    #[must_use]
    pub fn qualities(&self) -> &[Quality] {
        &self.qualities
    }

    /// The rows, one sample at a time.
    pub fn iter(&self) -> impl Iterator<Item = (TagId, Timestamp, &Value, Quality)> {
        self.tags
            .iter()
            .zip(&self.times)
            .zip(&self.values)
            .zip(&self.qualities)
            .map(|(((tag, ts), value), quality)| (*tag, *ts, value, *quality))
    }

    /// About how many bytes this batch holds in memory, text included: what a queue counts.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let row =
            size_of::<TagId>() + size_of::<Timestamp>() + size_of::<Value>() + size_of::<Quality>();
        let text: usize = self
            .values
            .iter()
            .map(|value| if let Value::Text(text) = value { text.len() } else { 0 })
            .sum();
        self.len() * row + text
    }
}

impl FromIterator<Sample> for Batch {
    fn from_iter<I: IntoIterator<Item = Sample>>(samples: I) -> Self {
        let mut batch = Self::default();
        batch.extend(samples);
        batch
    }
}

impl Extend<Sample> for Batch {
    fn extend<I: IntoIterator<Item = Sample>>(&mut self, samples: I) {
        samples.into_iter().for_each(|sample| self.push(sample));
    }
}
