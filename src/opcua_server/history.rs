//! Reads of histories: raw, modified, at times, and processed.
//!
//! *Source.* OPC 10000-11, 6.5. The start of a range is included and its end is not; a range whose
//! end comes before its start is read backward; bounds are the samples next to the range, or
//! `BadBoundNotFound`.
//!
//! *Invariant.* One answer has at most [`VALUES_MAX`] values of a node; what is left is reached by
//! its continuation point, which is a place in time and not a reader that is kept open.

use std::str::FromStr;
use std::sync::Arc;

use opcua::server::ContinuationPoint;
use opcua::server::node_manager::HistoryNode;
use opcua::types::{
    DataValue, DateTime, HistoryData, HistoryModifiedData, HistoryUpdateType, ModificationInfo,
    NodeId, ReadAtTimeDetails, ReadProcessedDetails, ReadRawModifiedDetails, StatusCode, Variant,
};
use tacitus_model::{Kind, Sample, Tag, TimeRange, Value};
use tacitus_protocol::opcua::{date_time, moment, spoken, variant};
use tacitus_query::{AccessError, Processed, Processing, TagHistory};
use tacitus_storage::{Change, Engine, Snapshot};

/// LIMIT: values of one node in one answer.
pub(super) const VALUES_MAX: usize = 10_000;

/// LIMIT: old values of one node in all answers to one question. They are read from the store as it
/// was, once for each change.
const MODIFIED_MAX: usize = 100_000;

/// `BadBoundNotFound` (Part 11, 6.3).
const BAD_BOUND_NOT_FOUND: StatusCode = StatusCode::BadBoundNotFound;

/// What is asked of each node.
#[derive(Debug)]
pub(super) enum Asked {
    Raw(ReadRawModifiedDetails),
    Processed(ReadProcessedDetails),
    AtTime(ReadAtTimeDetails),
}

/// Where a read goes on.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Next {
    /// At this time, or only at the bound beyond the range.
    Raw(Option<i64>),
    /// After so many values or intervals.
    Skip(u64),
}

/// The answer for one node.
pub(super) struct Outcome {
    status: StatusCode,
    values: Vec<DataValue>,
    changes: Option<Vec<ModificationInfo>>,
    next: Option<Next>,
}

/// A history at one moment of the store.
pub(super) struct History {
    pub(super) snapshot: Snapshot,
    pub(super) engine: Arc<Engine>,
    /// How many nodes are asked.
    pub(super) count: usize,
}

/// A range of a raw read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    /// The first and the last nanosecond that belong to it.
    low: i64,
    high: i64,
    backward: bool,
    /// Where its bounds lie, in the flow of time; no second one for a read without an end.
    bounds: (i64, Option<i64>),
}

impl Outcome {
    /// Nothing, and why.
    pub(super) fn refused(status: StatusCode) -> Self {
        Self { status, values: Vec::new(), changes: None, next: None }
    }

    fn of(values: Vec<DataValue>, next: Option<Next>) -> Self {
        let status = if values.is_empty() { StatusCode::GoodNoData } else { StatusCode::Good };
        Self { status, values, changes: None, next }
    }

    /// Writes it where the library expects it.
    pub(super) fn give(self, node: &mut HistoryNode) {
        node.set_status(self.status);
        node.set_next_continuation_point(
            self.next.map(|next| ContinuationPoint::new(Box::new(next))),
        );
        if !self.status.is_good() {
            return;
        }
        let data_values = Some(self.values);
        match self.changes {
            None => node.set_result(HistoryData { data_values }),
            Some(changes) => node
                .set_result(HistoryModifiedData { data_values, modification_infos: Some(changes) }),
        }
    }
}

impl History {
    /// Reads what is asked of the node at this index.
    pub(super) fn read(
        &self,
        asked: &Asked,
        index: usize,
        tag: Arc<Tag>,
        next: Option<&Next>,
    ) -> Outcome {
        let history = TagHistory::new(self.snapshot.clone(), tag);
        let outcome = match asked {
            Asked::Raw(details) if details.is_read_modified => {
                self.modified(&history, details, next)
            }
            Asked::Raw(details) => raw(&history, details, next),
            Asked::Processed(details) => self.processed(&history, details, index, next),
            Asked::AtTime(details) => at_times(&history, details, next),
        };
        outcome.unwrap_or_else(Outcome::refused)
    }

