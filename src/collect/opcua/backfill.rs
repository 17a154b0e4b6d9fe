//! Fetches from a server's history what was missed.
//!
//! ```text
//!  gap        from ├──────────────────────────────────────┤ to
//!  stretches       │ …  ◀─ third ─│◀── second ──│◀ first ─│    the newest first, ever longer
//!  each stretch    nodes in groups ─ HistoryRead, continuation ─▶ store ─ on disk ─▶ ledger
//! ```
//!
//! *Invariant.* A gap counts as filled only when its samples are on disk. A stretch is read again
//! after a cut, which changes nothing: a sample is known by its tag and time.
//!
//! *Invariant.* Live values come first: one request at a time, at most so many samples a second.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opcua::client::{HistoryReadAction, Session};
use opcua::types::custom::DataTypeTree;
use opcua::types::{
    ByteString, DataValue, Error, HistoryData, HistoryReadResult, HistoryReadValueId, NodeId,
    ReadRawModifiedDetails, StatusCode, TimestampsToReturn, Variant,
};
use tacitus_model::{TagPath, Timestamp};
use tacitus_protocol::Point;
use tacitus_protocol::opcua::{date_time, leaves, moment, put_back, reading};
use tacitus_storage::Clock;
use tokio::time::{Instant, sleep};

use super::link::moved_ns;
use super::settings::{Settings, Times};
use super::survey::Survey;
use crate::collect::limits::{
    HISTORY_CLOCK_STEP, HISTORY_OVERLAP, HISTORY_STRETCH, HISTORY_STRETCH_MAX, HISTORY_WAITS,
    LEAVES_MAX, STORE_POINTS_MAX,
};
use crate::collect::{Collector as _, State, Store, StoreError};
use crate::gaps::{Gap, Gaps, Outcome};

/// An item whose history may be read.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) node: NodeId,
    pub(super) tag: TagPath,
    /// Whether the server says that it keeps its history.
    pub(super) historic: bool,
}

/// Fetches what a collector missed, for as long as one session lasts.
pub(super) struct Backfill {
    pub(super) session: Arc<Session>,
    pub(super) survey: Survey,
    pub(super) settings: Arc<Settings>,
    pub(super) state: Arc<State>,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) gaps: Arc<Gaps>,
    pub(super) items: Vec<Past>,
    pub(super) types: Option<Arc<DataTypeTree>>,
    /// Values of one answer: fewer where the server is too slow for more.
    pub(super) values_max: AtomicUsize,
}

/// The fewest values of one answer that a slow server is asked for.
const VALUES_LEAST: usize = 500;

/// Why a gap is not filled for now.
#[derive(Debug)]
enum Halt {
    /// The server, or the way to it.
    Server(Error),
    Store(StoreError),
}

/// What a read brought.
#[derive(Debug, Default)]
struct Came {
    /// Samples on disk.
    written: u64,
    /// The time of the oldest, by the server's clock.
    oldest: Option<Timestamp>,
}

/// LIMIT: pages without values in one read: a server that has nothing more but points to more is
/// not asked for ever.
const EMPTY_PAGES_MAX: usize = 1_000;

/// A span of time, ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: Timestamp,
    to: Timestamp,
}

impl Backfill {
    /// Works until every gap is settled.
    pub(super) async fn run(self) {
        let [mut wait, longest] = HISTORY_WAITS;
        let source = self.settings.source();
        while let Some(gap) = self.gaps.missing(&source).first().cloned() {
            match self.fill(&gap).await {
                Ok(()) => [wait, _] = HISTORY_WAITS,
                Err(Halt::Store(error)) => {
                    self.state.error(error.to_string());
                    return;
                }
                Err(Halt::Server(error)) => {
                    let text = format!("the history could not be read: {error}");
                    tracing::warn!(collector = %self.settings.name, text, "back-fill waits");
                    self.state.error(text);
                    sleep(wait).await;
                    wait = (wait * 2).min(longest);
                }
            }
        }
    }

