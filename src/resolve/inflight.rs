//! Identical questions under way at once are asked once: whoever comes first asks for all who come behind, and by a duty that
//! ends however the asking ends, so that nobody waits for an answer that will not come.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::cache::Key;

/// Questions under way, of all workers together.
const MAX_QUESTIONS: usize = 10_000;
/// Clients that wait for one answer.
const MAX_WAITERS: usize = 1_000;

/// The questions under way with who waits for each.
pub(super) struct InFlight<T> {
    waiting: Mutex<Waiting<T>>,
}

type Waiting<T> = HashMap<Box<[u8]>, Queue<T>, foldhash::quality::RandomState>;

/// Who waits for a question that was asked by `route`.
struct Queue<T> {
    route: u64,
    senders: Vec<oneshot::Sender<T>>,
}

/// A place in a question's queue.
pub(super) enum Place<T> {
    /// Nobody asks yet: the caller is to ask for all who come behind.
    First,
    /// Somebody asks already.
    Behind(oneshot::Receiver<T>),
    /// Somebody asks already, other servers: the caller is to ask for itself.
    Alone,
    /// Too many questions, or too many who wait for this one.
    Full,
}

impl<T> Default for InFlight<T> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

impl<T: Clone> InFlight<T> {
    /// Joins those who ask `key` by `route`.
    pub(super) fn join(&self, key: &Key, route: u64) -> Place<T> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = waiting.get_mut(key.as_bytes()) {
            if queue.route != route {
                return Place::Alone;
            }
            if queue.senders.len() >= MAX_WAITERS {
                return Place::Full;
            }
            let (sender, receiver) = oneshot::channel();
            queue.senders.push(sender);
            return Place::Behind(receiver);
        }
        if waiting.len() >= MAX_QUESTIONS {
            return Place::Full;
        }
        waiting.insert(key.as_bytes().into(), Queue { route, senders: Vec::new() });
        Place::First
    }

    /// Gives the answer to all who wait.
    fn finish(&self, key: &Key, answer: Option<T>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = waiting.remove(key.as_bytes());
        drop(waiting);
        // Without an answer the senders are dropped, and every receiver learns that.
        let (Some(answer), Some(queue)) = (answer, queue) else { return };
        for sender in queue.senders {
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
    pub(super) fn new(questions: Arc<InFlight<T>>, key: Key) -> Self {
        Self { questions, key, answer: None }
    }

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

    fn key(rtype: RecordType) -> Key {
        Key::new(&Question::new(NameRef::ROOT, rtype), false, false)
    }

    #[test]
    fn everybody_behind_the_first_gets_its_answer() {
        let questions = Arc::<InFlight<u8>>::default();
        assert!(matches!(questions.join(&key(RecordType::A), 0), Place::First));
        let Place::Behind(mut second) = questions.join(&key(RecordType::A), 0) else { panic!("not behind") };
        assert!(matches!(questions.join(&key(RecordType::AAAA), 0), Place::First), "another question");
        assert!(matches!(questions.join(&key(RecordType::A), 1), Place::Alone), "other servers");
        Duty::new(Arc::clone(&questions), key(RecordType::A)).fulfil(&7);
        assert_eq!(second.try_recv(), Ok(7));
        assert!(matches!(questions.join(&key(RecordType::A), 0), Place::First));
    }

    #[test]
    fn a_duty_that_is_dropped_releases_all_who_wait() {
        let questions: Arc<InFlight<u8>> = Arc::default();
        assert!(matches!(questions.join(&key(RecordType::A), 0), Place::First));
        let Place::Behind(mut second) = questions.join(&key(RecordType::A), 0) else { panic!("not behind") };
        drop(Duty::new(Arc::clone(&questions), key(RecordType::A)));
        assert!(matches!(second.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
        assert!(matches!(questions.join(&key(RecordType::A), 0), Place::First));
    }
}