    fn processed(
        &self,
        history: &TagHistory,
        details: &ReadProcessedDetails,
        index: usize,
        next: Option<&Next>,
    ) -> Result<Outcome, StatusCode> {
        let kinds = details.aggregate_type.as_deref().unwrap_or_default();
        if kinds.len() != self.count {
            return Err(StatusCode::BadAggregateListMismatch);
        }
        let kind = kinds.get(index).ok_or(StatusCode::BadAggregateListMismatch)?;
        let aggregate = aggregate(kind).ok_or(StatusCode::BadAggregateNotSupported)?;
        let (Some(start), Some(end)) = (stated(&details.start_time), stated(&details.end_time))
        else {
            return Err(StatusCode::BadInvalidTimestampArgument);
        };
        // Part 13, 5.4.2.2: there is no interval, whether there is data or not.
        if start == end {
            return Err(StatusCode::BadInvalidArgument);
        }
        let interval_ns = nanos(details.processing_interval)?;
        let wish = &details.aggregate_configuration;
        let standard = Processing::standard(aggregate, start, end, interval_ns);
        let processing = if wish.use_server_capabilities_defaults {
            standard
        } else {
            Processing {
                treat_uncertain_as_bad: wish.treat_uncertain_as_bad,
                percent_data_bad: wish.percent_data_bad,
                percent_data_good: wish.percent_data_good,
                use_sloped_extrapolation: wish.use_sloped_extrapolation,
                ..standard
            }
        };
        let skip = skipped(next);
        let page = history.processed(&processing, skip, VALUES_MAX).map_err(|e| refusal(&e))?;
        let more = page.len() == VALUES_MAX;
        let next = more.then(|| Next::Skip(skip + VALUES_MAX as u64));
        let values =
            page.into_iter().map(|one| processed_value(kind, history.tag(), one)).collect();
        Ok(Outcome::of(values, next))
    }

    /// The values that edits and deletions put away, and who did it (Part 11, 6.5.3.3).
    fn modified(
        &self,
        history: &TagHistory,
        details: &ReadRawModifiedDetails,
        next: Option<&Next>,
    ) -> Result<Outcome, StatusCode> {
        let span = span(details)?;
        let id = history.tag().id;
        let mut found: Vec<(Sample, ModificationInfo)> = Vec::new();
        for entry in self.snapshot.audit() {
            let range = TimeRange {
                first: entry.range.first.max(tacitus_model::Timestamp::from_nanos(span.low)),
                last: entry.range.last.min(tacitus_model::Timestamp::from_nanos(span.high)),
            };
            if !entry.tags.contains(&id) || range.is_empty() {
                continue;
            }
            // What is older than the audit is kept no longer.
            let Ok(before) = self.engine.snapshot_as_of(entry.sequence.saturating_sub(1)) else {
                continue;
            };
            let before = TagHistory::new(before, Arc::new(history.tag().clone()));
            let room = MODIFIED_MAX.saturating_sub(found.len());
            let (first, last) = (range.first.nanos(), range.last.nanos());
            let old = before.forward(first, last, room).map_err(|error| broken(&error))?;
            let now = history.forward(first, last, room).map_err(|error| broken(&error))?;
            for sample in old {
                let same = now.binary_search_by_key(&sample.ts, |own| own.ts);
                if same.is_ok_and(|at| now.get(at) == Some(&sample)) {
                    continue;
                }
                let update_type = match entry.change {
                    Change::Edited => HistoryUpdateType::Replace,
                    Change::Deleted => HistoryUpdateType::Delete,
                };
                found.push((
                    sample,
                    ModificationInfo {
                        modification_time: date_time(entry.at),
                        update_type,
                        user_name: entry.user.as_str().into(),
                    },
                ));
            }
        }
        found.sort_by_key(|(sample, _)| sample.ts);
        if span.backward {
            found.reverse();
        }
        let skip = skipped(next);
        let page_max = page_max(details);
        let from = usize::try_from(skip).unwrap_or(usize::MAX);
        let more = found.len() > from.saturating_add(page_max);
        let page = found.into_iter().skip(from).take(page_max);
        let (values, changes) =
            page.map(|(sample, change)| (value(history.tag(), &sample), change)).unzip();
        let next = more.then(|| Next::Skip(skip + page_max as u64));
        Ok(Outcome { changes: Some(changes), ..Outcome::of(values, next) })
    }
}

