//! The course of a machine: its conditions, and when it was meant to run.
//!
//! *Invariant.* Where the ledger says that nothing came and nothing was fetched later, nobody knows.

use std::sync::Arc;

use datafusion::error::Result;
use serde::Deserialize;
use tacitus_model::Timestamp;

use super::super::series::TagSamples;
use super::bucket::schedule;
use super::machine::Machine;
use super::state::States;
use super::{Ground, tag, too_much};
use crate::limits::STOP_CAUSES_MAX;
use crate::oee::{
    Causes, Condition, Course, PlannedStop, PlannedTime, StopClass, Timeline, Working, stretches,
};
use crate::relation::{EventRow, GapRow};

/// A machine whose conditions are being read.
pub(super) struct CourseReading {
    machine: Machine,
    states: Option<(States, TagSamples)>,
}

/// What is known of a machine's time.
pub(super) struct Known {
    pub(super) course: Course,
    pub(super) causes: Causes,
    /// From when on it may change still.
    pub(super) open_from: i64,
}

impl CourseReading {
    pub(super) fn open(ground: &Ground, machine: &Machine) -> Result<Self> {
        let snapshot = ground.places.snapshot();
        let rules = machine.model.state();
        let states = match rules.and_then(|rules| tag(snapshot, &machine.asset, &rules.tag)) {
            None => None,
            Some(tag) => {
                let samples = TagSamples::new(snapshot.clone(), tag);
                let (model, span) = (Arc::clone(&machine.model), (machine.from, machine.to));
                Some((States::open(samples.clone(), model, span)?, samples))
            }
        };
        Ok(Self { machine: machine.clone(), states })
    }

    /// Does a piece of work; whether there is more.
    pub(super) fn step(&mut self) -> Result<bool> {
        self.states.as_mut().map_or(Ok(false), |(states, _)| states.step())
    }

    /// What was read. `watermark` is the time of the machine's last sample.
    ///
    /// # Errors
    /// There are more reasons than there may be.
    pub(super) fn finish(
        self,
        ground: &Ground,
        gaps: &[GapRow],
        watermark: Option<i64>,
    ) -> Result<Known> {
        let Machine { asset, model, from, to } = self.machine;
        let (mut timeline, mut causes) = (Timeline::default(), Causes::default());
        if let Some((states, samples)) = self.states {
            let told = states.finish();
            (timeline, causes) = (told.timeline, told.causes);
            for gap in gaps.iter().filter(|gap| concerns(gap, &samples)) {
                // What came since an interruption began, where it lasts, is known all the same.
                let start = gap.from.nanos();
                let (start, end) = match gap.to {
                    Some(end) => (start, end.nanos()),
                    None => (told.last.map_or(start, |last| start.max(last)), i64::MAX),
                };
                timeline.cover(start, end, Condition::Unknown);
            }
        }
        let events = model.definition();
        let earliest = timeline.changes().first().map_or(from, |(at, _)| from.min(*at));
        for event in of_kinds(ground, &asset, &events.reason_events, (earliest, to)) {
            recode(&mut timeline, &mut causes, &event)?;
        }
        let stretches = stretches(&timeline, model.micro_stop_ns());
        let lasting = stretches.last().filter(|own| own.stop_to.is_none());
        let open_stop = lasting.filter(|own| own.condition.stop() == Some(StopClass::Unplanned));
        let open_from = open_stop.map_or(i64::MAX, |own| own.stop_from);
        // A stop that began earlier may have begun in another shift.
        let first = stretches.iter().find(|own| own.to > from);
        let stop = first.filter(|own| own.condition.stop().is_some());
        let begins = stop.map_or(from, |own| own.stop_from);
        let begins = begins.clamp(from.saturating_sub(super::state::LOOK_NS), from);
        let planned_events = &model.definition().planned_events;
        let planned = planned(ground, &asset, planned_events, (begins, to));
        let last = watermark.unwrap_or(i64::MIN);
        let horizon = ground.now_ns.map_or(i64::MAX, |now| now.max(last));
        let course = Course { stretches, planned, horizon };
        Ok(Known { course, causes, open_from: open_from.min(last) })
    }
}

