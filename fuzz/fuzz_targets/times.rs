//! A page of times, as it would be read from a damaged segment.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tacitus_storage::fuzzing::times(bytes));
