//! Counters cheap enough to stay on: each is written by one thread with a plain store, and read by any.
//!
//! An atomic addition on a cache line that other cores write too costs as much as the rest of a cache hit. So each writer
//! has a block of counters of its own ([`Blocks::writer`]), on cache lines of its own, and whoever wants to know adds up
//! the blocks ([`Blocks::sum`]). What a sum misses is what happens while it is taken.

mod histogram;

pub use histogram::{BOUNDS, Histogram, HistogramTotal};

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A number that only grows. Only the thread that has the [`Writer`] of its block may add to it.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `number`; not for two threads at once, whose additions would be lost.
    #[inline]
    pub fn add(&self, number: u64) {
        self.0.store(self.get().wrapping_add(number), Ordering::Relaxed);
    }

    /// The number so far.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Two lines of 64 octets, since processors fetch them in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Aligned<B>(B);

/// The blocks of all writers. A block outlives its writer and goes to the next one, so that there are never more than
/// there were writers at a time, and no count is lost.
#[derive(Debug)]
pub struct Blocks<B> {
    all: Mutex<Vec<Arc<Aligned<B>>>>,
}

impl<B> Default for Blocks<B> {
    fn default() -> Self {
        Self { all: Mutex::default() }
    }
}

impl<B: Default> Blocks<B> {
    /// A block to write to. Kept for as long as there is something to count: this takes a lock.
    pub fn writer(&self) -> Writer<B> {
        let mut all = self.lock();
        let left = all.iter().find(|block| Arc::strong_count(block) == 1).map(Arc::clone);
        let block = left.unwrap_or_else(|| {
            let block = Arc::<Aligned<B>>::default();
            all.push(Arc::clone(&block));
            block
        });
        // What the writer before has stored is to be seen before anything is added to it: it gave up its reference after.
        fence(Ordering::Acquire);
        Writer { block, one_thread: PhantomData }
    }

    /// The sum over all blocks of what `read` takes of one.
    pub fn sum(&self, read: impl Fn(&B) -> u64) -> u64 {
        self.lock().iter().fold(0, |sum, block| sum.wrapping_add(read(&block.0)))
    }

    /// Shows each block.
    pub fn for_each(&self, mut read: impl FnMut(&B)) {
        self.lock().iter().for_each(|block| read(&block.0));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Aligned<B>>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A block with the one thread that may write to it: it can be sent to another thread, not shared with one.
#[derive(Debug)]
pub struct Writer<B> {
    block: Arc<Aligned<B>>,
    one_thread: PhantomData<Cell<()>>,
}

impl<B> Deref for Writer<B> {
    type Target = B;

    #[inline]
    fn deref(&self) -> &B {
        &self.block.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_writer_counted_is_in_the_sum() {
        let blocks: Blocks<Counter> = Blocks::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let writer = blocks.writer();
                scope.spawn(move || (0..10_000).for_each(|_| writer.add(1)));
            }
        });
        assert_eq!(blocks.sum(Counter::get), 40_000);
    }

    #[test]
    fn a_block_goes_from_one_writer_to_the_next_with_its_counts() {
        let blocks: Blocks<Counter> = Blocks::default();
        for _ in 0..100 {
            let (first, second) = (blocks.writer(), blocks.writer());
            first.add(1);
            second.add(1);
        }
        assert_eq!(blocks.lock().len(), 2);
        assert_eq!(blocks.sum(Counter::get), 200);
    }

    #[test]
    fn blocks_share_no_cache_line() {
        let blocks: Blocks<Counter> = Blocks::default();
        let (first, second) = (blocks.writer(), blocks.writer());
        let (first, second) = (&raw const *first as usize, &raw const *second as usize);
        assert!(first.abs_diff(second) >= 128);
    }
}
