//! Any bytes as what the broker remembered: read to the same again, or not read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tacitus_protocol::mqtt::record::{
    SessionRecord, WillRecord, decode_delivery, decode_subscription, encode_delivery,
    encode_subscription, read_delivery_key, read_open_key, read_session_key,
};

fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = SessionRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
    if let Some(record) = WillRecord::decode(bytes) {
        assert_eq!(WillRecord::decode(&record.encode()).as_ref(), Some(&record));
    }
    if let Some(subscription) = decode_subscription(bytes) {
        assert_eq!(decode_subscription(&encode_subscription(&subscription)), Some(subscription));
    }
    if let Some(delivery) = decode_delivery(bytes, 1) {
        assert_eq!(decode_delivery(&encode_delivery(&delivery), 1), Some(delivery));
    }
    read_session_key(bytes);
    read_delivery_key(bytes);
    read_open_key(bytes);
});