    async fn fill(&self, gap: &Gap) -> Result<(), Halt> {
        let meant = self.meant(gap);
        let (historic, others): (Vec<&Past>, Vec<&Past>) =
            meant.into_iter().partition(|item| item.historic);
        let mut lost: HashSet<TagPath> = others.into_iter().map(|item| item.tag.clone()).collect();
        let to = gap.to.unwrap_or_else(|| self.clock.now());
        let reach_ns = nanos(self.settings.backfill.map_or(Duration::ZERO, |wish| wish.reach));
        let earliest = Timestamp::from_nanos(to.nanos().saturating_sub(reach_ns));
        let from = back(gap.from, HISTORY_OVERLAP + self.settings.publishing_interval * 2);
        let from = from.max(earliest);
        let past = proof(self.survey.started, self.theirs(gap.from));
        let mut kept = past.is_none();
        let mut end = gap.filled_from.unwrap_or_else(|| after_step(to));
        let mut stretch = HISTORY_STRETCH;
        while end > from && historic.iter().any(|item| !lost.contains(&item.tag)) {
            let begin = back(end, stretch).max(from);
            let mut came = 0;
            for group in historic.chunks(self.survey.history_max.max(1)) {
                let group: Vec<&Past> =
                    group.iter().filter(|item| !lost.contains(&item.tag)).copied().collect();
                let span = Span { from: begin, to: end };
                let read = self.read(&group, span, &mut lost).await?;
                came += read.written;
                kept |= read.oldest.zip(past).is_some_and(|(oldest, past)| oldest <= past);
            }
            self.gaps.progress(gap.id, begin, came);
            end = begin;
            stretch = adapted(stretch, came);
        }
        let filled: Vec<String> = historic
            .iter()
            .filter(|item| kept && !lost.contains(&item.tag))
            .map(|item| item.tag.to_string())
            .collect();
        // The sample that shows the gap has its beginning, cut down; one before shows another gap.
        let quantum = Duration::from_nanos(self.settings.quantum_ns.unsigned_abs());
        self.store.bridge(&filled, back(gap.from, quantum), to).await;
        self.settle(gap, filled, lost);
        Ok(())
    }

    /// A moment by the server's clock.
    fn theirs(&self, ts: Timestamp) -> Timestamp {
        Timestamp::from_nanos(ts.nanos().saturating_add(self.survey.skew_ns.unwrap_or(0)))
    }

    /// The items of a gap that had samples before it.
    fn meant(&self, gap: &Gap) -> Vec<&Past> {
        let named = gap.tags.as_ref().map(|tags| tags.iter().collect::<HashSet<_>>());
        self.items
            .iter()
            .filter(|item| {
                let path = item.tag.as_str();
                // The tag of a leaf stands below that of its item.
                let of = |named: &HashSet<&String>| {
                    named.iter().any(|name| {
                        let rest = name.strip_prefix(path);
                        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                    })
                };
                named.as_ref().is_none_or(of)
            })
            .collect()
    }

    /// Writes down what became of a gap; two entries where tags fared differently.
    fn settle(&self, gap: &Gap, filled: Vec<String>, lost: HashSet<TagPath>) {
        if filled.is_empty() {
            self.gaps.settle(gap.id, Outcome::Lost);
            return;
        }
        if !lost.is_empty() {
            self.gaps.narrow(gap.id, filled);
            let tags = lost.into_iter().map(|tag| tag.to_string()).collect();
            let id = self.gaps.open(&gap.source, Some(tags), gap.from, gap.cause);
            self.gaps.close(id, gap.to.unwrap_or(gap.from), None);
            self.gaps.settle(id, Outcome::Lost);
        }
        self.gaps.settle(gap.id, Outcome::BackFilled);
    }

