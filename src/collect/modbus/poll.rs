//! Reads round by round, for ever.
//!
//! ```text
//! connect ─▶ the round that is due ─▶ its reads ─▶ values to the store ─▶ the next
//!    ▲                                  │ silence, nonsense: the unit rests, connect anew
//!    └──────────────────────────────────┘
//! ```
//! *Invariant.* Rounds keep their beat: one that is late does not move the next, and beats that
//! were missed are left out. Only a requested stop, or a store that takes nothing more, ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tacitus_model::{Quality, TagDefinition, Timestamp, Value};
use tacitus_protocol::Point;
use tacitus_protocol::modbus::{Answer, Exception, Read, Request};
use tokio::time::{Instant, sleep, sleep_until};

use super::link::{Fault, Link};
use super::map::{Look, Round, halves, rounds, together, value};
use super::settings::{Item, Settings};
use super::unit::Unit;
use crate::collect::limits::RETRY_WAITS;
use crate::collect::state::Failure;
use crate::collect::{Collector as _, Parts, Phase, State};
use crate::gaps::{Cause, Outcome};
use crate::shutdown::Shutdown;

/// OPC UA status codes (Part 4, 7.39): the device failed; its settings do not fit it.
const BAD_DEVICE_FAILURE: Quality = Quality(0x808B_0000);
const BAD_CONFIGURATION_ERROR: Quality = Quality(0x8089_0000);

/// After how many rounds an item that the device does not have is asked for again.
const REFUSED_ROUNDS: u32 = 60;

/// What times are cut down to: a millisecond.
const QUANTUM_NS: i64 = 1_000_000;

/// Why polling ends.
enum End {
    Stopped,
    StoreFailed(String),
}

/// What came of a read.
enum Outturn {
    /// Values; and whether a gap ended with them.
    Values(Look, bool),
    /// The device does not have all of it.
    Refused(Exception),
    /// It could not now, or is not there.
    Failed(Quality, String),
    /// The connection is of no use any more.
    Fault(Fault),
}

pub(super) struct Poller {
    settings: Settings,
    parts: Parts,
    state: Arc<State>,
    shutdown: Shutdown,
    units: BTreeMap<u8, Unit>,
    /// Of each item, the quality for which it has no value at present.
    bad: Vec<Option<Quality>>,
    /// Whether the connection at hand brought anything.
    heard: bool,
    /// Reads that a device refused for good, of one item each: rounds until they are tried.
    refused: BTreeMap<usize, (u32, Exception)>,
}

impl Poller {
    pub(super) fn new(
        settings: Settings,
        parts: Parts,
        state: Arc<State>,
        shutdown: Shutdown,
    ) -> Self {
        let mut units: BTreeMap<u8, Unit> = BTreeMap::new();
        for (at, item) in settings.items.iter().enumerate() {
            units.entry(item.unit_id).or_insert_with(Unit::new).items.push(at);
        }
        let bad = vec![None; settings.items.len()];
        Self {
            settings,
            parts,
            state,
            shutdown,
            units,
            bad,
            heard: false,
            refused: BTreeMap::new(),
        }
    }

    pub(super) async fn run(mut self) {
        self.define();
        self.take_up();
        let end = self.poll().await;
        if let End::StoreFailed(reason) = &end {
            self.state.error(reason.clone());
        }
        let now = self.parts.clock.now();
        let all: Vec<u8> = self.units.keys().copied().collect();
        for unit in all {
            let since = self.units.get(&unit).and_then(|unit| unit.answered);
            if since.is_some() {
                self.interrupted(unit, since.unwrap_or(now), Cause::CollectorDown);
            }
            // The store is told as far as it listens.
            drop(self.all_bad(unit, Quality::BAD_NO_COMMUNICATION).await);
        }
        self.state.stopped();
    }

    /// Makes the tags known before their first values.
    fn define(&self) {
        let source = self.settings.source();
        for item in &self.settings.items {
            self.parts.store.define(TagDefinition {
                unit: item.unit.as_str().into(),
                description: item.description.as_str().into(),
                ..TagDefinition::new(item.tag.clone(), item.kind(), &source)
            });
        }
    }

    /// Enters what an earlier process left: gaps that last, or the time since the last sample.
    fn take_up(&mut self) {
        let (gaps, source) = (&self.parts.gaps, self.settings.source());
        let lasting = gaps.lasting(&source);
        for unit in self.units.values_mut() {
            let tags: Vec<&str> = names(&unit.items, &self.settings.items).collect();
            let own = lasting.iter().find(|gap| {
                let of_tag = |tag: &&str| {
                    gap.tags.as_ref().is_none_or(|own| own.iter().any(|own| own == tag))
                };
                tags.iter().any(of_tag)
            });
            let latest = tags.iter().filter_map(|tag| self.parts.store.known(tag)?.latest).max();
            unit.gap = own.map(|gap| gap.id).or_else(|| {
                let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
                Some(gaps.open(&source, Some(tags), latest?, Cause::CollectorDown))
            });
        }
    }