fn raw(
    history: &TagHistory,
    details: &ReadRawModifiedDetails,
    next: Option<&Next>,
) -> Result<Outcome, StatusCode> {
    let span = span(details)?;
    let count = page_max(details);
    let tag = history.tag();
    let broken = |error: tacitus_storage::Error| broken(&error);
    let mut values = Vec::new();
    let begins = next.is_none();
    let from = match next {
        Some(Next::Raw(from)) => *from,
        Some(Next::Skip(_)) => return Err(StatusCode::BadContinuationPointInvalid),
        None => Some(if span.backward { span.high } else { span.low }),
    };
    let with_bounds = details.return_bounds;
    if begins && with_bounds {
        values.extend(leading(history, span).map_err(broken)?);
    }
    if let Some(from) = from {
        // One more, to know whether there is more.
        let wanted = count.saturating_sub(values.len()).saturating_add(1);
        let rows = if span.backward {
            history.backward(span.low, from, wanted)
        } else {
            history.forward(from, span.high, wanted)
        };
        let rows = rows.map_err(broken)?;
        if rows.len() == wanted {
            let next = rows.last().map(|row| Next::Raw(Some(row.ts.nanos())));
            values.extend(rows.iter().take(wanted - 1).map(|row| value(tag, row)));
            return Ok(Outcome::of(values, next));
        }
        values.extend(rows.iter().map(|row| value(tag, row)));
    }
    if let (Some(end), true) = (span.bounds.1, with_bounds) {
        if values.len() >= count && from.is_some() {
            return Ok(Outcome::of(values, Some(Next::Raw(None))));
        }
        values.push(trailing(history, span, end).map_err(broken)?);
    }
    Ok(Outcome::of(values, None))
}

/// The bound before the range, where no sample lies on its start.
fn leading(history: &TagHistory, span: Span) -> Result<Option<DataValue>, tacitus_storage::Error> {
    let start = span.bounds.0;
    if !history.forward(start, start, 1)?.is_empty() {
        return Ok(None);
    }
    let found = if span.backward { history.after(start)? } else { history.before(start)? };
    Ok(Some(found.map_or_else(|| no_bound(start), |row| value(history.tag(), &row))))
}

/// The bound at the end of the range, or the next one beyond it.
fn trailing(
    history: &TagHistory,
    span: Span,
    end: i64,
) -> Result<DataValue, tacitus_storage::Error> {
    let at = history.forward(end, end, 1)?.pop();
    let found = match at {
        Some(row) => Some(row),
        None if span.backward => history.before(end)?,
        None => history.after(end)?,
    };
    Ok(found.map_or_else(|| no_bound(end), |row| value(history.tag(), &row)))
}

fn no_bound(ts: i64) -> DataValue {
    DataValue {
        value: None,
        status: Some(BAD_BOUND_NOT_FOUND),
        source_timestamp: Some(date_time(tacitus_model::Timestamp::from_nanos(ts))),
        ..DataValue::default()
    }
}

fn at_times(
    history: &TagHistory,
    details: &ReadAtTimeDetails,
    next: Option<&Next>,
) -> Result<Outcome, StatusCode> {
    let times = details.req_times.as_deref().unwrap_or_default();
    if times.is_empty() {
        return Err(StatusCode::BadInvalidTimestampArgument);
    }
    let skip = skipped(next);
    let from = usize::try_from(skip).unwrap_or(usize::MAX).min(times.len());
    let page = times.get(from..).unwrap_or_default();
    let page = page.get(..VALUES_MAX).unwrap_or(page);
    let wanted: Option<Vec<i64>> = page.iter().map(stated).collect();
    let wanted = wanted.ok_or(StatusCode::BadInvalidTimestampArgument)?;
    let rows = history.at(&wanted).map_err(|error| refusal(&error))?;
    let values = rows.iter().map(|row| value(history.tag(), row)).collect();
    let more = times.len() > from + page.len();
    Ok(Outcome::of(values, more.then(|| Next::Skip(skip + page.len() as u64))))
}

