//! Things done at once, and a word to whoever waits for them.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a person waits without a word.
const SILENCE: Duration = Duration::from_secs(2);

/// Tells a person what takes so long.
pub type Tell<'a> = dyn Fn(&str) + Sync + 'a;

/// Tells what is being done once the whole takes longer than two seconds.
pub(super) struct Progress<'a> {
    begun: Instant,
    tell: &'a Tell<'a>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(tell: &'a Tell<'a>) -> Self {
        Self { begun: Instant::now(), tell }
    }

    /// Does `work`, which is called `what`.
    pub(super) fn during<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        thread::scope(|scope| {
            let (end, ended) = channel::<()>();
            let left = SILENCE.saturating_sub(self.begun.elapsed());
            scope.spawn(move || {
                if ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                    (self.tell)(what);
                }
            });
            let done = work();
            drop(end);
            done
        })
    }
}

/// Does both at once.
pub(super) fn together<A, B: Send>(one: impl FnOnce() -> A, other: impl FnOnce() -> B + Send) -> (A, B) {
    thread::scope(|scope| {
        let other = scope.spawn(other);
        let one = one();
        match other.join() {
            Ok(other) => (one, other),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_person_is_told_only_of_what_takes_long() {
        let told = Mutex::new(Vec::new());
        let tell = |what: &str| told.lock().unwrap().push(what.to_owned());
        let mut progress = Progress::new(&tell);
        progress.during("short", || ());
        // As if it had begun long ago; the work lasts until the word is there.
        progress.begun = Instant::now().checked_sub(SILENCE).unwrap();
        progress.during("long", || {
            while told.lock().unwrap().is_empty() {
                thread::yield_now()
            }
        });
        assert_eq!(*told.lock().unwrap(), ["long"]);
    }
}
