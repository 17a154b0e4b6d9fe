//! What stands around the store, as rows for SQL.

use std::sync::Arc;

use serde_json::Value;
use tacitus_model::TimeRange;
use tacitus_query::plant::Plant;
use tacitus_query::{
    AnnotationRow, CollectorRow, EventRow, ForwardRow, GapRow, Landscape, RefusalRow, SourceRow,
};

use crate::collect::{Collectors, Entry};
use crate::forward::{self, Forwards};
use crate::gaps::{Gap, Gaps};
use crate::ingest::{Ingest, Refusal};
use crate::plant::{Annotation, Event, Mark, Plants};
use crate::sources;

/// The collectors, the ledger of gaps, and what goes on to other servers.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) collectors: Arc<Collectors>,
    pub(super) gaps: Arc<Gaps>,
    pub(super) forwards: Arc<Forwards>,
    pub(super) ingest: Ingest,
    pub(super) plants: Arc<Plants>,
}

impl Landscape for Around {
    fn collectors(&self) -> Vec<CollectorRow> {
        self.collectors.list().into_iter().map(collector).collect()
    }

    fn gaps(&self) -> Vec<GapRow> {
        self.gaps.all().iter().map(|gap| row(gap)).collect()
    }

    fn forwards(&self) -> Vec<ForwardRow> {
        self.forwards.list().into_iter().map(forward).collect()
    }

    fn sources(&self) -> Vec<SourceRow> {
        self.ingest.sources().list().into_iter().map(source).collect()
    }

    fn refusals(&self) -> Vec<RefusalRow> {
        self.ingest.refusals_counted().into_iter().map(refusal).collect()
    }

    fn plant(&self) -> Arc<Plant> {
        self.plants.now()
    }

    fn events(&self, starts: TimeRange, ends: TimeRange) -> Vec<EventRow> {
        self.plants.events.find(starts, ends).iter().map(|own| event(own)).collect()
    }

    fn annotations(&self, starts: TimeRange, ends: TimeRange) -> Vec<AnnotationRow> {
        self.plants.annotations.find(starts, ends).iter().map(|own| annotation(own)).collect()
    }
}

fn source(status: sources::Status) -> SourceRow {
    let jump = status.last_jump;
    SourceRow {
        source: status.source,
        state: status.trust.name(),
        last_arrival: status.last_arrival,
        last: status.last,
        skew: status.skew_ns.map(seconds),
        jitter: status.jitter_ns.map(seconds),
        jumps: status.jumps,
        jumped_at: jump.map(|jump| jump.at),
        jumped_from: jump.map(|jump| seconds(jump.from_ns)),
        jumped_to: jump.map(|jump| seconds(jump.to_ns)),
    }
}

fn refusal((refusal, count): (Refusal, u64)) -> RefusalRow {
    let Refusal { at, code, source, name, reason, payload } = refusal;
    RefusalRow { at, source, name, code, reason, payload, count }
}

fn forward(entry: forward::Entry) -> ForwardRow {
    let status = entry.status;
    let (last_error_at, last_error) = status.line.last_error.unzip();
    ForwardRow {
        name: status.line.name,
        origin: entry.origin.name(),
        url: status.line.endpoint,
        state: status.line.phase.name(),
        cursor: status.cursor,
        backlog_samples: status.backlog_samples,
        backlog_bytes: status.backlog_bytes,
        oldest: status.oldest,
        lag: seconds(status.lag_ns),
        rate: status.line.rate,
        samples: status.line.values_total,
        refused: status.refused_total,
        lost: status.lost_samples,
        connected_since: status.line.connected_since,
        last_error,
        last_error_at,
    }
}

fn collector(entry: Entry) -> CollectorRow {
    let status = entry.status;
    let (last_error_at, last_error) = status.last_error.unzip();
    CollectorRow {
        name: status.name,
        kind: status.kind,
        origin: entry.origin.name(),
        source: entry.source,
        endpoint: status.endpoint,
        state: status.phase.name(),
        items_good: status.items_good as u64,
        items_failed: status.items_failed as u64,
        rate: status.rate,
        values: status.values_total,
        last_ts: status.last_sample,
        lag: status.lag_ns.map(seconds),
        skew: status.skew_ns.map(seconds),
        connected_since: status.connected_since,
        last_error,
        last_error_at,
    }
}

fn row(gap: &Gap) -> GapRow {
    GapRow {
        id: gap.id,
        source: gap.source.clone(),
        tags: gap.tags.as_ref().map(|tags| Value::from(tags.clone()).to_string()),
        from: gap.from,
        to: gap.to,
        cause: gap.cause.name(),
        state: gap.outcome.name(),
        recovered: gap.recovered,
    }
}

fn event(event: &Event) -> EventRow {
    let says = &event.says;
    EventRow {
        id: event.id,
        kind: says.kind.clone(),
        asset: says.asset.clone(),
        start: says.start,
        end: says.end,
        severity: says.severity.map(u64::from),
        text: says.text.clone(),
        attributes: Value::Object(says.attributes.clone()).to_string(),
    }
}

fn annotation(annotation: &Annotation) -> AnnotationRow {
    let says = &annotation.says;
    let (asset, tag) = match &says.of {
        Mark::Plant => (None, None),
        Mark::Asset(path) => (Some(path.clone()), None),
        Mark::Tag(id) => (None, Some(*id)),
    };
    AnnotationRow {
        id: annotation.id,
        asset,
        tag,
        start: says.start,
        end: says.end.unwrap_or(says.start),
        text: says.text.clone(),
        author: says.author.clone(),
        attributes: Value::Object(says.attributes.clone()).to_string(),
        created: annotation.created,
    }
}

/// Seconds of any span: a clock can be wrong by years.
fn seconds(nanos: i64) -> f64 {
    chrono::Duration::nanoseconds(nanos).as_seconds_f64()
}
