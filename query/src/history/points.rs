//! The rows of `spc`.

use std::sync::{Arc, LazyLock};

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, RecordBatch, StringViewBuilder,
    TimestampNanosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::error::Result;

use super::producer::repeated;
use crate::relation::moment;
use crate::spc::{Phase, Point, Subgroup};

/// The columns of `spc`.
pub(super) static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8View, nullable);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        text("plan", false),
        text("chart", false),
        Field::new("ts", moment(), false),
        Field::new("start_ts", moment(), false),
        Field::new("n", DataType::Float64, false),
        Field::new("value", DataType::Float64, false),
        number("center"),
        number("lcl"),
        number("ucl"),
        number("sigma"),
        number("z"),
        Field::new("limits_version", DataType::Int64, true),
        text("phase", false),
        text("rules", true),
        Field::new("out_of_limits", DataType::Boolean, false),
        text("excluded", true),
        Field::new("left_out", DataType::Int64, false),
        Field::new("run", DataType::Int64, true),
    ]))
});

/// Rows, column by column.
pub(super) struct Table<'a> {
    plan: &'a str,
    rows: usize,
    charts: StringViewBuilder,
    times: [TimestampNanosecondBuilder; 2],
    /// n, value, center, lcl, ucl, sigma, z.
    numbers: [Float64Builder; 7],
    versions: Int64Builder,
    phases: StringViewBuilder,
    rules: StringViewBuilder,
    out: BooleanBuilder,
    excluded: StringViewBuilder,
    left_out: Int64Builder,
    runs: Int64Builder,
}

impl<'a> Table<'a> {
    pub(super) fn new(plan: &'a str) -> Self {
        let utc = || TimestampNanosecondBuilder::new().with_timezone("UTC");
        Self {
            plan,
            rows: 0,
            charts: StringViewBuilder::new(),
            times: [utc(), utc()],
            numbers: std::array::from_fn(|_| Float64Builder::new()),
            versions: Int64Builder::new(),
            phases: StringViewBuilder::new(),
            rules: StringViewBuilder::new(),
            out: BooleanBuilder::new(),
            excluded: StringViewBuilder::new(),
            left_out: Int64Builder::new(),
            runs: Int64Builder::new(),
        }
    }

    /// Adds a point of a subgroup.
    pub(super) fn add(
        &mut self,
        group: &Subgroup,
        point: &Point,
        phase: Phase,
        version: Option<u32>,
    ) {
        self.rows += 1;
        self.charts.append_value(point.chart.name());
        let times = [group.end, group.start];
        self.times.iter_mut().zip(times).for_each(|(column, own)| column.append_value(own));
        let Point { value, center, lcl, ucl, sigma, z, .. } = *point;
        let n = Some(group.figures.size());
        let numbers = [n, Some(value), center, lcl, ucl, sigma, z];
        self.numbers.iter_mut().zip(numbers).for_each(|(column, own)| column.append_option(own));
        self.versions.append_option(version.map(i64::from));
        self.phases.append_value(if phase == Phase::One { "I" } else { "II" });
        let rules = (!point.rules.is_empty()).then(|| point.rules.join(","));
        self.rules.append_option(rules);
        self.out.append_value(point.out);
        self.excluded.append_option(group.excluded.as_deref());
        self.left_out.append_value(i64::try_from(group.left_out).unwrap_or(i64::MAX));
        self.runs.append_option(point.run.map(|run| i64::try_from(run).unwrap_or(i64::MAX)));
    }

    pub(super) fn finish(mut self) -> Result<RecordBatch> {
        let mut columns: Vec<ArrayRef> =
            vec![repeated(self.plan, self.rows)?, Arc::new(self.charts.finish())];
        for column in &mut self.times {
            columns.push(Arc::new(column.finish()));
        }
        for column in &mut self.numbers {
            columns.push(Arc::new(column.finish()));
        }
        columns.push(Arc::new(self.versions.finish()));
        columns.push(Arc::new(self.phases.finish()));
        columns.push(Arc::new(self.rules.finish()));
        columns.push(Arc::new(self.out.finish()));
        columns.push(Arc::new(self.excluded.finish()));
        columns.push(Arc::new(self.left_out.finish()));
        columns.push(Arc::new(self.runs.finish()));
        Ok(RecordBatch::try_new(Arc::clone(&SCHEMA), columns)?)
    }
}
