//! What adds up, and the ratios that are made of it.
//!
//! *Invariant.* Parts are sums of time, counts and ideal time: those of a line are the sum of its
//! machines', those of a day the sum of its hours'. Time is kept in whole nanoseconds, so that no
//! split of it loses any.

use std::ops::AddAssign;

use super::iso22400::{self, Seconds};
use super::sweep::Class;

/// Parts of some machines in some time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Parts {
    calendar_ns: i128,
    scheduled_ns: i128,
    planned_ns: i128,
    unknown_ns: i128,
    busy_ns: i128,
    setup_ns: i128,
    unplanned_ns: i128,
    no_order_ns: i128,
    micro_ns: i128,
    run_ns: i128,
    /// Unplanned stops that began.
    pub(crate) stops: u64,
    /// Micro stops that began.
    pub(crate) micro_stops: u64,
    pub(crate) total: f64,
    pub(crate) good: f64,
    /// Counted while nobody was meant to work.
    pub(crate) unscheduled_count: f64,
    /// Counted while no ideal cycle was known.
    pub(crate) unrated_count: f64,
    pub(crate) ideal_total_s: f64,
    pub(crate) ideal_good_s: f64,
    /// Whether a machine is among them that counts nothing.
    pub(crate) is_uncounted: bool,
    /// Whether a machine is among them that has no ideal cycle.
    pub(crate) is_unrated: bool,
}

/// What was counted at a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Counted {
    /// Pieces made.
    pub(crate) total: f64,
    /// Pieces that are good; negative where pieces turn out not to be.
    pub(crate) good: f64,
    pub(crate) is_scheduled: bool,
    /// The ideal cycle in force, in seconds a piece.
    pub(crate) cycle_s: Option<f64>,
}

impl Parts {
    /// Adds a span of one class; `no_order` where a stop had nothing to make.
    pub(crate) fn time(&mut self, class: Class, length_ns: i128, setup_is_loss: bool) {
        self.calendar_ns += length_ns;
        if class == Class::Unscheduled {
            return;
        }
        self.scheduled_ns += length_ns;
        let own = match class {
            Class::Unscheduled => return,
            Class::Planned => &mut self.planned_ns,
            Class::Unknown => &mut self.unknown_ns,
            Class::Setup => &mut self.setup_ns,
            Class::Unplanned => &mut self.unplanned_ns,
            Class::Micro => &mut self.micro_ns,
            Class::Run => &mut self.run_ns,
        };
        *own += length_ns;
        let is_busy = match class {
            Class::Unscheduled | Class::Planned | Class::Unknown => false,
            Class::Setup => setup_is_loss,
            Class::Unplanned | Class::Micro | Class::Run => true,
        };
        if is_busy {
            self.busy_ns += length_ns;
        }
    }

    /// Says of unplanned time, added already, that there was nothing to make in it.
    pub(crate) fn no_order(&mut self, length_ns: i128) {
        self.no_order_ns += length_ns;
    }

    /// Adds what was counted.
    pub(crate) fn count(&mut self, counted: Counted) {
        if !counted.is_scheduled {
            self.unscheduled_count += counted.total;
            return;
        }
        self.total += counted.total;
        self.good += counted.good;
        match counted.cycle_s {
            Some(cycle_s) => {
                self.ideal_total_s += cycle_s * counted.total;
                self.ideal_good_s += cycle_s * counted.good;
            }
            None => self.unrated_count += counted.total,
        }
    }

    /// All time.
    pub(crate) fn calendar_s(&self) -> f64 {
        seconds(self.calendar_ns)
    }

    /// Planned operation time: what is scheduled.
    pub(crate) fn pot_s(&self) -> f64 {
        seconds(self.scheduled_ns)
    }

    pub(crate) fn planned_s(&self) -> f64 {
        seconds(self.planned_ns)
    }

    pub(crate) fn unknown_s(&self) -> f64 {
        seconds(self.unknown_ns)
    }

    /// Planned busy time: what is scheduled, without planned stops and what is unknown.
    pub(crate) fn pbt_s(&self) -> f64 {
        seconds(self.busy_ns)
    }

    pub(crate) fn setup_s(&self) -> f64 {
        seconds(self.setup_ns)
    }

    pub(crate) fn unplanned_s(&self) -> f64 {
        seconds(self.unplanned_ns)
    }

    /// Of the unplanned time, that in which there was nothing to make.
    pub(crate) fn no_order_s(&self) -> f64 {
        seconds(self.no_order_ns)
    }

