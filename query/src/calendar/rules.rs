//! A calendar whose definition makes sense.
//!
//! *Invariant.* On the wall, no two shifts that run overlap, and every break lies in its shift.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::definition::{CalendarDefinition, DayName, Fault, Rotation, Shift};
use super::wall::{self, DAY_S, WEEKDAYS};
use crate::limits::{
    CALENDAR_BREAKS_MAX, CALENDAR_CHANGES_MAX, CALENDAR_CREWS_MAX, CALENDAR_DAYS_MAX,
    CALENDAR_PATTERN_DAYS_MAX, CALENDAR_SHIFTS_MAX, HOLIDAY_DAYS_MAX,
};
use crate::zone::Zone;

/// A calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    definition: CalendarDefinition,
    pub(super) zone: Option<Zone>,
    /// Seconds from midnight at which a production day starts.
    pub(super) day_start_s: i64,
    /// By their first day; the first is from ever.
    phases: Vec<Phase>,
    holidays: BTreeMap<i32, String>,
    /// Holidays of every year, by month and day.
    yearly: BTreeMap<(u32, u32), String>,
    /// The shifts that run on these days, by position among those of their phase.
    special: BTreeMap<i32, BTreeSet<usize>>,
}

/// What holds from a production day on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Phase {
    from: i32,
    /// Where it stands in the definition: nothing, or `changes[0].`.
    key: String,
    shifts: Vec<ShiftRule>,
    rotation: Option<Cycle>,
}

/// A shift, counted from the start of its production day, in seconds on the wall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ShiftRule {
    pub(super) name: Arc<str>,
    pub(super) from_s: i64,
    pub(super) length_s: i64,
    days: [bool; 7],
    on_holidays: bool,
    /// Seconds from the start of the shift, and length in seconds.
    pub(super) breaks: Vec<(i64, i64)>,
}

/// A rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cycle {
    from: i32,
    /// The shift of each day, by position.
    pattern: Vec<Option<usize>>,
    crews: Vec<(Arc<str>, i32)>,
}

impl Calendar {
    /// Checks a definition.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn new(definition: CalendarDefinition) -> Result<Self, Vec<Fault>> {
        let mut faults = Faults::default();
        let zone = definition.timezone.as_deref().and_then(|name| faults.zone("timezone", name));
        let day_start_s =
            definition.day_start.as_deref().map_or(0, |text| faults.time("day_start", text));
        let phases = faults.phases(&definition, day_start_s);
        let (holidays, yearly) = faults.holidays(&definition);
        let special = faults.special(&definition, &phases);
        let calendar = Self { definition, zone, day_start_s, phases, holidays, yearly, special };
        if faults.0.is_empty() {
            faults.overlaps(&calendar);
        }
        if faults.0.is_empty() { Ok(calendar) } else { Err(faults.0) }
    }

    /// What it was made of.
    pub fn definition(&self) -> &CalendarDefinition {
        &self.definition
    }

    /// The date on whose wall a production day starts.
    pub(super) fn wall_day(&self, day: i32) -> i64 {
        i64::from(day) - i64::from(self.is_named_by_end())
    }

    /// Whether a production day has the name of a later date than that of its start.
    pub(super) fn is_named_by_end(&self) -> bool {
        self.definition.day_named_by == DayName::End && self.day_start_s > 0
    }

    /// Whether there are shifts on any day.
    pub(super) fn has_shifts(&self) -> bool {
        self.phases.iter().any(|phase| !phase.shifts.is_empty())
    }

    /// What holds on a production day.
    fn phase(&self, day: i32) -> Option<&Phase> {
        phase_of(&self.phases, day)
    }

    /// The shifts of a production day, with their positions.
    pub(super) fn running(&self, day: i32) -> impl Iterator<Item = (usize, &ShiftRule)> {
        let shifts = self.phase(day).map_or(&[][..], |phase| &phase.shifts);
        let special = self.special.get(&day);
        let weekday = wall::weekday_of(day);
        let holiday = special.is_none() && self.is_holiday(day);
        shifts.iter().enumerate().filter(move |(at, shift)| match special {
            Some(own) => own.contains(at),
            None => {
                shift.days.get(weekday).copied().unwrap_or(false) && (!holiday || shift.on_holidays)
            }
        })
    }

    fn is_holiday(&self, day: i32) -> bool {
        self.holidays.contains_key(&day)
            || wall::month_and_day(day).is_some_and(|own| self.yearly.contains_key(&own))
    }

    /// The crews of a shift of a day; several are joined by `+`.
    pub(super) fn crew(&self, day: i32, shift: usize) -> Option<Arc<str>> {
        let cycle = self.phase(day)?.rotation.as_ref()?;
        let mut crews = cycle.crews.iter().filter(|(_, offset)| {
            let days = i64::try_from(cycle.pattern.len()).unwrap_or(1).max(1);
            let at = (i64::from(day) - i64::from(cycle.from) + i64::from(*offset)).rem_euclid(days);
            let at = usize::try_from(at).unwrap_or_default();
            cycle.pattern.get(at).copied().flatten() == Some(shift)
        });
        let first = Arc::clone(&crews.next()?.0);
        let more: Vec<&str> = crews.map(|(name, _)| &**name).collect();
        if more.is_empty() {
            Some(first)
        } else {
            Some(format!("{first}+{}", more.join("+")).into())
        }
    }
}

