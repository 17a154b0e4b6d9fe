//! The columns of `oee` and `iso22400`.
//!
//! *Invariant.* Whatever ends in `_s`, and every count, adds up: `SUM` over rows that do not overlap is
//! that of the whole. What can be null does not.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringViewArray,
    TimestampNanosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::super::producer::repeated;
use crate::oee::{Bucket, Parts, Sheet, iso22400};
use crate::relation::moment;

/// Which of the two functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    Oee,
    Iso22400,
}

/// What a column says of parts.
#[derive(Clone, Copy)]
enum Figure {
    /// Adds up.
    Sum(fn(&Parts) -> f64),
    /// Adds up, and is whole.
    Count(fn(&Parts) -> u64),
    /// Null of nothing.
    Ratio(fn(&Parts) -> Option<f64>),
}

const OEE: [(&str, Figure); 26] = [
    ("calendar_s", Figure::Sum(Parts::calendar_s)),
    ("pot_s", Figure::Sum(Parts::pot_s)),
    ("planned_s", Figure::Sum(Parts::planned_s)),
    ("unknown_s", Figure::Sum(Parts::unknown_s)),
    ("pbt_s", Figure::Sum(Parts::pbt_s)),
    ("setup_s", Figure::Sum(Parts::setup_s)),
    ("unplanned_s", Figure::Sum(Parts::unplanned_s)),
    ("no_order_s", Figure::Sum(Parts::no_order_s)),
    ("micro_s", Figure::Sum(Parts::micro_s)),
    ("apt_s", Figure::Sum(Parts::apt_s)),
    ("stops", Figure::Count(|parts| parts.stops)),
    ("micro_stops", Figure::Count(|parts| parts.micro_stops)),
    ("total", Figure::Sum(|parts| parts.total)),
    ("good", Figure::Sum(|parts| parts.good)),
    ("reject", Figure::Sum(Parts::reject)),
    ("unscheduled_count", Figure::Sum(|parts| parts.unscheduled_count)),
    ("unrated_count", Figure::Sum(|parts| parts.unrated_count)),
    ("ideal_total_s", Figure::Sum(|parts| parts.ideal_total_s)),
    ("ideal_good_s", Figure::Sum(|parts| parts.ideal_good_s)),
    ("availability", Figure::Ratio(Parts::availability)),
    ("performance", Figure::Ratio(Parts::performance)),
    ("quality", Figure::Ratio(Parts::quality)),
    ("oee", Figure::Ratio(Parts::oee)),
    ("nee", Figure::Ratio(Parts::nee)),
    ("utilization", Figure::Ratio(Parts::utilization)),
    ("teep", Figure::Ratio(Parts::teep)),
];

const ISO22400: [(&str, Figure); 15] = [
    ("availability", Figure::Ratio(Parts::availability)),
    ("effectiveness", Figure::Ratio(Parts::performance)),
    ("quality_ratio", Figure::Ratio(Parts::count_quality)),
    ("oee_index", Figure::Ratio(Parts::oee)),
    ("nee_index", Figure::Ratio(Parts::nee)),
    ("utilization_efficiency", Figure::Ratio(|own| own.times().utilization_efficiency())),
    ("allocation_efficiency", Figure::Ratio(|own| own.times().allocation_efficiency())),
    ("technical_efficiency", Figure::Ratio(|own| own.times().technical_efficiency())),
    ("setup_ratio", Figure::Ratio(|own| own.times().setup_ratio())),
    ("scrap_ratio", Figure::Ratio(|own| own.count_quality().map(|good| 1.0 - good))),
    ("failures", Figure::Count(|parts| parts.stops)),
    ("mtbf_s", Figure::Ratio(|own| iso22400::mean_time(own.times().processing(), own.stops))),
    ("mttr_s", Figure::Ratio(|own| iso22400::mean_time(own.unplanned_s(), own.stops))),
    (
        "mtbf_fe1_s",
        Figure::Ratio(|own| {
            Some(iso22400::mean_time_of_standard(own.times().processing(), own.stops))
        }),
    ),
    (
        "mttr_fe1_s",
        Figure::Ratio(|own| Some(iso22400::mean_time_of_standard(own.unplanned_s(), own.stops))),
    ),
];

static OEE_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema(&OEE));
static ISO22400_SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| schema(&ISO22400));

fn schema(figures: &[(&str, Figure)]) -> SchemaRef {
    let mut fields = vec![
        Field::new("asset", DataType::Utf8View, false),
        Field::new("start_ts", moment(), false),
        Field::new("end_ts", moment(), false),
        Field::new("label", DataType::Utf8View, true),
        Field::new("crew", DataType::Utf8View, true),
        Field::new("production_day", DataType::Date32, true),
    ];
    fields.extend(figures.iter().map(|(name, figure)| match figure {
        Figure::Sum(_) => Field::new(*name, DataType::Float64, false),
        Figure::Count(_) => Field::new(*name, DataType::Int64, false),
        Figure::Ratio(_) => Field::new(*name, DataType::Float64, true),
    }));
    fields.push(Field::new("provisional", DataType::Boolean, false));
    Arc::new(Schema::new(fields))
}

impl Table {
    /// The columns.
    pub(super) fn schema(self) -> SchemaRef {
        Arc::clone(match self {
            Self::Oee => &OEE_SCHEMA,
            Self::Iso22400 => &ISO22400_SCHEMA,
        })
    }

    fn figures(self) -> &'static [(&'static str, Figure)] {
        match self {
            Self::Oee => &OEE,
            Self::Iso22400 => &ISO22400,
        }
    }

    /// The rows of an asset.
    pub(super) fn batch(self, asset: &str, sheet: &Sheet) -> Result<RecordBatch> {
        let rows: Vec<(&Bucket, Parts, bool)> = sheet.rows().collect();
        let times = |of: fn(&Bucket) -> i64| -> ArrayRef {
            let times: Vec<i64> = rows.iter().map(|(bucket, ..)| of(bucket)).collect();
            Arc::new(TimestampNanosecondArray::from(times).with_timezone("UTC"))
        };
        let texts = |of: fn(&Bucket) -> Option<&str>| -> ArrayRef {
            Arc::new(rows.iter().map(|(bucket, ..)| of(bucket)).collect::<StringViewArray>())
        };
        let days = rows.iter().map(|(bucket, ..)| bucket.day);
        let mut columns: Vec<ArrayRef> = vec![
            repeated(asset, rows.len())?,
            times(|bucket| bucket.from),
            times(|bucket| bucket.to),
            texts(|bucket| bucket.label.as_deref()),
            texts(|bucket| bucket.crew.as_deref()),
            Arc::new(days.collect::<Date32Array>()),
        ];
        for (_, figure) in self.figures() {
            let parts = rows.iter().map(|(_, parts, _)| parts);
            columns.push(match figure {
                Figure::Sum(of) => Arc::new(Float64Array::from_iter_values(parts.map(of))),
                Figure::Count(of) => {
                    let counts = parts.map(|own| of(own).cast_signed());
                    Arc::new(Int64Array::from_iter_values(counts))
                }
                Figure::Ratio(of) => Arc::new(parts.map(of).collect::<Float64Array>()),
            });
        }
        let provisional = rows.iter().map(|(.., provisional)| Some(*provisional));
        columns.push(Arc::new(provisional.collect::<BooleanArray>()));
        Ok(RecordBatch::try_new(self.schema(), columns)?)
    }
}
