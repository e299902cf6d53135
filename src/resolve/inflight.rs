//! Identical questions under way at once are asked once: whoever comes first asks for all who come behind, and by a duty that
//! ends however the asking ends, so that nobody waits for an answer that will not come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::cache::Key;

/// Questions under way, of all workers together: as many as the clients of sixteen workers may have waiting. Those places are
/// shared out fairly; here who comes first is served.
const MAX_QUESTIONS: usize = 1 << 16;
/// Clients that wait for one answer.
const MAX_WAITERS: usize = 1_000;

/// The questions under way with who waits for each.
pub(super) struct InFlight<T> {
    waiting: Mutex<Waiting<T>>,
}

type Waiting<T> = HashMap<Box<[u8]>, Vec<oneshot::Sender<T>>, foldhash::quality::RandomState>;

/// A place in a question's queue.
#[expect(
    clippy::large_enum_variant,
    reason = "a question that nobody asks yet is the usual one, and pays for no box"
)]
pub(super) enum Place<T: Clone> {
    /// Nobody asks yet: it is the caller's duty to ask for all who come behind.
    First(Duty<T>),
    /// Somebody asks already.
    Behind(oneshot::Receiver<T>),
    /// Too many questions, or too many who wait for this one.
    Full,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<T: Clone> InFlight<T> {
    /// Joins those who ask `key`.
    pub(super) fn join(self: &Arc<Self>, key: &Key) -> Place<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = waiting.get_mut(key.as_bytes()) {
            if queue.len() >= MAX_WAITERS {
                return Place::Full;
            }
            let (sender, receiver) = oneshot::channel();
            queue.push(sender);
            return Place::Behind(receiver);
        }
        self.begin(&mut waiting, key).map_or(Place::Full, Place::First)
    }

    /// The duty to ask `key`, where nobody asks it; whoever gets none waits for nothing.
    pub(super) fn first(self: &Arc<Self>, key: &Key) -> Option<Duty<T>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.contains_key(key.as_bytes()) { None } else { self.begin(&mut waiting, key) }
    }

    fn begin(self: &Arc<Self>, waiting: &mut Waiting<T>, key: &Key) -> Option<Duty<T>> {
        if waiting.len() >= MAX_QUESTIONS {
            return None;
        }
        waiting.insert(key.as_bytes().into(), Vec::new());
        Some(Duty { questions: Arc::clone(self), key: *key, answer: None })
    }

    /// Gives the answer to all who wait.
    fn finish(&self, key: &Key, answer: Option<T>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = waiting.remove(key.as_bytes());
        drop(waiting);
        // Without an answer the senders are dropped, and every receiver learns that.
        let (Some(answer), Some(queue)) = (answer, queue) else { return };
        for sender in queue {
            let _ = sender.send(answer.clone());
        }
    }
}

/// The duty to finish a question: dropped without an answer, it releases those who wait.
pub(super) struct Duty<T: Clone> {
    questions: Arc<InFlight<T>>,
    key: Key,
    answer: Option<T>,
}

impl<T: Clone> Duty<T> {
    pub(super) fn fulfil(mut self, answer: &T) {
        self.answer = Some(answer.clone());
    }
}

impl<T: Clone> Drop for Duty<T> {
    fn drop(&mut self) {
        self.questions.finish(&self.key, self.answer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{NameRef, Question, RecordType};

    fn key(rtype: RecordType, route: u64) -> Key {
        Key::new(&Question::new(NameRef::ROOT, rtype), false, false, route)
    }

    #[test]
    fn everybody_behind_the_first_gets_its_answer() {
        let questions = Arc::<InFlight<u8>>::default();
        let Place::First(duty) = questions.join(&key(RecordType::A, 0)) else { panic!("not the first") };
        let Place::Behind(mut second) = questions.join(&key(RecordType::A, 0)) else { panic!("not behind") };
        assert!(matches!(questions.join(&key(RecordType::AAAA, 0)), Place::First(_)), "another question");
        assert!(matches!(questions.join(&key(RecordType::A, 1)), Place::First(_)), "other servers");
        duty.fulfil(&7);
        assert_eq!(second.try_recv(), Ok(7));
        assert!(matches!(questions.join(&key(RecordType::A, 0)), Place::First(_)));
    }

    #[test]
    fn who_waits_for_nothing_takes_no_place_in_a_queue() {
        let questions = Arc::<InFlight<u8>>::default();
        let _duty = questions.first(&key(RecordType::A, 0)).unwrap();
        for _ in 0..2 * MAX_WAITERS {
            assert!(questions.first(&key(RecordType::A, 0)).is_none());
        }
        assert!(matches!(questions.join(&key(RecordType::A, 0)), Place::Behind(_)));
    }

    #[test]
    fn a_duty_that_is_dropped_releases_all_who_wait() {
        let questions = Arc::<InFlight<u8>>::default();
        let first = questions.join(&key(RecordType::A, 0));
        let Place::Behind(mut second) = questions.join(&key(RecordType::A, 0)) else { panic!("not behind") };
        drop(first);
        assert!(matches!(second.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(questions.join(&key(RecordType::A, 0)), Place::First(_)));
    }
}