    pub(crate) fn micro_s(&self) -> f64 {
        seconds(self.micro_ns)
    }

    /// Actual production time: it ran, or stood for a micro stop.
    pub(crate) fn apt_s(&self) -> f64 {
        seconds(self.run_ns + self.micro_ns)
    }

    pub(crate) fn reject(&self) -> f64 {
        self.total - self.good
    }

    /// Null without planned busy time.
    pub(crate) fn availability(&self) -> Option<f64> {
        iso22400::availability(self.apt_s(), self.pbt_s())
    }

    /// Null without production time; above 1 where the ideal cycle is too long, or counts come late.
    pub(crate) fn performance(&self) -> Option<f64> {
        self.busy()?;
        self.rated()?;
        iso22400::ratio(self.ideal_total_s, self.apt_s())
    }

    /// By ideal time, so that the three factors make the whole for mixed products too; null without
    /// counts.
    pub(crate) fn quality(&self) -> Option<f64> {
        self.busy()?;
        if self.is_unrated {
            return self.count_quality();
        }
        self.count_quality()?;
        iso22400::ratio(self.ideal_good_s, self.ideal_total_s)
    }

    /// Good of all pieces, whatever their cycle.
    pub(crate) fn count_quality(&self) -> Option<f64> {
        self.counted()?;
        iso22400::quality_ratio(self.good, self.total)
    }

    /// Zero without good pieces; null without planned busy time.
    pub(crate) fn oee(&self) -> Option<f64> {
        self.rated()?;
        iso22400::ratio(self.ideal_good_s, self.pbt_s())
    }

    /// As [`Self::oee`], but setup is no loss.
    pub(crate) fn nee(&self) -> Option<f64> {
        self.rated()?;
        let processing_s = seconds(self.busy_ns - self.unplanned_ns);
        let effectiveness = match iso22400::ratio(self.ideal_good_s, self.apt_s()) {
            None if self.ideal_good_s == 0.0 => 0.0,
            other => other?,
        };
        iso22400::ratio(processing_s, self.pbt_s()).map(|processing| processing * effectiveness)
    }

    /// What is scheduled of all time.
    pub(crate) fn utilization(&self) -> Option<f64> {
        iso22400::ratio(self.pot_s(), self.calendar_s())
    }

    /// Total effective equipment performance: of all time.
    pub(crate) fn teep(&self) -> Option<f64> {
        self.rated()?;
        iso22400::ratio(self.ideal_good_s, self.calendar_s())
    }

    /// The times as the standard has them, of what lies within the planned busy time.
    pub(crate) fn times(&self) -> iso22400::Times {
        let setup_ns = self.busy_ns - self.unplanned_ns - self.run_ns - self.micro_ns;
        iso22400::Times {
            planned_busy: self.pbt_s(),
            production: self.apt_s(),
            setup: seconds(setup_ns),
            delay: seconds(self.unplanned_ns - self.no_order_ns),
        }
    }

    fn busy(&self) -> Option<()> {
        (self.busy_ns > 0).then_some(())
    }

    fn counted(&self) -> Option<()> {
        (!self.is_uncounted).then_some(())
    }

    fn rated(&self) -> Option<()> {
        (!self.is_uncounted && !self.is_unrated).then_some(())
    }
}

impl AddAssign for Parts {
    fn add_assign(&mut self, other: Self) {
        self.calendar_ns += other.calendar_ns;
        self.scheduled_ns += other.scheduled_ns;
        self.planned_ns += other.planned_ns;
        self.unknown_ns += other.unknown_ns;
        self.busy_ns += other.busy_ns;
        self.setup_ns += other.setup_ns;
        self.unplanned_ns += other.unplanned_ns;
        self.no_order_ns += other.no_order_ns;
        self.micro_ns += other.micro_ns;
        self.run_ns += other.run_ns;
        self.stops += other.stops;
        self.micro_stops += other.micro_stops;
        self.total += other.total;
        self.good += other.good;
        self.unscheduled_count += other.unscheduled_count;
        self.unrated_count += other.unrated_count;
        self.ideal_total_s += other.ideal_total_s;
        self.ideal_good_s += other.ideal_good_s;
        self.is_uncounted |= other.is_uncounted;
        self.is_unrated |= other.is_unrated;
    }
}

fn seconds(nanos: i128) -> Seconds {
    #[expect(clippy::cast_precision_loss, reason = "exact to the microsecond for centuries")]
    let seconds = nanos as f64 / 1e9;
    seconds
}