/// The range of a raw read (Part 11, 6.5.3.2): two of start, end and count say it.
fn span(details: &ReadRawModifiedDetails) -> Result<Span, StatusCode> {
    let counted = details.num_values_per_node > 0;
    Ok(match (stated(&details.start_time), stated(&details.end_time)) {
        (Some(start), Some(end)) if start == end => {
            Span { low: start, high: start, backward: false, bounds: (start, Some(end)) }
        }
        (Some(start), Some(end)) if start < end => {
            Span { low: start, high: end - 1, backward: false, bounds: (start, Some(end)) }
        }
        (Some(start), Some(end)) => {
            Span { low: end + 1, high: start, backward: true, bounds: (start, Some(end)) }
        }
        (Some(start), None) if counted => {
            Span { low: start, high: i64::MAX, backward: false, bounds: (start, None) }
        }
        (None, Some(end)) if counted => {
            Span { low: i64::MIN, high: end, backward: true, bounds: (end, None) }
        }
        _ => return Err(StatusCode::BadInvalidTimestampArgument),
    })
}

fn page_max(details: &ReadRawModifiedDetails) -> usize {
    match usize::try_from(details.num_values_per_node) {
        Ok(0) | Err(_) => VALUES_MAX,
        Ok(asked) => asked.min(VALUES_MAX),
    }
}

fn skipped(next: Option<&Next>) -> u64 {
    match next {
        Some(Next::Skip(count)) => *count,
        _ => 0,
    }
}

/// A time as it is asked for; `None` where none is stated.
fn stated(time: &DateTime) -> Option<i64> {
    moment(time).map(tacitus_model::Timestamp::nanos)
}

/// Milliseconds of the wire as nanoseconds.
fn nanos(millis: f64) -> Result<i64, StatusCode> {
    let span = std::time::Duration::try_from_secs_f64(millis / 1_000.0);
    let span = span.map_err(|_unusable| StatusCode::BadInvalidArgument)?;
    i64::try_from(span.as_nanos()).map_err(|_long| StatusCode::BadInvalidArgument)
}

/// The number of an aggregate's node.
fn aggregate(node: &NodeId) -> Option<u32> {
    match &node.identifier {
        opcua::types::Identifier::Numeric(number) if node.namespace == 0 => Some(*number),
        _ => None,
    }
}

/// What a client is told of a store that cannot be read; the log is told why.
fn broken(error: &tacitus_storage::Error) -> StatusCode {
    tracing::error!(%error, "a history cannot be read");
    StatusCode::BadInternalError
}

fn refusal(error: &AccessError) -> StatusCode {
    match error {
        AccessError::Aggregate(_) => StatusCode::BadAggregateNotSupported,
        AccessError::Configuration => StatusCode::BadAggregateConfigurationRejected,
        AccessError::Store(_) => StatusCode::BadInternalError,
    }
}

fn value(tag: &Tag, sample: &Sample) -> DataValue {
    spoken(sample.ts, &sample.value, sample.quality, &tag.definition.states)
}

/// An aggregate in the data type that the standard gives it (Part 13, 5.4).
fn processed_value(kind: &NodeId, tag: &Tag, one: Processed) -> DataValue {
    let value = one.value.map(|number| match aggregate(kind) {
        // Counts and transitions.
        Some(2351 | 2352 | 2355) => whole(number).map_or(Variant::Double(number), Variant::Int32),
        // Worst qualities are status codes.
        Some(2364 | 11292) => {
            let code = whole(number);
            code.map_or(Variant::Empty, |code: u32| Variant::StatusCode(StatusCode::from(code)))
        }
        // Values that were so: of samples; of bounds too.
        Some(2346..=2349 | 2357 | 2358) => as_source(tag, true, number),
        Some(2341 | 11286 | 11287 | 11305 | 11306 | 11505 | 11506) => {
            as_source(tag, tag.definition.step, number)
        }
        // Differences of them.
        Some(2350 | 2359) if tag.definition.kind == Kind::Int => as_source(tag, true, number),
        Some(11288 | 11507) if tag.definition.kind == Kind::Int => {
            as_source(tag, tag.definition.step, number)
        }
        _ => Variant::Double(number),
    });
    DataValue {
        value,
        status: Some(StatusCode::from(one.quality.0)),
        source_timestamp: Some(date_time(one.ts)),
        ..DataValue::default()
    }
}

