//! A tag's definition, as it would be read from a damaged log or catalog.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tacitus_storage::fuzzing::definition(bytes));
