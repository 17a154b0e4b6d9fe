//! Subscriptions to the past: `$history/RANGE/FILTER`.
//!
//! ```text
//! $history/PT1H/plant/#                                      the last hour, then what is stored
//! $history/2026-11-22T08:00:00Z/plant/#                      since then, then what is stored
//! $history/2026-11-22T08:00:00Z,2026-11-22T09:00:00Z/plant/# that hour, and no more
//! ```
//!
//! *Invariant.* The store is read no faster than the client takes what it says; one that lets more
//! be stored than is remembered for it is sent away. A subscription to the past lasts as long as
//! its connection.
//!
//! *Not here.* How the store is read without a gap or a double: the intake.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use tacitus_model::{TimeRange, Timestamp};
use tacitus_protocol::mqtt::{Delivery, Message, Parts, QoS, SessionKey};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::intake::{Intake, Span, Story, StoryError, Told};
use super::limits::{STORIES_MAX, STORY_WAITING_MAX};

/// Filters below this ask for the past.
const PREFIX: &str = "$history/";

/// Whether a filter asks for the past.
pub(super) fn is_history(filter: &str) -> bool {
    filter.starts_with(PREFIX)
}

/// The filter behind the range.
pub(super) fn inner(filter: &str) -> Option<&str> {
    filter.strip_prefix(PREFIX)?.split_once('/').map(|(_, filter)| filter)
}

/// What a filter asks for; `None` if its range is none.
pub(super) fn span(filter: &str, now: Timestamp) -> Option<Span> {
    let (range, filter) = filter.strip_prefix(PREFIX)?.split_once('/')?;
    if filter.is_empty() || filter.starts_with('$') {
        return None;
    }
    let filter = filter.to_owned();
    if let Some((first, last)) = range.split_once(',') {
        let range = TimeRange { first: moment(first)?, last: moment(last)? };
        return Some(Span { filter, range, goes_on: false });
    }
    let first = match duration(range) {
        Some(ago) => {
            let ago = i64::try_from(ago.as_nanos()).ok()?;
            Timestamp::from_nanos(now.nanos().checked_sub(ago)?)
        }
        None => moment(range)?,
    };
    let range = TimeRange { first, last: Timestamp::MAX };
    Some(Span { filter, range, goes_on: true })
}

/// A time of RFC 3339. One with an offset has a `+`, which no filter may have within a level.
fn moment(text: &str) -> Option<Timestamp> {
    let moment = DateTime::parse_from_rfc3339(text).ok()?;
    moment.timestamp_nanos_opt().map(Timestamp::from_nanos)
}

/// A duration of ISO 8601 in weeks, days, hours, minutes and seconds.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.strip_prefix('P')?;
    let mut seconds = 0u64;
    let mut is_time = false;
    let mut is_empty = true;
    while !rest.is_empty() {
        if let Some(time) = rest.strip_prefix('T') {
            if is_time || time.is_empty() {
                return None;
            }
            is_time = true;
            rest = time;
            continue;
        }
        let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let (digits, unit) = rest.split_at_checked(end)?;
        let mut letters = unit.chars();
        let unit_s = match (letters.next()?, is_time) {
            ('W', false) => 7 * 86_400,
            ('D', false) => 86_400,
            ('H', true) => 3_600,
            ('M', true) => 60,
            ('S', true) => 1,
            _ => return None,
        };
        let count: u64 = digits.parse().ok()?;
        seconds = seconds.checked_add(count.checked_mul(unit_s)?)?;
        is_empty = false;
        rest = letters.as_str();
    }
    (!is_empty).then_some(Duration::from_secs(seconds))
}

/// How the samples of one subscription are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) qos: QoS,
    pub(super) subscription_id: Option<u32>,
}

/// The subscriptions to the past of one connection.
#[derive(Debug)]
pub(super) struct Stories {
    tellers: HashMap<String, JoinHandle<()>>,
    give: mpsc::Sender<Result<Delivery, StoryError>>,
    take: mpsc::Receiver<Result<Delivery, StoryError>>,
}

impl Stories {
    pub(super) fn new() -> Self {
        let (give, take) = mpsc::channel(STORY_WAITING_MAX);
        Self { tellers: HashMap::new(), give, take }
    }