    /// Reads a span of some nodes, and has what comes on disk. Nodes without a history join the
    /// lost ones.
    async fn read(
        &self,
        group: &[&Past],
        span: Span,
        lost: &mut HashSet<TagPath>,
    ) -> Result<Came, Halt> {
        let mut rest: Vec<(usize, Span, ByteString)> =
            (0..group.len()).map(|index| (index, span, ByteString::null())).collect();
        let mut points: Vec<Point> = Vec::new();
        let mut all = Came::default();
        let mut empty_pages = 0;
        let mut group_max = rest.len().max(1);
        while !rest.is_empty() {
            let begun = Instant::now();
            let first = rest.first().map_or(span, |(_, span, _)| *span);
            // One request has one span, and either continues or begins.
            let continues = rest.first().is_some_and(|(_, _, point)| !point.is_null_or_empty());
            let together: Vec<_> = rest
                .extract_if(.., |(_, span, point)| {
                    *span == first && point.is_null_or_empty() != continues
                })
                .collect();
            let (now, later) = together.split_at(together.len().min(group_max));
            rest.extend_from_slice(later);
            let values_max = self.values_max.load(Ordering::Relaxed);
            let per_node = (values_max / now.len().max(1)).max(100);
            let results = match self.request(group, now, first, per_node).await {
                Err(error)
                    if error.status() == StatusCode::BadTooManyOperations && group_max > 1 =>
                {
                    group_max = group_max.div_ceil(2);
                    rest.extend_from_slice(now);
                    continue;
                }
                Err(error) if error.status() == StatusCode::BadTimeout => {
                    let fewer = (values_max / 4).max(VALUES_LEAST);
                    self.values_max.store(fewer, Ordering::Relaxed);
                    return Err(Halt::Server(error));
                }
                other => other.map_err(Halt::Server)?,
            };
            let mut came = 0;
            let moved = moved_ns(&self.session);
            for ((index, span, _), result) in now.iter().zip(results) {
                let Some(item) = group.get(*index) else { continue };
                match page(result, *span, per_node) {
                    Page::Values { mut values, next } => {
                        values.iter_mut().for_each(|data| put_back(data, moved));
                        came += values.len();
                        empty_pages += usize::from(values.is_empty());
                        let times = values.iter().filter_map(|one| one.source_timestamp.as_ref());
                        let oldest = times.filter_map(moment).min();
                        all.oldest = [all.oldest, oldest].into_iter().flatten().min();
                        let next = next.filter(|_| empty_pages < EMPTY_PAGES_MAX);
                        values.iter().for_each(|data| self.points(item, data, &mut points));
                        rest.extend(next.map(|(span, point)| (*index, span, point)));
                    }
                    Page::NoHistory => drop(lost.insert(item.tag.clone())),
                    Page::Failed(status) => {
                        let error = Error::new(status, format!("of \"{}\"", item.tag));
                        return Err(Halt::Server(error));
                    }
                }
            }
            if points.len() >= STORE_POINTS_MAX || rest.is_empty() {
                all.written += self.write(std::mem::take(&mut points)).await?;
            }
            self.pace(came, begun).await;
        }
        Ok(all)
    }

    async fn request(
        &self,
        group: &[&Past],
        now: &[(usize, Span, ByteString)],
        span: Span,
        per_node: usize,
    ) -> Result<Vec<HistoryReadResult>, Error> {
        let details = ReadRawModifiedDetails {
            is_read_modified: false,
            start_time: date_time(self.theirs(span.from)),
            end_time: date_time(self.theirs(span.to)),
            num_values_per_node: u32::try_from(per_node).unwrap_or(u32::MAX),
            return_bounds: false,
        };
        let nodes: Vec<HistoryReadValueId> = now
            .iter()
            .filter_map(|(index, _, point)| {
                Some(HistoryReadValueId {
                    node_id: group.get(*index)?.node.clone(),
                    continuation_point: point.clone(),
                    ..HistoryReadValueId::default()
                })
            })
            .collect();
        let action = HistoryReadAction::ReadRawModifiedDetails(details);
        self.session.history_read(action, TimestampsToReturn::Both, false, &nodes).await
    }

