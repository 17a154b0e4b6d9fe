//! What happened in a simulation: a number that stands for all of it, and the last lines in words.
//!
//! *Invariant.* Two runs have the same number only if every act, every answer of the store and
//! every change of the disk was the same (FNV-1a, 64 bits: as good as sure).

use std::collections::VecDeque;

/// Lines that a failure shows.
const LINES: usize = 60;

/// What happened so far.
#[derive(Debug)]
pub(super) struct Trace {
    hash: u64,
    lines: VecDeque<String>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, lines: VecDeque::new() }
    }

    pub(super) fn note(&mut self, line: String) {
        self.mix(line.as_bytes());
        if self.lines.len() == LINES && std::env::var_os("TACITUS_SIM_LONG").is_none() {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub(super) fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn last_lines(&self) -> String {
        let lines: Vec<&str> = self.lines.iter().map(String::as_str).collect();
        lines.join("\n  ")
    }
}
