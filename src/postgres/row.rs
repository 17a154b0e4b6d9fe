//! Values of the engine as PostgreSQL writes them, as text and as binary.
//!
//! *Invariant.* A float is written with the fewest digits that read back as the same bits; a time
//! is cut to microseconds, which is what this wire knows; a null is a null in every type.
//!
//! *Not here.* Messages around the values: `rows` and `copy`.

use std::fmt::Write as _;
use std::ops::Range;
use std::str::FromStr as _;

use bytes::{BufMut, BytesMut};
use chrono::{DateTime, NaiveDate};
use chrono_tz::Tz;
use datafusion::arrow::array::{
    Array as _, ArrayRef, AsArray as _, BinaryViewArray, BooleanArray, Date32Array,
    Decimal128Array, Float32Array, Float64Array, Int16Array, Int32Array, Int64Array,
    IntervalMonthDayNanoArray, ListArray, StringViewArray, Time64NanosecondArray,
    TimestampNanosecondArray,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use datafusion::arrow::error::ArrowError;
use pgwire::api::Type;
use tacitus_query::{write_date_time, write_float, write_int, write_whole};

/// Microseconds from 1970 to 2000, where PostgreSQL begins to count.
const EPOCH_2000_US: i64 = 946_684_800_000_000;
/// Days of the same.
const EPOCH_2000_DAYS: i32 = 10_957;

/// How a column is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) kind: Type,
    pub(super) binary: bool,
}

/// A column of a batch, ready to be written row by row.
pub(super) struct Column {
    nulls: Option<NullBuffer>,
    values: Values,
    binary: bool,
}

/// The values of a column; every type is brought to one of these.
enum Values {
    Null,
    Bool(BooleanArray),
    Int16(Int16Array),
    Int32(Int32Array),
    Int64(Int64Array),
    Float32(Float32Array),
    Float64(Float64Array),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Date(Date32Array),
    Time(Time64NanosecondArray),
    /// With the zone in which it is told, if it is a moment.
    Moment(TimestampNanosecondArray, Option<Tz>),
    Interval(IntervalMonthDayNanoArray),
    /// With the digits after the point.
    Numeric(Decimal128Array, i8),
    /// With the items and their type.
    List(ListArray, Box<Column>, u32),
}

impl Column {
    /// A column as `form` wants it; times as text are told in `zone`.
    pub(super) fn new(values: &ArrayRef, form: &Form, zone: Tz) -> Result<Self, ArrowError> {
        use DataType as T;
        let values = match target(values.data_type()) {
            Some(target) => cast(values, &target)?,
            None => values.clone(),
        };
        let nulls = values.logical_nulls();
        let values = match values.data_type() {
            T::Null => Values::Null,
            T::Boolean => Values::Bool(values.as_boolean().clone()),
            T::Int16 => Values::Int16(values.as_primitive().clone()),
            T::Int32 => Values::Int32(values.as_primitive().clone()),
            T::Int64 => Values::Int64(values.as_primitive().clone()),
            T::Float32 => Values::Float32(values.as_primitive().clone()),
            T::Float64 => Values::Float64(values.as_primitive().clone()),
            T::BinaryView => Values::Bytes(values.as_binary_view().clone()),
            T::Date32 => Values::Date(values.as_primitive().clone()),
            T::Time64(_) => Values::Time(values.as_primitive().clone()),
            T::Timestamp(_, stated) => {
                let zone = stated.is_some().then_some(zone);
                Values::Moment(values.as_primitive().clone(), zone)
            }
            T::Interval(_) => Values::Interval(values.as_primitive().clone()),
            T::Decimal128(_, scale) => Values::Numeric(values.as_primitive().clone(), *scale),
            T::List(item) => {
                let lists = values.as_list::<i32>();
                let kind = super::types::of_field(item);
                let oid = kind.oid();
                let items = Self::new(lists.values(), &Form { kind, binary: form.binary }, zone)?;
                Values::List(lists.clone(), Box::new(items), oid)
            }
            _ => Values::Text(values.as_string_view().clone()),
        };
        Ok(Self { nulls, values, binary: form.binary })
    }

    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Appends the value of a row, without its length; false where it is null.
    pub(super) fn write(&self, row: usize, out: &mut BytesMut) -> bool {
        if self.is_null(row) {
            return false;
        }
        if self.binary {
            self.write_binary(row, out);
        } else {
            self.write_text(row, out);
        }
        true
    }

