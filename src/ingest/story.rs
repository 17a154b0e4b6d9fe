//! Stored samples as messages, for subscribers who ask for the past.
//!
//! *Invariant.* A message that is told, published again, becomes the same sample: its members are
//! those that payloads are read by.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat};
use serde_json::{Value as Json, json};
use tacitus_model::{Tag, Value};
use tacitus_protocol::mqtt::{is_topic, matches};

use super::Ingest;
use crate::broker::{Span, Story, StoryError, Told};
use crate::live::{Broken, Replay};

impl Ingest {
    /// Begins to tell the past.
    pub(super) fn tell(&self, span: &Span) -> Result<Box<dyn Story>, StoryError> {
        let filter = span.filter.clone();
        let selects = Box::new(move |path: &str| is_topic(path) && matches(&filter, path));
        let (engine, feed) = (Arc::clone(self.resolver.engine()), Arc::clone(&self.feed));
        let replay = Replay::open(engine, feed, selects, span.range, span.goes_on);
        Ok(Box::new(Retold(replay.map_err(broken)?)))
    }
}

struct Retold(Replay);

#[async_trait]
impl Story for Retold {
    async fn next(&mut self) -> Result<Vec<Told>, StoryError> {
        let told = self.0.next().await.map_err(broken)?;
        let message = |(tag, sample): &(Arc<Tag>, tacitus_model::Sample)| Told {
            topic: tag.definition.path.as_str().to_owned(),
            payload: payload(tag, sample).to_string().into_bytes(),
        };
        Ok(told.iter().map(message).collect())
    }
}

fn broken(error: Broken) -> StoryError {
    match error {
        Broken::Lagged => StoryError::Lagged,
        other => StoryError::Failed(other.to_string()),
    }
}

fn payload(tag: &Tag, sample: &tacitus_model::Sample) -> Json {
    let value = match &sample.value {
        Value::Null => Json::Null,
        Value::Float(number) if number.is_finite() => json!(number),
        Value::Float(number) => json!(number.to_string()),
        Value::Int(number) => json!(number),
        Value::Bool(fact) => json!(fact),
        Value::Text(text) => json!(text),
        Value::State(index) => {
            let state = tag.definition.states.get(*index as usize);
            state.map_or_else(|| json!(index), |state| json!(state))
        }
    };
    let moment = DateTime::from_timestamp_nanos(sample.ts.nanos());
    json!({
        "value": value,
        "timestamp": moment.to_rfc3339_opts(SecondsFormat::AutoSi, true),
        "statusCode": sample.quality.0,
    })
}