    async fn poll(&mut self) -> End {
        let mut rounds = rounds(&self.settings);
        let [mut wait, most] = RETRY_WAITS;
        loop {
            self.state.phase(Phase::Connecting);
            let opened = tokio::select! {
                () = self.shutdown.requested() => return End::Stopped,
                opened = Link::open(&self.settings.address, self.settings.timeout) => opened,
            };
            match opened {
                Ok(mut link) => {
                    self.state.change(|status| status.connections_total += 1);
                    self.state.phase(Phase::Connected);
                    self.heard = false;
                    match self.use_link(&mut link, &mut rounds).await {
                        Ok(fault) => self.state.error(fault.to_string()),
                        Err(end) => return end,
                    }
                    self.state.phase(Phase::Reconnecting);
                    // One silent unit does not keep the others waiting; a device that takes
                    // connections and says nothing is not asked in a hurry.
                    if self.heard {
                        [wait, _] = RETRY_WAITS;
                        continue;
                    }
                }
                Err(fault) => {
                    self.state.error(format!("{}: {fault}", self.settings.address));
                    if let Err(end) = self.everything_bad(Cause::Network).await {
                        return end;
                    }
                    self.state.phase(Phase::Waiting);
                }
            }
            tokio::select! {
                () = self.shutdown.requested() => return End::Stopped,
                () = sleep(wait) => wait = (wait * 2).min(most),
            }
        }
    }

    /// Polls until the connection is of no use.
    async fn use_link(&mut self, link: &mut Link, rounds: &mut [Round]) -> Result<Fault, End> {
        let start = Instant::now();
        let mut due: Vec<Instant> = vec![start; rounds.len()];
        loop {
            let Some((at, when)) = due.iter().copied().enumerate().min_by_key(|(_, when)| *when)
            else {
                return Err(End::Stopped);
            };
            tokio::select! {
                () = self.shutdown.requested() => return Err(End::Stopped),
                () = sleep_until(when) => {}
            }
            let Some(round) = rounds.get_mut(at) else { continue };
            let fault = self.round(link, round).await?;
            if let Some(next) = due.get_mut(at) {
                let now = Instant::now();
                while *next <= now {
                    *next += round.every;
                }
            }
            self.show();
            if let Some(fault) = fault {
                return Ok(fault);
            }
        }
    }

    /// One round: every read of a unit at one pace.
    async fn round(&mut self, link: &mut Link, round: &mut Round) -> Result<Option<Fault>, End> {
        let unit_id = round.unit_id;
        if self.units.get(&unit_id).is_some_and(|unit| unit.rests(Instant::now())) {
            return Ok(None);
        }
        let mut kept = Vec::new();
        if round.apart.ends() {
            round.reads =
                together(&round.reads, &self.settings, |at| self.refused.contains_key(&at));
        }
        let (mut was_parted, refused) = (false, self.refused.len());
        let mut waiting: Vec<Read> = std::mem::take(&mut round.reads);
        waiting.reverse();
        let mut fault = None;
        let mut looked = None;
        while let Some(read) = waiting.pop() {
            if fault.is_some() || self.is_refused(&read) {
                kept.push(read);
                continue;
            }
            match self.read(link, unit_id, &read).await? {
                Outturn::Values(look, ends) => {
                    looked.get_or_insert((look, ends));
                    kept.push(read);
                }
                Outturn::Refused(_) if read.values.len() > 1 => {
                    was_parted = true;
                    waiting.extend(halves(&read, &self.settings.items).into_iter().rev());
                }
                Outturn::Refused(exception) => {
                    self.refuse(&read, exception).await?;
                    kept.push(read);
                }
                Outturn::Failed(quality, reason) => {
                    self.state.error(format!("unit {unit_id}: {reason}"));
                    self.bad(&read.values, quality).await?;
                    if quality == Quality::BAD_NO_COMMUNICATION {
                        self.silent(unit_id, Cause::DeviceDown).await?;
                    }
                    kept.push(read);
                }
                Outturn::Fault(found) => {
                    self.silent(unit_id, Cause::Network).await?;
                    fault = Some(found);
                    kept.push(read);
                }
            }
            if !self.settings.pause.is_zero() {
                sleep(self.settings.pause).await;
            }
        }
        round.reads = kept;
        round.apart.after(was_parted, self.refused.len() < refused);
        if let Some((look, ends)) = looked {
            // A unit that is known to be silent is waited for now and then: that is the pace of its line.
            let known = |at: Timestamp| self.units.values().any(|unit| unit.was_silent(at));
            let paced = round.last.is_some_and(|last| known(last.asked));
            let patience = if paced { self.settings.timeout } else { Duration::ZERO };
            let before = round.answers(look, patience).filter(|_| !ends);
            if let Some(before) = before {
                self.unseen(round, before, look).await?;
            }
        }
        Ok(fault)
    }

