//! An OPC UA `DataValue` as a sample without a tag.
//!
//! | OPC UA | model |
//! |---|---|
//! | Boolean | bool |
//! | SByte … Int64, Byte … UInt64, enumerations | int; a UInt64 above 2^63 − 1 is refused |
//! | Float, Double | float; a Float is widened, which is exact; NaN and ±∞ are kept |
//! | String, LocalizedText, XmlElement, Guid, NodeId, QualifiedName | text |
//! | DateTime | text, RFC 3339 in UTC with the 100 ns the wire has |
//! | StatusCode | int, its 32 bits |
//! | Null, or no value | null |
//! | array, structure | its leaves, see [`super::leaves`]; refused here |
//! | ByteString, DataValue, DiagnosticInfo | refused |
//!
//! *Invariant.* The quality is the source's `StatusCode`, bit for bit. The time is the source's,
//! else the server's, else that of arrival: a time of 1601 or 9999 means "not stated" on the wire
//! (Part 6, 5.2.2.5), and one that nanoseconds in 64 bits cannot express would place the sample
//! at an end of time for ever, so both count as not stated.

use opcua::types::{DataValue, DateTime, UAString, Variant};
use tacitus_model::{Quality, TEXT_BYTES_MAX, Timestamp, Value};

/// What a source said of a signal at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When it was so, cut down to the quantum.
    pub ts: Timestamp,
    /// What it was.
    pub value: Value,
    /// The source's full `StatusCode`.
    pub quality: Quality,
}

/// Why a value is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An array or matrix.
    #[error("an array of arrays, or with too many elements, is not stored")]
    Array,
    /// A structure.
    #[error("a structure whose fields the server does not describe is not stored")]
    Structure,
    /// A structure whose bytes do not fit the description of its type.
    #[error("a structure is not written as the server describes its type, and is not stored")]
    Malformed,
    /// An unsigned integer above 2^63 − 1.
    #[error("an unsigned integer above 9223372036854775807 is not stored")]
    Unsigned,
    /// A text with more than [`TEXT_BYTES_MAX`] bytes.
    #[error("a text above {TEXT_BYTES_MAX} bytes is not stored")]
    LongText,
    /// A ByteString, a nested DataValue or a DiagnosticInfo.
    #[error("a value of this OPC UA type is not stored")]
    Type,
}

/// The sample a data value states. `arrival` stands in where it states no time.
///
/// # Errors
/// Why the value is not stored.
pub fn reading(data: &DataValue, arrival: Timestamp, quantum_ns: i64) -> Result<Reading, Refusal> {
    let ts = data.source_timestamp.as_ref().and_then(moment).or_else(|| server_time(data));
    Ok(Reading {
        ts: ts.unwrap_or(arrival).quantised(quantum_ns),
        value: data.value.as_ref().map_or(Ok(Value::Null), value)?,
        quality: Quality(data.status.map_or(0, |status| status.bits())),
    })
}

/// When the server last confirmed the value, where it says so.
#[must_use]
pub fn server_time(data: &DataValue) -> Option<Timestamp> {
    data.server_timestamp.as_ref().and_then(moment)
}

/// The moment a time on the wire states; `None` where it means that none is stated.
#[must_use]
pub fn moment(time: &DateTime) -> Option<Timestamp> {
    let extreme = time.is_null() || time.ticks() >= DateTime::endtimes_ticks();
    if extreme {
        return None;
    }
    time.as_chrono().timestamp_nanos_opt().map(Timestamp::from_nanos)
}

fn value(variant: &Variant) -> Result<Value, Refusal> {
    Ok(match variant {
        Variant::Empty => Value::Null,
        Variant::Boolean(fact) => Value::Bool(*fact),
        Variant::SByte(number) => Value::Int(i64::from(*number)),
        Variant::Byte(number) => Value::Int(i64::from(*number)),
        Variant::Int16(number) => Value::Int(i64::from(*number)),
        Variant::UInt16(number) => Value::Int(i64::from(*number)),
        Variant::Int32(number) => Value::Int(i64::from(*number)),
        Variant::UInt32(number) => Value::Int(i64::from(*number)),
        Variant::Int64(number) => Value::Int(*number),
        Variant::UInt64(number) => Value::Int(i64::try_from(*number).or(Err(Refusal::Unsigned))?),
        Variant::StatusCode(status) => Value::Int(i64::from(status.bits())),
        Variant::Float(number) => Value::Float(f64::from(*number)),
        Variant::Double(number) => Value::Float(*number),
        Variant::String(text) => ua_text(text)?,
        Variant::LocalizedText(text) => ua_text(&text.text)?,
        Variant::QualifiedName(name) => ua_text(&name.name)?,
        Variant::XmlElement(text) => text_of(text.to_string())?,
        Variant::DateTime(time) => {
            text_of(time.as_chrono().to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))?
        }
        Variant::Guid(guid) => text_of(guid.to_string())?,
        Variant::NodeId(node) => text_of(node.to_string())?,
        Variant::ExpandedNodeId(node) => text_of(node.to_string())?,
        // A variant holds a variant only inside an array (Part 6, 5.2.2.16).
        Variant::Array(_) | Variant::Variant(_) => return Err(Refusal::Array),
        Variant::ExtensionObject(object) if object.is_null() => Value::Null,
        Variant::ExtensionObject(_) => return Err(Refusal::Structure),
        Variant::ByteString(_) | Variant::DataValue(_) | Variant::DiagnosticInfo(_) => {
            return Err(Refusal::Type);
        }
    })
}