/// Whether a gap is one of a tag.
fn concerns(gap: &GapRow, samples: &TagSamples) -> bool {
    let definition = &samples.tag.definition;
    let named = || {
        let Some(tags) = &gap.tags else { return true };
        let tags: Vec<String> = serde_json::from_str(tags).unwrap_or_default();
        tags.iter().any(|own| own == definition.path.as_str())
    };
    gap.source == definition.source && named()
}

/// When an asset is meant to run between two times.
fn planned(ground: &Ground, asset: &str, kinds: &[String], (from, to): (i64, i64)) -> PlannedTime {
    let plant = ground.places.plant();
    let mut stops = Vec::new();
    let works = schedule(plant, asset).filter(crate::calendar::Schedule::has_shifts);
    let shifts = works.map(|schedule| {
        let (first, last) = (schedule.production_day(from) - 2, schedule.production_day(to) + 1);
        let spans = (first..=last).flat_map(|day| schedule.shifts_of(day));
        let spans = spans.filter(|span| span.start_ns < to && from < span.end_ns);
        let mut shifts = Vec::new();
        for span in spans {
            let rest = |(from, to)| PlannedStop { from, to, reason: "break".into() };
            stops.extend(span.breaks.into_iter().map(rest));
            shifts.push(Working {
                from: span.start_ns,
                to: span.end_ns,
                shift: span.shift,
                crew: span.crew,
                day: span.day,
            });
        }
        shifts
    });
    let events = of_kinds(ground, asset, kinds, (from, to)).into_iter();
    stops.extend(events.map(|event| PlannedStop {
        from: event.start.nanos(),
        to: event.end.map_or(i64::MAX, Timestamp::nanos),
        reason: if event.text.trim().is_empty() { event.kind } else { event.text }.into(),
    }));
    PlannedTime::new(shifts, stops)
}

/// The events of some kinds that touch a span, of an asset or of what is above it.
fn of_kinds(
    ground: &Ground,
    asset: &str,
    kinds: &[String],
    (from, to): (i64, i64),
) -> Vec<EventRow> {
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut events = ground.events(from, to);
    events.retain(|event| {
        let is_above = |own: &str| {
            asset.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        kinds.contains(&event.kind) && event.asset.as_deref().is_none_or(is_above)
    });
    events.sort_by_key(|event| event.id);
    events
}

/// What an event says of the stops that it covers.
#[derive(Debug, Default, Deserialize)]
struct Recoding {
    reason: Option<String>,
    class: Option<StopClass>,
}

/// Gives the stops that an event covers its reason and class.
fn recode(timeline: &mut Timeline<Condition>, causes: &mut Causes, event: &EventRow) -> Result<()> {
    let Recoding { reason, class } = serde_json::from_str(&event.attributes).unwrap_or_default();
    let text = Some(event.text.clone()).filter(|text| !text.trim().is_empty());
    let reason: Option<Arc<str>> = reason.or(text).map(Into::into);
    let (from, to) = (event.start.nanos(), event.end.map_or(i64::MAX, Timestamp::nanos));
    let mut too_many = false;
    timeline.change(from, to, |condition| match condition {
        Condition::Stop(told, cause) => {
            let recoded = reason.as_ref().map_or(Some(*cause), |own| causes.recoded(*cause, own));
            too_many |= recoded.is_none();
            Condition::Stop(class.unwrap_or(*told), recoded.unwrap_or(*cause))
        }
        other => *other,
    });
    if too_many {
        let what = format!("stops have more than {STOP_CAUSES_MAX} reasons");
        return Err(too_much(what, "ask for a shorter time").into());
    }
    Ok(())
}
