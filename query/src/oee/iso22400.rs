//! The indices of ISO 22400-2:2014, by name: numbers in, a ratio out.
//!
//! *Source.* ISO 22400-2:2014 for names and formulas; TEEP is not in it. MTBF, MTTF and MTTR are
//! divided by the number of completed intervals, as the industry does; the standard's own
//! denominator, one more than the failures, has functions of its own.
//!
//! *Invariant.* An index without a denominator is `None`, not zero; none is capped at 1.
//!
//! *Not here.* What counts as which time ([`oee`](crate::oee)).

/// Seconds, or any other unit of time that all arguments of a call have.
pub type Seconds = f64;

/// The times of a unit within its planned busy time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Times {
    /// PBT, planned busy time.
    pub planned_busy: Seconds,
    /// APT, actual production time: value is added.
    pub production: Seconds,
    /// AUST, actual unit setup time.
    pub setup: Seconds,
    /// ADET, actual unit delay time: it stands while there is something to make.
    pub delay: Seconds,
}

impl Times {
    /// AUPT, actual unit processing time.
    #[must_use]
    pub fn processing(&self) -> Seconds {
        self.production + self.setup
    }

    /// AUBT, actual unit busy time.
    #[must_use]
    pub fn busy(&self) -> Seconds {
        self.processing() + self.delay
    }

    /// Utilization efficiency: APT of AUBT.
    #[must_use]
    pub fn utilization_efficiency(&self) -> Option<f64> {
        ratio(self.production, self.busy())
    }

    /// Allocation efficiency: AUBT of PBT.
    #[must_use]
    pub fn allocation_efficiency(&self) -> Option<f64> {
        ratio(self.busy(), self.planned_busy)
    }

    /// Technical efficiency: APT of APT and ADET.
    #[must_use]
    pub fn technical_efficiency(&self) -> Option<f64> {
        ratio(self.production, self.production + self.delay)
    }

    /// Setup ratio: AUST of AUPT.
    #[must_use]
    pub fn setup_ratio(&self) -> Option<f64> {
        ratio(self.setup, self.processing())
    }
}

/// One number of another; `None` of nothing.
#[must_use]
pub fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole != 0.0).then(|| part / whole)
}

/// Availability: APT of PBT.
#[must_use]
pub fn availability(production: Seconds, planned_busy: Seconds) -> Option<f64> {
    ratio(production, planned_busy)
}

/// Effectiveness (performance): PRI × PQ of APT, with PRI in seconds a piece.
#[must_use]
pub fn effectiveness(ideal_cycle: Seconds, produced: f64, production: Seconds) -> Option<f64> {
    ratio(ideal_cycle * produced, production)
}

/// Quality ratio: GQ of PQ.
#[must_use]
pub fn quality_ratio(good: f64, produced: f64) -> Option<f64> {
    ratio(good, produced)
}

/// OEE index: availability × effectiveness × quality ratio.
#[must_use]
pub fn oee_index(availability: f64, effectiveness: f64, quality_ratio: f64) -> f64 {
    availability * effectiveness * quality_ratio
}

/// NEE index: AUPT of PBT, × effectiveness × quality ratio: setup is no loss.
#[must_use]
pub fn nee_index(times: &Times, effectiveness: f64, quality_ratio: f64) -> Option<f64> {
    let processing = ratio(times.processing(), times.planned_busy)?;
    Some(processing * effectiveness * quality_ratio)
}

/// TEEP: OEE × the part of the calendar that is planned.
#[must_use]
pub fn teep(oee_index: f64, planned_busy: Seconds, calendar: Seconds) -> Option<f64> {
    ratio(oee_index * planned_busy, calendar)
}

/// The OEE of several machines: that of each by its planned busy time.
#[must_use]
pub fn weighted_oee(machines: &[(f64, Seconds)]) -> Option<f64> {
    let weighted = machines.iter().map(|(oee, planned_busy)| oee * planned_busy).sum();
    ratio(weighted, machines.iter().map(|(_, planned_busy)| planned_busy).sum())
}