fn ua_text(text: &UAString) -> Result<Value, Refusal> {
    text.value().as_ref().map_or(Ok(Value::Null), |text| text_of(text.clone()))
}

fn text_of(text: String) -> Result<Value, Refusal> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Refusal::LongText);
    }
    Ok(Value::Text(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{
        Argument, ByteString, ExtensionObject, LocalizedText, QualifiedName, StatusCode,
    };

    const ARRIVAL: Timestamp = Timestamp::from_nanos(1_700_000_000_000_000_000);

    fn of(variant: impl Into<Variant>) -> Result<Value, Refusal> {
        reading(&DataValue::value_only(variant), ARRIVAL, 1).map(|reading| reading.value)
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    #[test]
    fn every_scalar_keeps_its_exact_value() {
        let noon = DateTime::ymd_hms_nano(2026, 3, 1, 12, 0, 0, 123_456_700);
        for (variant, want) in [
            (Variant::Empty, Value::Null),
            (Variant::from(true), Value::Bool(true)),
            (Variant::from(-128_i8), Value::Int(-128)),
            (Variant::from(255_u8), Value::Int(255)),
            (Variant::from(i16::MIN), Value::Int(-32_768)),
            (Variant::from(u16::MAX), Value::Int(65_535)),
            (Variant::from(i32::MIN), Value::Int(-2_147_483_648)),
            (Variant::from(u32::MAX), Value::Int(4_294_967_295)),
            (Variant::from(i64::MIN), Value::Int(i64::MIN)),
            (Variant::from(9_223_372_036_854_775_807_u64), Value::Int(i64::MAX)),
            (Variant::from(0.1_f32), Value::Float(0.100_000_001_490_116_12)),
            (Variant::from(-0.0_f64), Value::Float(-0.0)),
            (Variant::from(f64::INFINITY), Value::Float(f64::INFINITY)),
            (Variant::from("Grüße"), text("Grüße")),
            (Variant::from(UAString::null()), Value::Null),
            (Variant::from(LocalizedText::new("de", "läuft")), text("läuft")),
            (Variant::from(QualifiedName::new(2, "Name")), text("Name")),
            (Variant::from(StatusCode::BadShutdown), Value::Int(0x800C_0000)),
            (Variant::from(noon), text("2026-03-01T12:00:00.123456700Z")),
        ] {
            assert_eq!(of(variant.clone()), Ok(want), "{variant:?}");
        }
    }

    #[test]
    fn what_cannot_be_kept_is_refused_with_its_reason() {
        let structure = Variant::from(ExtensionObject::from_message(Argument::default()));
        for (variant, why) in [
            (Variant::from(vec![1.0_f64, 2.0]), Refusal::Array),
            (structure, Refusal::Structure),
            (Variant::from(9_223_372_036_854_775_808_u64), Refusal::Unsigned),
            (Variant::from("x".repeat(TEXT_BYTES_MAX + 1)), Refusal::LongText),
            (Variant::from(ByteString::from(&[1_u8, 2])), Refusal::Type),
        ] {
            assert_eq!(of(variant), Err(why));
        }
    }

    #[test]
    fn a_status_code_keeps_its_info_bits() {
        let mut data = DataValue::value_only(1.5);
        data.status = Some(StatusCode::from(0x4096_0480));
        let reading = reading(&data, ARRIVAL, 1).unwrap();
        assert_eq!(reading.quality, Quality(0x4096_0480));
        assert_eq!(reading.value, Value::Float(1.5));
    }

    #[test]
    fn the_time_is_the_sources_then_the_servers_then_that_of_arrival() {
        let source = DateTime::ymd_hms_nano(2026, 3, 1, 12, 0, 0, 123_456_700);
        let server = DateTime::ymd_hms(2026, 3, 1, 12, 0, 1);
        let min = DateTime::null();
        let max = DateTime::endtimes();
        let year_1650 = DateTime::ymd(1650, 1, 1);
        let year_2300 = DateTime::ymd(2300, 1, 1);
        let at = |time: &DateTime| time.as_chrono().timestamp_nanos_opt().unwrap();
        for (source_time, server_time, want) in [
            (Some(source), Some(server), at(&source) - 456_700),
            (None, Some(server), at(&server)),
            (Some(min), Some(server), at(&server)),
            (Some(max), Some(server), at(&server)),
            (Some(year_1650), Some(server), at(&server)),
            (Some(year_2300), None, ARRIVAL.nanos()),
            (None, None, ARRIVAL.nanos()),
            (Some(min), Some(max), ARRIVAL.nanos()),
        ] {
            let mut data = DataValue::value_only(1.0);
            data.source_timestamp = source_time;
            data.server_timestamp = server_time;
            let reading = reading(&data, ARRIVAL, 1_000_000).unwrap();
            assert_eq!(reading.ts.nanos(), want, "{source_time:?} {server_time:?}");
        }
    }
}