    fn write_text(&self, row: usize, out: &mut BytesMut) {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.put_u8(if values.value(row) { b't' } else { b'f' }),
            Values::Int16(values) => int(out, i64::from(values.value(row))),
            Values::Int32(values) => int(out, i64::from(values.value(row))),
            Values::Int64(values) => int(out, values.value(row)),
            Values::Float32(values) => {
                let value = values.value(row);
                float(out, f64::from(value), |out| write!(out, "{value}"), &value);
            }
            Values::Float64(values) => {
                let value = values.value(row);
                float(out, value, |out| write_float(value, out), &value);
            }
            Values::Text(values) => out.put_slice(values.value(row).as_bytes()),
            Values::Bytes(values) => {
                out.put_slice(b"\\x");
                for byte in values.value(row) {
                    put(out, format_args!("{byte:02x}"));
                }
            }
            Values::Date(values) => {
                let date = NaiveDate::from_epoch_days(values.value(row)).unwrap_or_default();
                put(out, format_args!("{date}"));
            }
            Values::Time(values) => clock(out, values.value(row).div_euclid(1_000)),
            Values::Moment(values, zone) => moment(out, values.value(row), *zone),
            Values::Interval(values) => {
                let value = values.value(row);
                interval(out, value.months, value.days, value.nanoseconds / 1_000);
            }
            Values::Numeric(values, _) => out.put_slice(values.value_as_string(row).as_bytes()),
            Values::List(lists, items, _) => items.write_list_text(bounds(lists, row), out),
        }
    }

    fn write_list_text(&self, rows: Range<usize>, out: &mut BytesMut) {
        out.put_u8(b'{');
        let mut item = BytesMut::new();
        for (count, row) in rows.enumerate() {
            if count > 0 {
                out.put_u8(b',');
            }
            item.clear();
            if !self.write(row, &mut item) {
                out.put_slice(b"NULL");
                continue;
            }
            let nested = matches!(self.values, Values::List(..));
            let plain = !item.is_empty()
                && !item.eq_ignore_ascii_case(b"null")
                && !item.iter().any(|byte| {
                    matches!(byte, b'{' | b'}' | b',' | b'"' | b'\\') || byte.is_ascii_whitespace()
                });
            if plain || nested {
                out.put_slice(&item);
                continue;
            }
            out.put_u8(b'"');
            for byte in &item {
                if matches!(byte, b'"' | b'\\') {
                    out.put_u8(b'\\');
                }
                out.put_u8(*byte);
            }
            out.put_u8(b'"');
        }
        out.put_u8(b'}');
    }

    fn write_binary(&self, row: usize, out: &mut BytesMut) {
        match &self.values {
            Values::Null => {}
            Values::Bool(values) => out.put_u8(u8::from(values.value(row))),
            Values::Int16(values) => out.put_i16(values.value(row)),
            Values::Int32(values) => out.put_i32(values.value(row)),
            Values::Int64(values) => out.put_i64(values.value(row)),
            Values::Float32(values) => out.put_f32(values.value(row)),
            Values::Float64(values) => out.put_f64(values.value(row)),
            Values::Text(values) => out.put_slice(values.value(row).as_bytes()),
            Values::Bytes(values) => out.put_slice(values.value(row)),
            Values::Date(values) => out.put_i32(values.value(row) - EPOCH_2000_DAYS),
            Values::Time(values) => out.put_i64(values.value(row).div_euclid(1_000)),
            Values::Moment(values, _) => {
                out.put_i64(values.value(row).div_euclid(1_000) - EPOCH_2000_US);
            }
            Values::Interval(values) => {
                let value = values.value(row);
                out.put_i64(value.nanoseconds / 1_000);
                out.put_i32(value.days);
                out.put_i32(value.months);
            }
            Values::Numeric(values, scale) => numeric(out, values.value(row), *scale),
            Values::List(lists, items, oid) => {
                items.write_list_binary(bounds(lists, row), *oid, out);
            }
        }
    }

    fn write_list_binary(&self, rows: Range<usize>, oid: u32, out: &mut BytesMut) {
        let nulls = rows.clone().any(|row| self.is_null(row));
        out.put_i32(i32::from(!rows.is_empty()));
        out.put_i32(i32::from(nulls));
        out.put_u32(oid);
        if rows.is_empty() {
            return;
        }
        out.put_i32(i32::try_from(rows.len()).unwrap_or(i32::MAX));
        out.put_i32(1);
        for row in rows {
            sized(out, |out| self.write(row, out));
        }
    }
}