    /// The points of one value: one, or one for each leaf. What cannot be stored is counted.
    fn points(&self, item: &Past, data: &DataValue, points: &mut Vec<Point>) {
        let arrival = self.clock.now();
        let mut add =
            |path: String, data: &DataValue| match reading(data, arrival, self.settings.quantum_ns)
            {
                Ok(reading) => points.push(
                    Point::new(path, reading.value)
                        .at(Some(reading.ts))
                        .with_quality(reading.quality),
                ),
                Err(_) => self.state.refused(1),
            };
        let server_only = self.settings.times == Times::Server && data.server_timestamp.is_some();
        let times = DataValue {
            value: None,
            source_timestamp: data.source_timestamp.filter(|_| !server_only),
            ..data.clone()
        };
        match &data.value {
            Some(value @ (Variant::Array(_) | Variant::ExtensionObject(_))) => {
                let Ok(leaves) =
                    leaves(value, self.types.as_deref(), LEAVES_MAX, moved_ns(&self.session))
                else {
                    self.state.refused(1);
                    return;
                };
                for (path, value) in leaves {
                    let data = DataValue { value: Some(value), ..times.clone() };
                    add(format!("{}/{path}", item.tag), &data);
                }
            }
            value => add(item.tag.to_string(), &DataValue { value: value.clone(), ..times }),
        }
    }

    async fn write(&self, points: Vec<Point>) -> Result<u64, Halt> {
        if points.is_empty() {
            return Ok(0);
        }
        let count = u64::try_from(points.len()).unwrap_or(u64::MAX);
        let refused =
            self.store.write(points, &self.settings.source()).await.map_err(Halt::Store)?;
        self.state.refused(refused);
        let kept = count.saturating_sub(refused);
        self.state.recovered(kept);
        Ok(kept)
    }

    /// Rests until so many samples may have come.
    async fn pace(&self, came: usize, begun: Instant) {
        let Some(wish) = self.settings.backfill else { return };
        let count = f64::from(u32::try_from(came).unwrap_or(u32::MAX));
        let due = Duration::from_secs_f64(count / f64::from(wish.rate.max(1)));
        sleep(due.saturating_sub(begun.elapsed())).await;
    }
}

/// What came for one node.
#[derive(Debug)]
enum Page {
    Values { values: Vec<DataValue>, next: Option<(Span, ByteString)> },
    NoHistory,
    Failed(StatusCode),
}

fn page(result: HistoryReadResult, span: Span, asked: usize) -> Page {
    let status = result.status_code;
    if status.is_bad() && status != StatusCode::BadNoData {
        return if has_no_history(status) { Page::NoHistory } else { Page::Failed(status) };
    }
    let data = result.history_data.into_inner_as::<HistoryData>();
    let values = data.and_then(|data| data.data_values).unwrap_or_default();
    let next = if !result.continuation_point.is_null_or_empty() {
        Some((span, result.continuation_point))
    } else if values.len() >= asked {
        // Some servers stop at the number asked for and leave no point to go on from.
        after(&values, span).map(|span| (span, ByteString::null()))
    } else {
        None
    };
    Page::Values { values, next }
}

/// What is left of a span after these values, where that is less than the span.
fn after(values: &[DataValue], span: Span) -> Option<Span> {
    let last = values.last()?.source_timestamp.as_ref().and_then(moment)?;
    (last > span.from && last < span.to).then_some(Span { from: last, to: span.to })
}

/// Whether a status says that there is no history to be had, now and later.
fn has_no_history(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BadHistoryOperationUnsupported
            | StatusCode::BadHistoryOperationInvalid
            | StatusCode::BadServiceUnsupported
            | StatusCode::BadNotSupported
            | StatusCode::BadNotImplemented
            | StatusCode::BadNotReadable
            | StatusCode::BadUserAccessDenied
            | StatusCode::BadNodeIdUnknown
            | StatusCode::BadNodeIdInvalid
            | StatusCode::BadAttributeIdInvalid
    )
}

/// The next stretch: about as many samples as one wants to lose by a cut.
fn adapted(stretch: Duration, came: u64) -> Duration {
    const FEW: u64 = 200_000;
    const MANY: u64 = 2_000_000;
    match came {
        0..FEW => (stretch * 4).min(HISTORY_STRETCH_MAX),
        FEW..MANY => stretch,
        _ => (stretch / 4).max(Duration::from_secs(1)),
    }
}

