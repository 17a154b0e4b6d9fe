//! The records of a log frame, as they would be read from a damaged log.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tacitus_storage::fuzzing::records(bytes));
