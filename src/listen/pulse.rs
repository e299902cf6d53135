//! Whether every worker still turns: somebody asks all of them, and each answers from within the loop that serves its
//! clients. Nobody asks, no work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Notify, watch};

/// The side that asks.
#[derive(Debug)]
pub struct Pulses {
    question: watch::Sender<u64>,
    answers: Vec<Arc<AtomicU64>>,
    answered: Arc<Notify>,
}

/// A worker's side.
#[derive(Debug)]
pub struct Pulse {
    question: watch::Receiver<u64>,
    answer: Arc<AtomicU64>,
    answered: Arc<Notify>,
}

impl Default for Pulses {
    fn default() -> Self {
        Self { question: watch::Sender::new(0), answers: Vec::new(), answered: Arc::default() }
    }
}

impl Pulses {
    /// For one more worker.
    pub fn worker(&mut self) -> Pulse {
        let answer = Arc::<AtomicU64>::default();
        self.answers.push(Arc::clone(&answer));
        Pulse { question: self.question.subscribe(), answer, answered: Arc::clone(&self.answered) }
    }

    /// Asks every worker.
    pub fn ask(&self) {
        self.question.send_modify(|number| *number += 1);
    }

    /// Waits until every worker has answered what was asked last: for ever, where one is stuck or gone. Dropping the future
    /// loses nothing.
    pub async fn answered(&self) {
        while !self.are_answered() {
            self.answered.notified().await;
        }
    }

    fn are_answered(&self) -> bool {
        let number = *self.question.borrow();
        self.answers.iter().all(|answer| answer.load(Ordering::Acquire) == number)
    }
}

impl Pulse {
    /// Answers whenever it is asked; ends when nobody can ask any more.
    pub(super) async fn beat(mut self) {
        while self.question.changed().await.is_ok() {
            let number = *self.question.borrow_and_update();
            self.answer.store(number, Ordering::Release);
            self.answered.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};
    use std::task::Poll;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    /// A worker that is stuck until it is let go.
    fn worker(pulse: Pulse, go: Receiver<()>) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || {
            runtime().block_on(async {
                let _ = go.recv();
                pulse.beat().await;
            });
        })
    }

    #[test]
    fn a_worker_that_is_stuck_leaves_the_question_open_until_it_turns_again() {
        let mut pulses = Pulses::default();
        let ((go, at_once), (late, held)) = (channel(), channel());
        let workers = [worker(pulses.worker(), at_once), worker(pulses.worker(), held)];
        go.send(()).unwrap();
        runtime().block_on(async {
            pulses.ask();
            // The first has answered; the second has not.
            pulses.answered.notified().await;
            let mut answered = std::pin::pin!(pulses.answered());
            let first = std::future::poll_fn(|context| Poll::Ready(answered.as_mut().poll(context))).await;
            assert!(first.is_pending());
            late.send(()).unwrap();
            answered.await;
            pulses.ask();
            pulses.answered().await;
        });
        drop(pulses);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }

    #[test]
    fn a_worker_that_is_gone_never_answers() {
        let mut pulses = Pulses::default();
        drop(pulses.worker());
        assert!(pulses.are_answered());
        pulses.ask();
        assert!(!pulses.are_answered());
    }
}