    /// Nothing failed, but a round came so late that what its items had meanwhile was not seen.
    async fn unseen(&mut self, round: &Round, before: Look, look: Look) -> Result<(), End> {
        let own = round.reads.iter().flat_map(|read| read.values.iter().copied());
        let own: Vec<usize> =
            own.filter(|at| self.bad.get(*at).is_some_and(Option::is_none)).collect();
        if own.is_empty() {
            return Ok(());
        }
        let tags = names(&own, &self.settings.items).map(str::to_owned).collect();
        let gaps = &self.parts.gaps;
        let gap = gaps.open(&self.settings.source(), Some(tags), before.asked, Cause::Network);
        gaps.close(gap, look.answered, None);
        gaps.settle(gap, Outcome::Lost);
        self.state.change(|status| status.gaps_total += 1);
        // After the sample of the look before, which is not later than its answer.
        let ts = Timestamp::from_nanos(cut(before.answered.nanos()) + QUANTUM_NS);
        let none = |at: &usize| {
            let point = point(self.settings.items.get(*at)?, Value::Null);
            Some(point.at(Some(ts)).with_quality(Quality::BAD_NO_COMMUNICATION))
        };
        self.put(own.iter().filter_map(none).collect()).await
    }

    /// One read; its values go to the store.
    async fn read(&mut self, link: &mut Link, unit: u8, read: &Read) -> Result<Outturn, End> {
        let (area, address, count) = (read.area, read.first, read.count);
        let request = Request { transaction: 0, unit, area, address, count };
        let asked = self.parts.clock.now();
        let answer = match link.ask(request).await {
            Ok(answer) => answer,
            Err(fault) => return Ok(Outturn::Fault(fault)),
        };
        let answered = self.parts.clock.now();
        self.heard = true;
        if let Answer::Exception(exception) = answer {
            return Ok(refusal(exception));
        }
        // The device read it some time in between; cut to the millisecond.
        let middle = cut(asked.nanos().midpoint(answered.nanos()));
        let ts = Timestamp::from_nanos(middle);
        let ends = self.back(unit, asked, answered);
        let mut points = Vec::new();
        for at in &read.values {
            let Some(item) = self.settings.items.get(*at) else { continue };
            let found = value(item, read, &answer);
            self.refused.remove(at);
            if let Some(bad) = self.bad.get_mut(*at) {
                let quality = found.as_ref().err().copied();
                if quality.is_some() && *bad == quality {
                    continue;
                }
                *bad = quality;
            }
            let (value, quality) =
                found.map_or_else(|quality| (Value::Null, quality), |value| (value, Quality::GOOD));
            points.push(point(item, value).at(Some(ts)).with_quality(quality));
        }
        self.state.received(points.len() as u64);
        self.state.sampled(ts, answered);
        self.put(points).await?;
        Ok(Outturn::Values(Look { asked, answered }, ends))
    }

    /// A unit answers: a gap that lasted is over, and what was missed in it is lost. It looked some
    /// time between question and answer, so that a gap ends with the one and begins with the other.
    /// Returns whether one did.
    fn back(&mut self, unit: u8, asked: Timestamp, answered: Timestamp) -> bool {
        let Some(unit) = self.units.get_mut(&unit) else { return false };
        unit.answers(asked);
        let Some(gap) = unit.gap.take() else { return false };
        self.parts.gaps.close(gap, answered, None);
        self.parts.gaps.settle(gap, Outcome::Lost);
        self.state.change(|status| status.gaps_total += 1);
        true
    }

    /// A unit does not answer.
    async fn silent(&mut self, unit_id: u8, cause: Cause) -> Result<(), End> {
        let now = self.parts.clock.now();
        let Some(unit) = self.units.get_mut(&unit_id) else { return Ok(()) };
        unit.fails(Instant::now());
        let since = unit.answered.unwrap_or(now);
        self.interrupted(unit_id, since, cause);
        self.all_bad(unit_id, Quality::BAD_NO_COMMUNICATION).await
    }