    /// Whether another one may be begun.
    pub(super) fn have_room(&self, filter: &str) -> bool {
        self.tellers.len() < STORIES_MAX || self.tellers.contains_key(filter)
    }

    /// Begins one; one with the same filter begins anew.
    pub(super) fn begin(
        &mut self,
        intake: &Arc<dyn Intake>,
        filter: &str,
        span: &Span,
        form: Form,
    ) -> Result<(), StoryError> {
        self.end(filter);
        let story = intake.tell(span)?;
        let teller = tokio::spawn(tell(story, form, self.give.clone()));
        self.tellers.insert(filter.to_owned(), teller);
        Ok(())
    }

    /// Ends one; whether there was one.
    pub(super) fn end(&mut self, filter: &str) -> bool {
        let teller = self.tellers.remove(filter);
        if let Some(teller) = &teller {
            teller.abort();
        }
        teller.is_some()
    }

    /// The next sample.
    pub(super) async fn next(&mut self) -> Result<Delivery, StoryError> {
        match self.take.recv().await {
            Some(next) => next,
            // A sender is kept here, so that this does not happen.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Stories {
    fn drop(&mut self) {
        for teller in self.tellers.values() {
            teller.abort();
        }
    }
}

async fn tell(
    mut story: Box<dyn Story>,
    form: Form,
    give: mpsc::Sender<Result<Delivery, StoryError>>,
) {
    loop {
        let told = match story.next().await {
            Ok(told) if told.is_empty() => return,
            Ok(told) => told,
            Err(error) => {
                // Who left is told nothing.
                give.send(Err(error)).await.ok();
                return;
            }
        };
        for one in told {
            let Some(delivery) = delivery(&one, form) else { continue };
            if give.send(Ok(delivery)).await.is_err() {
                return;
            }
        }
    }
}

fn delivery(told: &Told, form: Form) -> Option<Delivery> {
    let message = Message::new(Parts {
        topic: &told.topic,
        payload: &told.payload,
        qos: form.qos,
        retain: false,
        publisher: SessionKey(0),
        expires_at_ms: None,
        properties: &[],
    })?;
    Some(Delivery {
        message,
        qos: form.qos,
        retain: false,
        subscription_ids: form.subscription_id.into_iter().collect(),
        serial: 0,
        is_again: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_nanos(1_795_334_400_000_000_000);

    fn hours(count: i64) -> Timestamp {
        Timestamp::from_nanos(NOW.nanos() + count * 3_600_000_000_000)
    }

    #[test]
    fn a_range_is_a_duration_a_moment_or_two() {
        let cases = [
            ("$history/PT1H/plant/#", Some(("plant/#", hours(-1), Timestamp::MAX))),
            ("$history/P1D/a", Some(("a", hours(-24), Timestamp::MAX))),
            ("$history/P1DT12H/a", Some(("a", hours(-36), Timestamp::MAX))),
            ("$history/PT60M/+/b", Some(("+/b", hours(-1), Timestamp::MAX))),
            ("$history/2026-11-22T08:00:00Z/a", Some(("a", hours(0), Timestamp::MAX))),
            (
                "$history/2026-11-22T08:00:00Z,2026-11-22T09:00:00.000Z/a",
                Some(("a", hours(0), hours(1))),
            ),
            ("$history/P/a", None),
            ("$history/PT/a", None),
            ("$history/P1H/a", None),
            ("$history/PT1D/a", None),
            ("$history/PTH/a", None),
            ("$history/PT1HT1H/a", None),
            ("$history/PT99999999999999999999H/a", None),
            ("$history/P99999999999W/a", None),
            ("$history/yesterday/a", None),
            ("$history/2026-11-22T08:00:00Z,/a", None),
            ("$history/PT1H/", None),
            ("$history/PT1H", None),
            ("$history/PT1H/$SYS/#", None),
        ];
        for (filter, want) in cases {
            let found = span(filter, NOW);
            let found = found.as_ref().map(|span| {
                assert_eq!(span.goes_on, span.range.last == Timestamp::MAX);
                (span.filter.as_str(), span.range.first, span.range.last)
            });
            assert_eq!(found, want, "{filter}");
        }
    }
}
