//! The names of the standard aggregates.
//!
//! *Source.* OPC 10000-13, 5.4; the numbers are their node ids in namespace 0 (OPC 10000-6).
//!
//! *Invariant.* Every aggregate is listed once, with one name and one node id.

/// A standard aggregate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Aggregate {
    Interpolative,
    Average,
    TimeAverage,
    TimeAverage2,
    Total,
    Total2,
    Minimum,
    Maximum,
    MinimumActualTime,
    MaximumActualTime,
    Range,
    Minimum2,
    Maximum2,
    MinimumActualTime2,
    MaximumActualTime2,
    Range2,
    AnnotationCount,
    Count,
    DurationInStateZero,
    DurationInStateNonZero,
    NumberOfTransitions,
    Start,
    End,
    Delta,
    StartBound,
    EndBound,
    DeltaBounds,
    DurationGood,
    DurationBad,
    PercentGood,
    PercentBad,
    WorstQuality,
    WorstQuality2,
    StandardDeviationSample,
    VarianceSample,
    StandardDeviationPopulation,
    VariancePopulation,
}

/// An aggregate, its name in the standard and in SQL, and its node id.
type Row = (Aggregate, &'static str, &'static str, u16);

const TABLE: [Row; 37] = {
    use Aggregate as A;
    [
        (A::Interpolative, "Interpolative", "interpolative", 2341),
        (A::Average, "Average", "average", 2342),
        (A::TimeAverage, "TimeAverage", "time_average", 2343),
        (A::TimeAverage2, "TimeAverage2", "time_average2", 11285),
        (A::Total, "Total", "total", 2344),
        (A::Total2, "Total2", "total2", 11304),
        (A::Minimum, "Minimum", "minimum", 2346),
        (A::Maximum, "Maximum", "maximum", 2347),
        (A::MinimumActualTime, "MinimumActualTime", "minimum_actual_time", 2348),
        (A::MaximumActualTime, "MaximumActualTime", "maximum_actual_time", 2349),
        (A::Range, "Range", "range", 2350),
        (A::Minimum2, "Minimum2", "minimum2", 11286),
        (A::Maximum2, "Maximum2", "maximum2", 11287),
        (A::MinimumActualTime2, "MinimumActualTime2", "minimum_actual_time2", 11305),
        (A::MaximumActualTime2, "MaximumActualTime2", "maximum_actual_time2", 11306),
        (A::Range2, "Range2", "range2", 11288),
        (A::AnnotationCount, "AnnotationCount", "annotation_count", 2351),
        (A::Count, "Count", "count", 2352),
        (A::DurationInStateZero, "DurationInStateZero", "duration_in_state_zero", 11307),
        (A::DurationInStateNonZero, "DurationInStateNonZero", "duration_in_state_non_zero", 11308),
        (A::NumberOfTransitions, "NumberOfTransitions", "number_of_transitions", 2355),
        (A::Start, "Start", "start", 2357),
        (A::End, "End", "end", 2358),
        (A::Delta, "Delta", "delta", 2359),
        (A::StartBound, "StartBound", "start_bound", 11505),
        (A::EndBound, "EndBound", "end_bound", 11506),
        (A::DeltaBounds, "DeltaBounds", "delta_bounds", 11507),
        (A::DurationGood, "DurationGood", "duration_good", 2360),
        (A::DurationBad, "DurationBad", "duration_bad", 2361),
        (A::PercentGood, "PercentGood", "percent_good", 2362),
        (A::PercentBad, "PercentBad", "percent_bad", 2363),
        (A::WorstQuality, "WorstQuality", "worst_quality", 2364),
        (A::WorstQuality2, "WorstQuality2", "worst_quality2", 11292),
        (A::StandardDeviationSample, "StandardDeviationSample", "standard_deviation_sample", 11426),
        (A::VarianceSample, "VarianceSample", "variance_sample", 11428),
        (
            A::StandardDeviationPopulation,
            "StandardDeviationPopulation",
            "standard_deviation_population",
            11427,
        ),
        (A::VariancePopulation, "VariancePopulation", "variance_population", 11429),
    ]
};

impl Aggregate {
    /// Every aggregate, in the order of the standard.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The aggregate of this name: the standard's or SQL's in any case, or a node id (`i=2342`).
    pub(crate) fn named(name: &str) -> Option<Self> {
        let node_id = name.strip_prefix("i=").and_then(|number| number.parse::<u16>().ok());
        let is = |row: &&Row| {
            name.eq_ignore_ascii_case(row.1)
                || name.eq_ignore_ascii_case(row.2)
                || node_id == Some(row.3)
        };
        TABLE.iter().find(is).map(|row| row.0)
    }

    /// The aggregate whose node in namespace 0 has this number.
    pub(crate) fn of_node(number: u32) -> Option<Self> {
        TABLE.iter().find(|row| u32::from(row.3) == number).map(|row| row.0)
    }

    /// The number of its node in namespace 0.
    pub(crate) fn node_id(self) -> u32 {
        TABLE.iter().find(|row| row.0 == self).map_or(0, |row| u32::from(row.3))
    }

    /// Its name in the standard.
    pub(crate) fn standard_name(self) -> &'static str {
        TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.1)
    }

    /// The name of its column.
    pub(crate) fn column(self) -> &'static str {
        TABLE.iter().find(|row| row.0 == self).map_or("", |row| row.2)
    }

    /// Whether its value has a time of its own, apart from that of the interval.
    pub(crate) fn has_own_time(self) -> bool {
        use Aggregate as A;
        matches!(
            self,
            A::MinimumActualTime
                | A::MaximumActualTime
                | A::MinimumActualTime2
                | A::MaximumActualTime2
                | A::Start
                | A::End
        )
    }

    /// Whether it reads the tag's numbers, and not only when and how good they were.
    pub(crate) fn is_numeric(self) -> bool {
        use Aggregate as A;
        !matches!(
            self,
            A::AnnotationCount
                | A::Count
                | A::NumberOfTransitions
                | A::DurationGood
                | A::DurationBad
                | A::PercentGood
                | A::PercentBad
                | A::WorstQuality
                | A::WorstQuality2
        )
    }
}