/// Allocation ratio: the busy times of all units of AOET, the time of the order. Above 1 where
/// they overlap.
#[must_use]
pub fn allocation_ratio(busy: &[Seconds], order_execution: Seconds) -> Option<f64> {
    ratio(busy.iter().sum(), order_execution)
}

/// Production process ratio: the production times of all units of AOET, the time of the order.
#[must_use]
pub fn production_process_ratio(production: &[Seconds], order_execution: Seconds) -> Option<f64> {
    ratio(production.iter().sum(), order_execution)
}

/// Throughput rate: PQ by AOET.
#[must_use]
pub fn throughput_rate(produced: f64, order_execution: Seconds) -> Option<f64> {
    ratio(produced, order_execution)
}

/// Worker efficiency: APWT of APAT, the attendance without breaks.
#[must_use]
pub fn worker_efficiency(work: Seconds, attendance: Seconds) -> Option<f64> {
    ratio(work, attendance)
}

/// Scrap ratio: SQ of PQ.
#[must_use]
pub fn scrap_ratio(scrap: f64, produced: f64) -> Option<f64> {
    ratio(scrap, produced)
}

/// Rework ratio: RQ of PQ.
#[must_use]
pub fn rework_ratio(rework: f64, produced: f64) -> Option<f64> {
    ratio(rework, produced)
}

/// Fall-off ratio: SQ of PQ of the first operation.
#[must_use]
pub fn fall_off_ratio(scrap: f64, produced_first: f64) -> Option<f64> {
    ratio(scrap, produced_first)
}

/// Actual to planned scrap: SQ of PSQ.
#[must_use]
pub fn actual_to_planned_scrap(scrap: f64, planned_scrap: f64) -> Option<f64> {
    ratio(scrap, planned_scrap)
}

/// First pass yield: GP, good at the first run, of IP, inspected.
#[must_use]
pub fn first_pass_yield(good_first: f64, inspected: f64) -> Option<f64> {
    ratio(good_first, inspected)
}

/// Equipment load ratio: PQ of EPC, what it could produce.
#[must_use]
pub fn equipment_load_ratio(produced: f64, capacity: f64) -> Option<f64> {
    ratio(produced, capacity)
}

/// Finished goods, integrated goods, production loss, storage and transport loss, other loss ratio:
/// a quantity of CM, the consumed material.
#[must_use]
pub fn of_consumed_material(quantity: f64, consumed: f64) -> Option<f64> {
    ratio(quantity, consumed)
}

/// Inventory turns: throughput of the average inventory.
#[must_use]
pub fn inventory_turns(throughput: f64, average_inventory: f64) -> Option<f64> {
    ratio(throughput, average_inventory)
}

/// Corrective maintenance ratio: CMT of CMT and PMT.
#[must_use]
pub fn corrective_maintenance_ratio(corrective: Seconds, preventive: Seconds) -> Option<f64> {
    ratio(corrective, corrective + preventive)
}

/// Energy of all carriers, each times its conversion coefficient, by PQ.
#[must_use]
pub fn comprehensive_energy_consumption(carriers: &[(f64, f64)], produced: f64) -> Option<f64> {
    ratio(carriers.iter().map(|(consumed, coefficient)| consumed * coefficient).sum(), produced)
}

/// MTBF, MTTF or MTTR of so much time in so many completed intervals.
#[must_use]
pub fn mean_time(sum: Seconds, intervals: u64) -> Option<Seconds> {
    ratio(sum, as_float(intervals))
}

/// MTBF, MTTF or MTTR with the standard's denominator, FE + 1.
#[must_use]
pub fn mean_time_of_standard(sum: Seconds, failures: u64) -> Seconds {
    sum / (as_float(failures) + 1.0)
}

#[expect(clippy::cast_precision_loss, reason = "failures are few")]
fn as_float(count: u64) -> f64 {
    count as f64
}