/// Appends a value with its length before it, −1 for null.
pub(super) fn sized(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> bool) {
    let at = out.len();
    out.put_i32(-1);
    if write(out) {
        let length = i32::try_from(out.len() - at - 4).unwrap_or(i32::MAX);
        if let Some(place) = out.get_mut(at..at + 4) {
            place.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// What a type is brought to before it is written; `None`: it is written as it is.
fn target(kind: &DataType) -> Option<DataType> {
    use DataType as T;
    match kind {
        T::Null
        | T::Boolean
        | T::Int16
        | T::Int32
        | T::Int64
        | T::Float32
        | T::Float64
        | T::Utf8View
        | T::BinaryView
        | T::Date32
        | T::Time64(TimeUnit::Nanosecond)
        | T::Timestamp(TimeUnit::Nanosecond, _)
        | T::Interval(IntervalUnit::MonthDayNano)
        | T::Decimal128(..)
        | T::List(_) => None,
        T::Int8 | T::UInt8 => Some(T::Int16),
        T::UInt16 => Some(T::Int32),
        T::UInt32 | T::UInt64 => Some(T::Int64),
        T::Float16 => Some(T::Float32),
        T::Binary | T::LargeBinary | T::FixedSizeBinary(_) => Some(T::BinaryView),
        T::Date64 => Some(T::Date32),
        T::Time32(_) | T::Time64(_) => Some(T::Time64(TimeUnit::Nanosecond)),
        T::Timestamp(_, stated) => Some(T::Timestamp(TimeUnit::Nanosecond, stated.clone())),
        T::Interval(_) | T::Duration(_) => Some(T::Interval(IntervalUnit::MonthDayNano)),
        T::Dictionary(_, value) => target(value).or_else(|| Some((**value).clone())),
        T::LargeList(item) | T::FixedSizeList(item, _) => Some(T::List(item.clone())),
        _ => Some(T::Utf8View),
    }
}

/// The items of a list.
fn bounds(lists: &ListArray, row: usize) -> Range<usize> {
    let offsets = lists.value_offsets();
    let at = |row: usize| offsets.get(row).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
    at(row)..at(row + 1)
}

fn put(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    written(out.write_fmt(text));
}

fn written(done: std::fmt::Result) {
    debug_assert!(done.is_ok(), "writing to memory does not fail");
}

fn int(out: &mut BytesMut, number: i64) {
    written(write_int(number, out));
}

/// A float as PostgreSQL writes it: digits, or an exponent for what is very large or small.
fn float(
    out: &mut BytesMut,
    value: f64,
    plain: impl Fn(&mut BytesMut) -> std::fmt::Result,
    exponent: &dyn std::fmt::LowerExp,
) {
    if value.is_nan() {
        out.put_slice(b"NaN");
    } else if value.is_infinite() {
        out.put_slice(if value > 0.0 { b"Infinity" } else { b"-Infinity" });
    } else if value == 0.0 || (1e-4..1e15).contains(&value.abs()) {
        written(plain(out));
        // A whole number has no point on this wire.
        if out.ends_with(b".0") {
            out.truncate(out.len() - 2);
        }
    } else {
        let text = format!("{exponent:e}");
        let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, power) = match power.strip_prefix('-') {
            Some(power) => ('-', power),
            None => ('+', power),
        };
        put(out, format_args!("{digits}e{sign}{power:0>2}"));
    }
}

/// A time of day, given in microseconds.
fn clock(out: &mut BytesMut, micros: i64) {
    let seconds = micros.div_euclid(1_000_000);
    let rest = micros.rem_euclid(1_000_000);
    put(out, format_args!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60));
    fraction(out, rest);
}

/// The part of a second, without zeros at its end.
fn fraction(out: &mut BytesMut, micros: i64) {
    if micros != 0 {
        out.put_u8(b'.');
        written(write_whole(micros.unsigned_abs(), 6, out));
        let zeros = out.iter().rev().take_while(|digit| **digit == b'0').count();
        out.truncate(out.len() - zeros);
    }
}

/// A moment, in a zone or without one.
fn moment(out: &mut BytesMut, nanos: i64, zone: Option<Tz>) {
    let micros = nanos.div_euclid(1_000);
    let (seconds, rest) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let offset_s = match zone {
        None | Some(Tz::UTC) => 0,
        Some(zone) => offset_s(seconds, zone),
    };
    written(write_date_time(seconds + i64::from(offset_s), ' ', out));
    fraction(out, rest);
    if zone.is_some() {
        let minutes = u64::from(offset_s.unsigned_abs() / 60);
        out.put_u8(if offset_s < 0 { b'-' } else { b'+' });
        written(write_whole(minutes / 60, 2, out));
        if minutes % 60 != 0 {
            out.put_u8(b':');
            written(write_whole(minutes % 60, 2, out));
        }
    }
}

/// How far the clocks of a zone are ahead.
fn offset_s(seconds: i64, zone: Tz) -> i32 {
    use chrono::Offset as _;
    let utc = DateTime::from_timestamp_secs(seconds).unwrap_or_default();
    utc.with_timezone(&zone).offset().fix().local_minus_utc()
}

/// An interval in the style `postgres`.
fn interval(out: &mut BytesMut, months: i32, days: i32, micros: i64) {
    let mut parts: Vec<String> = Vec::new();
    let mut part = |count: i32, unit: &str| {
        if count != 0 {
            let plural = if count == 1 { "" } else { "s" };
            parts.push(format!("{count} {unit}{plural}"));
        }
    };
    part(months / 12, "year");
    part(months % 12, "mon");
    part(days, "day");
    let text = parts.join(" ");
    out.put_slice(text.as_bytes());
    if micros != 0 || text.is_empty() {
        if !text.is_empty() {
            out.put_u8(b' ');
        }
        if micros < 0 {
            out.put_u8(b'-');
        }
        clock(out, i64::try_from(micros.unsigned_abs()).unwrap_or(i64::MAX));
    }
}

/// A decimal number in PostgreSQL's groups of four digits.
fn numeric(out: &mut BytesMut, value: i128, scale: i8) {
    let scale = usize::try_from(scale).unwrap_or(0);
    let digits = value.unsigned_abs().to_string();
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at(digits.len() - scale);
    let whole = whole.trim_start_matches('0');
    let lead = whole.len().div_ceil(4);
    let groups = format!("{whole:0>width$}", width = lead * 4)
        + &format!("{part:0<width$}", width = part.len().div_ceil(4) * 4);
    let mut groups: Vec<i16> = groups
        .as_bytes()
        .chunks(4)
        .map(|group| group.iter().fold(0, |sum, digit| sum * 10 + i16::from(digit - b'0')))
        .collect();
    let mut weight = i16::try_from(lead).unwrap_or(0) - 1;
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    out.put_i16(i16::try_from(groups.len()).unwrap_or(0));
    out.put_i16(if groups.is_empty() { 0 } else { weight });
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_i16(i16::try_from(scale).unwrap_or(0));
    groups.into_iter().for_each(|group| out.put_i16(group));
}

/// The zone of a name that the settings have checked.
pub(super) fn zone(name: &str) -> Tz {
    Tz::from_str(name).unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::common::ScalarValue;

    fn form(kind: Type, binary: bool) -> Form {
        Form { kind, binary }
    }

    #[track_caller]
    fn text(value: &ScalarValue, zone_name: &str, want: &str) {
        let array = value.to_array().unwrap();
        let column = Column::new(&array, &form(Type::TEXT, false), zone(zone_name)).unwrap();
        let mut out = BytesMut::new();
        assert!(column.write(0, &mut out), "{value} is null");
        assert_eq!(std::str::from_utf8(&out).unwrap(), want);
    }

    #[test]
    fn values_are_written_as_postgres_writes_them() {
        use ScalarValue as V;
        let moment = |nanos: i64| V::TimestampNanosecond(Some(nanos), Some("UTC".into()));
        for (value, zone, want) in [
            (V::Boolean(Some(true)), "UTC", "t"),
            (V::Float64(Some(0.1)), "UTC", "0.1"),
            (V::Float64(Some(1e20)), "UTC", "1e+20"),
            (V::Float64(Some(-2.5e-7)), "UTC", "-2.5e-07"),
            (V::Float64(Some(f64::NAN)), "UTC", "NaN"),
            (V::Float64(Some(f64::NEG_INFINITY)), "UTC", "-Infinity"),
            (V::Float64(Some(1.0)), "UTC", "1"),
            (V::Float64(Some(-0.0)), "UTC", "-0"),
            (V::Float64(Some(-1_000.0)), "UTC", "-1000"),
            (V::Float64(Some(1e14)), "UTC", "100000000000000"),
            (V::Float64(Some(1.0 / 3.0)), "UTC", "0.3333333333333333"),
            (V::Float64(Some(0.0001)), "UTC", "0.0001"),
            (V::Float32(Some(0.1)), "UTC", "0.1"),
            (V::Int64(Some(i64::MIN)), "UTC", "-9223372036854775808"),
            (V::Int16(Some(-7)), "UTC", "-7"),
            (moment(0), "UTC", "1970-01-01 00:00:00+00"),
            (moment(1_772_323_200_123_456_789), "UTC", "2026-03-01 00:00:00.123456+00"),
            (moment(1_772_323_200_500_000_000), "Asia/Kolkata", "2026-03-01 05:30:00.5+05:30"),
            (moment(-1), "UTC", "1969-12-31 23:59:59.999999+00"),
            (moment(1_782_864_000_000_000_000), "Europe/Berlin", "2026-07-01 02:00:00+02"),
            (V::TimestampNanosecond(Some(0), None), "Asia/Tokyo", "1970-01-01 00:00:00"),
            (V::Date32(Some(20_513)), "UTC", "2026-03-01"),
            (V::new_interval_mdn(14, 3, 3_600_000_000_000), "UTC", "1 year 2 mons 3 days 01:00:00"),
            (V::new_interval_mdn(0, 0, 0), "UTC", "00:00:00"),
            (V::Decimal128(Some(-12_345), 10, 2), "UTC", "-123.45"),
            (V::Binary(Some(vec![0, 255])), "UTC", "\\x00ff"),
        ] {
            text(&value, zone, want);
        }
    }

    #[test]
    fn a_list_quotes_what_would_be_read_otherwise() {
        let items = ["a", "", "null", "b c", "d\"e", "f,g"]
            .map(|text| ScalarValue::Utf8(Some(text.into())));
        let list = ScalarValue::List(ScalarValue::new_list(&items, &DataType::Utf8, true));
        text(&list, "UTC", "{a,\"\",\"null\",\"b c\",\"d\\\"e\",\"f,g\"}");
    }

    #[test]
    fn a_null_is_null_in_every_type() {
        use ScalarValue as V;
        for value in [
            V::Null,
            V::Float64(None),
            V::IntervalMonthDayNano(None),
            V::TimestampNanosecond(None, Some("UTC".into())),
            V::DurationNanosecond(None),
        ] {
            let array = value.to_array().unwrap();
            for binary in [false, true] {
                let column = Column::new(&array, &form(Type::TEXT, binary), Tz::UTC).unwrap();
                assert!(!column.write(0, &mut BytesMut::new()), "{value:?}");
            }
        }
    }

    #[test]
    fn a_number_is_cut_into_groups_of_four_digits() {
        for (value, scale, want) in [
            (0_i128, 2, "0000 0000 0000 0002"),
            (12_345, 2, "0002 0000 0000 0002 007b 1194"),
            (-100_000_000, 0, "0001 0002 4000 0000 0001"),
            (5, 5, "0001 fffe 0000 0005 1388"),
        ] {
            let mut out = BytesMut::new();
            numeric(&mut out, value, scale);
            let words: Vec<String> =
                out.chunks(2).map(|word| format!("{:02x}{:02x}", word[0], word[1])).collect();
            assert_eq!(words.join(" "), want, "{value} {scale}");
        }
    }
}
