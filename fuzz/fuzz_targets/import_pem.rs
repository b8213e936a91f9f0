//! Importing keys: any choice of fields, as texts or as DER in a container (`claviger_fuzz::input`). Whatever is accepted
//! can be published, signs and verifies, and is the same when it is imported again.
#![no_main]

use claviger_fuzz::import::import_soundly;
use claviger_fuzz::input::{Fields, mutate};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_target!(|data: &[u8]| {
    if let Some(fields) = Fields::read(data) {
        drop(import_soundly(&fields));
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate(data, size, max_size, seed, 3, true)
});
