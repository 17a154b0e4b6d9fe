//! Times as the server wrote them.
//!
//! The client library moves every time that it reads by how far the server's clock is ahead, source
//! times excepted: it needs that to renew its channels in time where a clock is wrong by hours. Samples
//! keep the times of their server, and so do its events and the values that are times themselves.
//!
//! *Invariant.* What is put back is what was on the wire, to its 100 ns.

use chrono::TimeDelta;
use opcua::types::{DataValue, DateTime, Variant};

/// Puts the times of a data value back that were moved by so many nanoseconds.
pub fn put_back(data: &mut DataValue, moved_ns: i64) {
    if moved_ns == 0 {
        return;
    }
    if let Some(time) = &mut data.server_timestamp {
        *time = unmoved(time, moved_ns);
    }
    if let Some(value) = &mut data.value {
        put_value_back(value, moved_ns);
    }
}

/// Puts a value back that is a time, or holds some. Structures are put back as they are read.
pub fn put_value_back(value: &mut Variant, moved_ns: i64) {
    match value {
        Variant::DateTime(time) => **time = unmoved(time, moved_ns),
        Variant::Variant(inner) => put_value_back(inner, moved_ns),
        Variant::Array(array) => {
            array.values.iter_mut().for_each(|value| put_value_back(value, moved_ns));
        }
        Variant::DataValue(data) => put_back(data, moved_ns),
        _ => {}
    }
}

/// A time before it was moved.
#[must_use]
pub fn unmoved(time: &DateTime, moved_ns: i64) -> DateTime {
    *time + TimeDelta::nanoseconds(moved_ns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{
        BinaryDecodable, BinaryEncodable, ContextOwned, DecodingOptions, NamespaceMap,
    };

    /// As the library reads it, from a server whose clock is so far ahead.
    fn read(data: &DataValue, ahead_ns: i64) -> DataValue {
        let mut context =
            ContextOwned::new_default(NamespaceMap::new(), DecodingOptions::default());
        let mut bytes = Vec::new();
        data.encode(&mut bytes, &context.context()).unwrap();
        context.options_mut().client_offset = TimeDelta::nanoseconds(ahead_ns);
        DataValue::decode(&mut bytes.as_slice(), &context.context()).unwrap()
    }

    #[test]
    fn times_are_put_back_and_source_times_were_never_moved() {
        let noon = DateTime::ymd_hms_nano(2026, 3, 1, 12, 0, 0, 123_456_700);
        let never = DateTime::null();
        let hour_ns = 3_600_000_000_000;
        for ahead_ns in [0, 271_900, -4_870_300, 7 * hour_ns, -50 * 365 * 24 * hour_ns] {
            for value in [
                Variant::from(noon),
                Variant::from(never),
                Variant::from(vec![noon, never]),
                Variant::Variant(Box::new(Variant::from(noon))),
                Variant::from(1.5_f64),
            ] {
                let said = DataValue {
                    server_timestamp: Some(noon),
                    source_timestamp: Some(noon),
                    ..DataValue::value_only(value)
                };
                let mut data = read(&said, ahead_ns);
                assert_eq!(data.source_timestamp, Some(noon));
                put_back(&mut data, ahead_ns);
                assert_eq!(data, said, "{ahead_ns}");
            }
        }
    }
}