    /// Nobody behind the connection answers.
    async fn everything_bad(&mut self, cause: Cause) -> Result<(), End> {
        let all: Vec<u8> = self.units.keys().copied().collect();
        let now = self.parts.clock.now();
        for unit in all {
            let since = self.units.get(&unit).and_then(|unit| unit.answered).unwrap_or(now);
            self.interrupted(unit, since, cause);
            self.all_bad(unit, Quality::BAD_NO_COMMUNICATION).await?;
        }
        self.show();
        Ok(())
    }

    fn interrupted(&mut self, unit: u8, since: Timestamp, cause: Cause) {
        let source = self.settings.source();
        let Some(unit) = self.units.get_mut(&unit) else { return };
        if unit.gap.is_none() {
            let tags = names(&unit.items, &self.settings.items).map(str::to_owned).collect();
            unit.gap = Some(self.parts.gaps.open(&source, Some(tags), since, cause));
            unit.silent = Some(self.parts.clock.now());
        }
    }

    async fn all_bad(&mut self, unit: u8, quality: Quality) -> Result<(), End> {
        let items = self.units.get(&unit).map(|unit| unit.items.clone()).unwrap_or_default();
        self.bad(&items, quality).await
    }

    /// Items have no value for this reason: one sample says so, at its beginning.
    async fn bad(&mut self, items: &[usize], quality: Quality) -> Result<(), End> {
        let now = Timestamp::from_nanos(cut(self.parts.clock.now().nanos()));
        let mut points = Vec::new();
        for at in items {
            let (Some(item), Some(bad)) = (self.settings.items.get(*at), self.bad.get_mut(*at))
            else {
                continue;
            };
            if *bad != Some(quality) {
                *bad = Some(quality);
                points.push(point(item, Value::Null).at(Some(now)).with_quality(quality));
            }
        }
        self.put(points).await
    }

    fn is_refused(&mut self, read: &Read) -> bool {
        let [at] = read.values.as_slice() else { return false };
        let Some((rounds, _)) = self.refused.get_mut(at) else { return false };
        *rounds = rounds.saturating_sub(1);
        *rounds > 0
    }

    /// The device does not have an item: it is a mistake in the settings, until it is not.
    async fn refuse(&mut self, read: &Read, exception: Exception) -> Result<(), End> {
        for at in &read.values {
            self.refused.insert(*at, (REFUSED_ROUNDS, exception));
        }
        self.bad(&read.values, BAD_CONFIGURATION_ERROR).await
    }

    async fn put(&self, points: Vec<Point>) -> Result<(), End> {
        if points.is_empty() {
            return Ok(());
        }
        let put = self.parts.store.put(points, &self.settings.source()).await;
        let refused = put.map_err(|error| End::StoreFailed(error.to_string()))?;
        self.state.refused(refused);
        Ok(())
    }

    /// Which items are read, and which are not.
    fn show(&self) {
        let failure = |(at, quality): (usize, &Option<Quality>)| {
            let (item, quality) = (self.settings.items.get(at)?, quality.as_ref()?);
            let reason = match self.refused.get(&at) {
                Some((_, exception)) => exception.text().to_owned(),
                None => quality_text(*quality).to_owned(),
            };
            let node = format!("{}.{}", item.unit_id, item.address);
            Some(Failure { node, tag: item.tag.to_string(), reason })
        };
        let failures: Vec<Failure> = self.bad.iter().enumerate().filter_map(failure).collect();
        self.state.items(self.bad.len() - failures.len(), failures);
    }
}

/// Cut down to the millisecond.
fn cut(nanos: i64) -> i64 {
    nanos.div_euclid(QUANTUM_NS) * QUANTUM_NS
}

fn quality_text(quality: Quality) -> &'static str {
    match quality {
        Quality::BAD_NO_COMMUNICATION => "the device does not answer",
        Quality::BAD_NO_DATA => "the device says that there is no value",
        Quality::BAD_OUT_OF_RANGE => "the registers hold no such value",
        _ => "the device failed",
    }
}

fn refusal(exception: Exception) -> Outturn {
    let text = || exception.text().to_owned();
    if exception.is_permanent() {
        return Outturn::Refused(exception);
    }
    let quality =
        if exception.is_of_gateway() { Quality::BAD_NO_COMMUNICATION } else { BAD_DEVICE_FAILURE };
    Outturn::Failed(quality, text())
}

fn point(item: &Item, value: Value) -> Point {
    Point { unit: item.unit.clone(), ..Point::new(item.tag.as_str(), value) }
}

fn names<'a>(of: &'a [usize], items: &'a [Item]) -> impl Iterator<Item = &'a str> {
    of.iter().filter_map(|at| items.get(*at)).map(|item| item.tag.as_str())
}
