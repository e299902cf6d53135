//! What always holds, as functions that panic when it does not: run by `tests/properties.rs` over random structured
//! messages, by `tests/fuzz_seeds.rs` over the seeds, and by the targets of `tests/fuzz`.
//!
//! `message`, `ranges` and `scan` are a second, naive implementation and use nothing of this project's. Where the two
//! disagree one of them is wrong.

#![allow(dead_code, unreachable_pub, reason = "each user takes its own part of this")]

pub mod build;
pub mod config;
pub mod import;
pub mod message;
pub mod names;
pub mod nat64;
pub mod query;
pub mod ranges;
pub mod reply;
pub mod scan;

/// Input octets as a source of choices; zeros when it is used up.
pub struct Choices<'a>(pub &'a [u8]);

impl Choices<'_> {
    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first
            }
            None => 0,
        }
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    pub fn one_in(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }

    pub fn pick<T: Copy>(&mut self, table: &[T]) -> T {
        table[usize::from(self.byte()) % table.len()]
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
