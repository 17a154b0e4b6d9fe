//! The entries of an audit file, as they would be read from a damaged disk.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tacitus_storage::fuzzing::audit(bytes));