fn phase_of(phases: &[Phase], day: i32) -> Option<&Phase> {
    phases.iter().rfind(|phase| phase.from <= day)
}

/// Collects what is wrong.
#[derive(Debug, Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, key: impl Into<String>, reason: String, hint: &str) {
        self.0.push(Fault { key: key.into(), reason, hint: hint.to_owned() });
    }

    fn most(&mut self, key: &str, count: usize, most: usize) {
        if count > most {
            let reason = format!("there are {count}, at most {most}");
            self.add(key, reason, "make another calendar of the rest");
        }
    }

    fn zone(&mut self, key: &str, name: &str) -> Option<Zone> {
        let zone = Zone::named(name).ok();
        if zone.is_none() {
            let reason = format!("time zone \"{name}\" does not exist");
            self.add(key, reason, "use an IANA name such as \"Europe/Berlin\"");
        }
        zone
    }

    fn time(&mut self, key: &str, text: &str) -> i64 {
        wall::time(text).unwrap_or_else(|| {
            self.add(key, format!("\"{text}\" is no time of day"), "write \"06:00\" or \"22:30\"");
            0
        })
    }

    fn day(&mut self, key: &str, text: &str) -> Option<i32> {
        let day = wall::day(text);
        if day.is_none() {
            self.add(key, format!("\"{text}\" is no date"), "write \"2026-12-25\"");
        }
        day
    }

    fn phases(&mut self, own: &CalendarDefinition, day_start_s: i64) -> Vec<Phase> {
        self.most("changes", own.changes.len(), CALENDAR_CHANGES_MAX);
        let rotation = own.rotation.as_ref();
        let first = self.phase(i32::MIN, String::new(), &own.shifts, rotation, day_start_s);
        let mut phases = vec![first];
        for (at, change) in own.changes.iter().enumerate() {
            let key = format!("changes[{at}].");
            let from = self.day(&format!("{key}from"), &change.from).unwrap_or(i32::MAX);
            if phases.last().is_some_and(|before| before.from >= from) {
                let reason = format!("{} is not after the change before", change.from);
                let hint = "list the changes in the order of their days, one for a day";
                self.add(format!("{key}from"), reason, hint);
            }
            let rotation = change.rotation.as_ref();
            phases.push(self.phase(from, key, &change.shifts, rotation, day_start_s));
        }
        phases
    }

    fn phase(
        &mut self,
        from: i32,
        key: String,
        shifts: &[Shift],
        rotation: Option<&Rotation>,
        day_start_s: i64,
    ) -> Phase {
        let shifts = self.shifts(&format!("{key}shifts"), shifts, day_start_s);
        let rotation = rotation.map(|own| self.rotation(&format!("{key}rotation"), own, &shifts));
        Phase { from, key, shifts, rotation }
    }

    fn shifts(&mut self, key: &str, given: &[Shift], day_start_s: i64) -> Vec<ShiftRule> {
        self.most(key, given.len(), CALENDAR_SHIFTS_MAX);
        let mut names = BTreeSet::new();
        let mut rules = Vec::with_capacity(given.len());
        for (at, shift) in given.iter().enumerate() {
            let key = format!("{key}[{at}]");
            if shift.name.trim().is_empty() || !names.insert(&shift.name) {
                let reason = format!("\"{}\" is empty, or the name of another shift", shift.name);
                self.add(format!("{key}.name"), reason, "give each shift a name of its own");
            }
            rules.push(self.shift(&key, shift, day_start_s));
        }
        rules
    }

    fn shift(&mut self, key: &str, shift: &Shift, day_start_s: i64) -> ShiftRule {
        let start_s = self.time(&format!("{key}.start"), &shift.start);
        let end_s = self.time(&format!("{key}.end"), &shift.end);
        let length_s = match (end_s - start_s).rem_euclid(DAY_S) {
            0 => DAY_S,
            length => length,
        };
        let mut days = [shift.days.is_none(); 7];
        for word in shift.days.iter().flatten() {
            if let Some(day) = wall::weekday(word).and_then(|at| days.get_mut(at)) {
                *day = true;
            } else {
                let hint = format!("the days are {}", WEEKDAYS.join(", "));
                self.add(format!("{key}.days"), format!("\"{word}\" is no weekday"), &hint);
            }
        }
        self.most(&format!("{key}.breaks"), shift.breaks.len(), CALENDAR_BREAKS_MAX);
        let mut breaks = Vec::with_capacity(shift.breaks.len());
        for (at, pause) in shift.breaks.iter().enumerate() {
            let key = format!("{key}.breaks[{at}]");
            let from = self.time(&format!("{key}.start"), &pause.start);
            let to = self.time(&format!("{key}.end"), &pause.end);
            let (after_s, pause_s) =
                ((from - start_s).rem_euclid(DAY_S), (to - from).rem_euclid(DAY_S));
            if pause_s == 0 || after_s + pause_s > length_s {
                let reason = format!("{} to {} is not within the shift", pause.start, pause.end);
                self.add(key, reason, "a break starts and ends while its shift runs");
            }
            breaks.push((after_s, pause_s));
        }
        breaks.sort_unstable();
        if breaks.windows(2).any(|pair| matches!(pair, [(a, long), (b, _)] if a + long > *b)) {
            let reason = "breaks overlap".to_owned();
            self.add(format!("{key}.breaks"), reason, "make one break of those that overlap");
        }
        let from_s = (start_s - day_start_s).rem_euclid(DAY_S);
        let (name, on_holidays) = (shift.name.as_str().into(), shift.on_holidays);
        ShiftRule { name, from_s, length_s, days, on_holidays, breaks }
    }

    fn named(&mut self, key: &str, name: &str, shifts: &[ShiftRule]) -> Option<usize> {
        let at = shifts.iter().position(|shift| &*shift.name == name);
        if at.is_none() {
            let names: Vec<&str> = shifts.iter().map(|shift| &*shift.name).collect();
            let hint = format!("the shifts are {}", names.join(", "));
            self.add(key, format!("there is no shift \"{name}\""), &hint);
        }
        at
    }

    fn rotation(&mut self, key: &str, own: &Rotation, shifts: &[ShiftRule]) -> Cycle {
        let from = self.day(&format!("{key}.from"), &own.from).unwrap_or_default();
        self.most(&format!("{key}.pattern"), own.pattern.len(), CALENDAR_PATTERN_DAYS_MAX);
        self.most(&format!("{key}.crews"), own.crews.len(), CALENDAR_CREWS_MAX);
        if own.pattern.is_empty() {
            let hint = "list the shift of each day of the cycle, null for a free one";
            self.add(format!("{key}.pattern"), "it has no days".to_owned(), hint);
        }
        let days = own.pattern.iter().enumerate();
        let pattern = days
            .map(|(at, name)| {
                let name = name.as_deref()?;
                self.named(&format!("{key}.pattern[{at}]"), name, shifts)
            })
            .collect();
        let mut names = BTreeSet::new();
        for (at, crew) in own.crews.iter().enumerate() {
            if crew.name.trim().is_empty() || !names.insert(&crew.name) {
                let reason = format!("\"{}\" is empty, or the name of another crew", crew.name);
                let key = format!("{key}.crews[{at}].name");
                self.add(key, reason, "give each crew a name of its own");
            }
        }
        let crews = own.crews.iter().map(|crew| (crew.name.as_str().into(), crew.offset));
        Cycle { from, pattern, crews: crews.collect() }
    }

    fn holidays(&mut self, own: &CalendarDefinition) -> (BTreeMap<i32, String>, Yearly) {
        let (mut dated, mut yearly) = (BTreeMap::new(), Yearly::new());
        self.most("holidays", own.holidays.len(), CALENDAR_DAYS_MAX);
        for (at, holiday) in own.holidays.iter().enumerate() {
            let key = format!("holidays[{at}]");
            if let (Some(day), None) = (wall::day_of_year(&holiday.date), &holiday.until) {
                yearly.insert(day, holiday.name.clone());
                continue;
            }
            let Some(first) = self.day(&format!("{key}.date"), &holiday.date) else { continue };
            let last = match &holiday.until {
                Some(until) => self.day(&format!("{key}.until"), until).unwrap_or(first),
                None => first,
            };
            if !(0..HOLIDAY_DAYS_MAX).contains(&last.saturating_sub(first)) {
                let reason = format!("it ends {} days later", i64::from(last) - i64::from(first));
                self.add(key, reason, "a holiday has 1 to 366 days");
                continue;
            }
            dated.extend((first..=last).map(|day| (day, holiday.name.clone())));
        }
        (dated, yearly)
    }

    fn special(
        &mut self,
        own: &CalendarDefinition,
        phases: &[Phase],
    ) -> BTreeMap<i32, BTreeSet<usize>> {
        let mut special = BTreeMap::new();
        self.most("special_days", own.special_days.len(), CALENDAR_DAYS_MAX);
        for (at, day) in own.special_days.iter().enumerate() {
            let key = format!("special_days[{at}]");
            let Some(date) = self.day(&format!("{key}.date"), &day.date) else { continue };
            let shifts = phase_of(phases, date).map_or(&[][..], |phase| &phase.shifts);
            let names = day.shifts.iter().enumerate();
            let running = names
                .filter_map(|(no, name)| self.named(&format!("{key}.shifts[{no}]"), name, shifts))
                .collect();
            if special.insert(date, running).is_some() {
                let reason = format!("{} is there twice", day.date);
                self.add(key, reason, "list all shifts of the day in one entry");
            }
        }
        special
    }

    /// Two shifts at the same time, on the days of any week, around changes and special days.
    fn overlaps(&mut self, calendar: &Calendar) {
        const HINT: &str = "let one end where the other starts, or make another calendar of it";
        let ordinary = Calendar { special: BTreeMap::new(), ..calendar.clone() };
        // Holidays only take shifts away.
        let ordinary = Calendar { holidays: BTreeMap::new(), yearly: BTreeMap::new(), ..ordinary };
        let mut found = Vec::new();
        for phase in &calendar.phases {
            let always = Phase { from: i32::MIN, ..phase.clone() };
            let weekly = Calendar { phases: vec![always], ..ordinary.clone() };
            found.extend((0..7).filter_map(|day| overlap(&weekly, day)));
            if let Some(before) = phase.from.checked_sub(1) {
                found.extend(overlap(&ordinary, before));
            }
        }
        let days = calendar.special.keys();
        found.extend(days.filter_map(|day| overlap(calendar, day - 1).or(overlap(calendar, *day))));
        found.sort();
        found.dedup();
        for (key, reason) in found {
            self.add(key, reason, HINT);
        }
    }
}

/// Holidays of every year, by month and day.
type Yearly = BTreeMap<(u32, u32), String>;

/// Two shifts of a day, or of it and the next, that overlap: where the later one stands, and what is
/// wrong.
fn overlap(calendar: &Calendar, day: i32) -> Option<(String, String)> {
    let of = |day: i32, moved_s: i64| {
        let phase = calendar.phase(day).map_or("", |phase| &phase.key);
        let running = calendar.running(day);
        running.map(move |(at, rule)| (rule.from_s + moved_s, at, phase, rule))
    };
    let mut starts: Vec<_> = of(day, 0).chain(of(day.saturating_add(1), DAY_S)).collect();
    starts.sort_unstable_by_key(|(from, at, ..)| (*from, *at));
    starts.windows(2).find_map(|pair| {
        let [(from, _, _, first), (next, at, phase, second)] = pair else { return None };
        let reason = || {
            format!(
                "\"{}\" and \"{}\" overlap on {}",
                first.name,
                second.name,
                WEEKDAYS.get(wall::weekday_of(day)).unwrap_or(&"a day")
            )
        };
        (from + first.length_s > *next).then(|| (format!("{phase}shifts[{at}]"), reason()))
    })
}
