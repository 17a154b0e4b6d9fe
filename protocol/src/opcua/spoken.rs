//! A sample as an OPC UA `DataValue`: what the OPC UA server says of a tag.
//!
//! | model | OPC UA |
//! |---|---|
//! | float | Double |
//! | int | Int64 |
//! | bool | Boolean |
//! | state | String, its name; where it has none, its number as text |
//! | text | String |
//! | no value | Null |
//!
//! *Invariant.* What is said reads back as the same sample: the quality bit for bit, the time to
//! the 100 ns of the wire.

use opcua::types::{DataValue, DateTime, StatusCode, Variant};
use tacitus_model::{Quality, Timestamp, Value};

/// 100 ns ticks between 1601, where the wire's time begins, and 1970.
const TICKS_TO_1970: i64 = 116_444_736_000_000_000;

/// A value; `states` are the names of a tag's states.
#[must_use]
pub fn variant(value: &Value, states: &[String]) -> Variant {
    match value {
        Value::Null => Variant::Empty,
        Value::Float(number) => Variant::Double(*number),
        Value::Int(number) => Variant::Int64(*number),
        Value::Bool(fact) => Variant::Boolean(*fact),
        Value::State(index) => {
            let name = usize::try_from(*index).ok().and_then(|index| states.get(index));
            Variant::from(name.cloned().unwrap_or_else(|| index.to_string()))
        }
        Value::Text(text) => Variant::from(text.to_string()),
    }
}

/// A moment on the wire.
#[must_use]
pub fn date_time(ts: Timestamp) -> DateTime {
    DateTime::from(ts.nanos().div_euclid(100).saturating_add(TICKS_TO_1970))
}

/// A sample.
#[must_use]
pub fn spoken(ts: Timestamp, value: &Value, quality: Quality, states: &[String]) -> DataValue {
    let time = date_time(ts);
    DataValue {
        value: Some(variant(value, states)),
        status: Some(StatusCode::from(quality.0)),
        source_timestamp: Some(time),
        source_picoseconds: None,
        server_timestamp: Some(time),
        server_picoseconds: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::reading;
    use super::*;

    #[test]
    fn what_is_said_reads_back() {
        let states = ["off".to_owned(), "on".to_owned()];
        let ts = Timestamp::from_nanos(1_770_000_000_123_456_700);
        for (value, want) in [
            (Value::Float(0.1), Value::Float(0.1)),
            (Value::Int(i64::MIN), Value::Int(i64::MIN)),
            (Value::Bool(true), Value::Bool(true)),
            (Value::State(1), Value::Text("on".into())),
            (Value::State(9), Value::Text("9".into())),
            (Value::Text("Grüße".into()), Value::Text("Grüße".into())),
            (Value::Null, Value::Null),
        ] {
            let data = spoken(ts, &value, Quality(0x4096_0480), &states);
            let back = reading(&data, Timestamp::from_nanos(0), 1).unwrap();
            assert_eq!((back.ts, back.value, back.quality), (ts, want, Quality(0x4096_0480)));
        }
    }

    #[test]
    fn a_moment_before_1970_is_cut_down_like_any_other() {
        for (nanos, ticks) in [(0, TICKS_TO_1970), (-1, TICKS_TO_1970 - 1), (99, TICKS_TO_1970)] {
            assert_eq!(date_time(Timestamp::from_nanos(nanos)).ticks(), ticks);
        }
    }
}