/// How old a value must be to show that a history outlived the server's start; none where it did not
/// start since the gap began. What lies shortly before the start may have been seen while starting.
fn proof(started: Option<Timestamp>, gap_begin: Timestamp) -> Option<Timestamp> {
    let started = started.filter(|started| *started > gap_begin)?;
    Some(back(started, HISTORY_OVERLAP).max(gap_begin))
}

/// By the step of a server's clock later: the skew may be known that badly.
fn after_step(ts: Timestamp) -> Timestamp {
    Timestamp::from_nanos(ts.nanos().saturating_add(nanos(HISTORY_CLOCK_STEP)))
}

/// The moment that lies so long before.
pub(super) fn back(ts: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_nanos(ts.nanos().saturating_sub(nanos(by)))
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::ExtensionObject;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    /// node-opcua keeps histories in memory. One that was cut off, and killed before its history could be
    /// read, has lost it, although the gap began with the cut.
    #[test]
    fn a_history_shows_that_it_outlived_a_start_by_values_from_before() {
        for (started, want) in [
            (None, None),
            (Some(90), None),
            // A short outage: by a value from before it.
            (Some(105), Some(100)),
            // A long one: the device may have gone on recording.
            (Some(500), Some(490)),
        ] {
            assert_eq!(proof(started.map(at), at(100)), want.map(at), "{started:?}");
        }
    }

    fn answer(seconds: &[i64], point: ByteString) -> HistoryReadResult {
        let value = |second: &i64| DataValue {
            source_timestamp: Some(date_time(at(*second))),
            ..DataValue::value_only(1.0)
        };
        let data = HistoryData { data_values: Some(seconds.iter().map(value).collect()) };
        HistoryReadResult {
            status_code: StatusCode::Good,
            continuation_point: point,
            history_data: ExtensionObject::from_message(data),
        }
    }

    #[test]
    fn a_server_that_stops_without_a_point_is_asked_for_the_rest() {
        let span = Span { from: at(0), to: at(100) };
        let point = ByteString::from(&[1_u8]);
        for (answer, asked, next) in [
            (answer(&[1, 2], ByteString::null()), 3, None),
            (answer(&[1, 2, 3], point.clone()), 3, Some((span, point))),
            (
                answer(&[1, 2, 3], ByteString::null()),
                3,
                Some((Span { from: at(3), to: at(100) }, ByteString::null())),
            ),
            // A server that says the same again and again is not asked for ever.
            (answer(&[0, 0, 0], ByteString::null()), 3, None),
        ] {
            let Page::Values { next: got, .. } = page(answer, span, asked) else { panic!() };
            assert_eq!(got, next);
        }
    }

    #[test]
    fn no_history_is_told_from_no_data_and_from_a_fault() {
        let span = Span { from: at(0), to: at(1) };
        let bad = |status_code| HistoryReadResult { status_code, ..HistoryReadResult::default() };
        let page_of = |status| page(bad(status), span, 10);
        assert!(matches!(page_of(StatusCode::BadHistoryOperationUnsupported), Page::NoHistory));
        assert!(matches!(page_of(StatusCode::BadNoData), Page::Values { .. }));
        assert!(matches!(page_of(StatusCode::GoodNoData), Page::Values { .. }));
        assert!(matches!(page_of(StatusCode::BadOutOfMemory), Page::Failed(_)));
    }

    #[test]
    fn stretches_adapt_to_what_comes() {
        let ten = Duration::from_mins(10);
        assert_eq!(adapted(ten, 10), Duration::from_mins(40));
        assert_eq!(adapted(ten, 500_000), ten);
        assert_eq!(adapted(ten, 5_000_000), Duration::from_secs(150));
        assert_eq!(adapted(HISTORY_STRETCH_MAX, 0), HISTORY_STRETCH_MAX);
    }
}