/// A number in the data type of the tag. An integer that moves in lines is a double between its
/// samples: rounding would tell a client of a step that was none.
fn as_source(tag: &Tag, holds: bool, number: f64) -> Variant {
    let definition = &tag.definition;
    let value = match definition.kind {
        Kind::Int if holds => whole(number).map(Value::Int),
        Kind::Bool => Some(Value::Bool(number.abs() > 0.0)),
        Kind::State => whole(number).map(Value::State),
        Kind::Int | Kind::Float | Kind::Text => None,
    };
    value.map_or(Variant::Double(number), |value| variant(&value, &definition.states))
}

fn whole<T: FromStr>(number: f64) -> Option<T> {
    format!("{number:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tacitus_model::{TagDefinition, TagId, TagPath, Timestamp};

    fn details(start: Option<i64>, end: Option<i64>, count: u32) -> ReadRawModifiedDetails {
        let time = |ts: Option<i64>| {
            ts.map_or_else(DateTime::null, |ts| date_time(Timestamp::from_nanos(ts * 1_000)))
        };
        ReadRawModifiedDetails {
            is_read_modified: false,
            start_time: time(start),
            end_time: time(end),
            num_values_per_node: count,
            return_bounds: false,
        }
    }

    #[test]
    fn two_of_start_end_and_count_say_the_range() {
        for (start, end, count, want) in [
            (Some(1), Some(5), 0, Some((1_000, 4_999, false))),
            (Some(5), Some(1), 0, Some((1_001, 5_000, true))),
            (Some(5), Some(5), 0, Some((5_000, 5_000, false))),
            (Some(5), None, 10, Some((5_000, i64::MAX, false))),
            (None, Some(5), 10, Some((i64::MIN, 5_000, true))),
            (Some(5), None, 0, None),
            (None, None, 10, None),
        ] {
            let span = span(&details(start, end, count)).ok();
            let got = span.map(|span| (span.low, span.high, span.backward));
            assert_eq!(got, want, "{start:?} {end:?} {count}");
        }
    }

    #[test]
    fn an_interval_is_milliseconds_and_never_negative() {
        assert_eq!(nanos(0.5), Ok(500_000));
        assert_eq!(nanos(0.0), Ok(0));
        assert!(nanos(-1.0).is_err());
        assert!(nanos(f64::NAN).is_err());
        assert!(nanos(f64::INFINITY).is_err());
    }

    fn tag(kind: Kind, step: bool) -> Tag {
        let mut definition = TagDefinition::new(TagPath::new("a").unwrap(), kind, "test");
        definition.step = step;
        definition.states = vec!["off".to_owned(), "on".to_owned()];
        Tag { id: TagId(1), definition, sequence: 0 }
    }

    #[test]
    fn aggregates_have_the_types_of_the_standard() {
        let of = |tag: &Tag, number: u32, value: f64| {
            let one = Processed {
                ts: Timestamp::from_nanos(0),
                value: Some(value),
                quality: tacitus_model::Quality::GOOD,
            };
            processed_value(&NodeId::new(0, number), tag, one).value.unwrap()
        };
        let float = tag(Kind::Float, false);
        assert_eq!(of(&float, 2352, 7.0), Variant::Int32(7));
        assert_eq!(of(&float, 2342, 7.5), Variant::Double(7.5));
        let worst = Variant::StatusCode(StatusCode::from(0x8031_0000));
        assert_eq!(of(&float, 2364, 2_150_694_912.0), worst);
        // Start, Delta, Interpolative, Average: of what moves in lines, and of what holds.
        let (lines, steps) = (tag(Kind::Int, false), tag(Kind::Int, true));
        for (number, value, moving, held) in [
            (2357, 7.0, Variant::Int64(7), Variant::Int64(7)),
            (2359, -7.0, Variant::Int64(-7), Variant::Int64(-7)),
            (2341, 7.0, Variant::Double(7.0), Variant::Int64(7)),
            (2342, 7.0, Variant::Double(7.0), Variant::Double(7.0)),
        ] {
            assert_eq!((of(&lines, number, value), of(&steps, number, value)), (moving, held));
        }
        let (truth, state) = (tag(Kind::Bool, false), tag(Kind::State, false));
        assert_eq!(of(&truth, 2341, 1.0), Variant::Boolean(true));
        assert_eq!(of(&truth, 2350, 1.0), Variant::Double(1.0));
        assert_eq!(of(&state, 2358, 1.0), Variant::from("on"));
    }
}
