//! Waiting: whoever watches is told after two seconds what for, and Ctrl-C ends it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long nothing may be said until it is said what is waited for.
const SILENCE: Duration = Duration::from_secs(2);
/// After how long it is said again.
const REMINDER: Duration = Duration::from_secs(10);
/// How often signals are looked for.
const TICK: Duration = Duration::from_millis(20);

/// Why nothing came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// A signal came.
    Interrupted,
    /// It took too long.
    Late,
    /// Nobody is left who could answer.
    Gone,
}

/// Who is told, and which signals came.
pub(super) struct Patience<'a> {
    tell: &'a mut dyn FnMut(&str),
    /// When something was said last, and after how long a wait is mentioned.
    spoken: Instant,
    interval: Duration,
    signals: Option<Arc<AtomicU32>>,
    /// The signals that were acted upon.
    heeded: u32,
}

impl<'a> Patience<'a> {
    pub(super) fn new(tell: &'a mut dyn FnMut(&str)) -> Self {
        Self { tell, spoken: Instant::now(), interval: SILENCE, signals: None, heeded: 0 }
    }

    pub(super) fn tell(&mut self, line: &str) {
        (self.tell)(line);
        (self.spoken, self.interval) = (Instant::now(), SILENCE);
    }

    /// From now on Ctrl-C, SIGTERM or a terminal that goes away do not end the program half-way: they end what it waits for.
    pub(super) fn catch_signals(&mut self) -> io::Result<()> {
        if self.signals.is_some() {
            return Ok(());
        }
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        let (told, caught) = channel();
        thread::spawn(move || {
            let watched = watch();
            let _ = told.send(watched.as_ref().map(drop).map_err(|error| error.kind()));
            if let Ok((runtime, [mut interrupt, mut terminate, mut hangup])) = watched {
                runtime.block_on(async {
                    loop {
                        tokio::select! {
                            _ = interrupt.recv() => {}
                            _ = terminate.recv() => {}
                            _ = hangup.recv() => {}
                        }
                        counted.fetch_add(1, Relaxed);
                    }
                });
            }
        });
        caught.recv().map_err(io::Error::other)??;
        self.signals = Some(count);
        Ok(())
    }

    /// Whether a signal came since the last one was acted upon.
    pub(super) fn is_interrupted(&self) -> bool {
        self.signals.as_ref().is_some_and(|count| count.load(Relaxed) > self.heeded)
    }

    /// What is done from now on, only a further signal ends.
    pub(super) fn heed(&mut self) {
        self.heeded = self.signals.as_ref().map_or(0, |count| count.load(Relaxed));
    }

    /// Does `work` on a thread of its own, and waits for it.
    pub(super) fn wait<T: Send + 'static>(
        &mut self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Ended> {
        let (sender, receiver) = channel();
        // Whoever waited may be gone.
        thread::spawn(move || sender.send(work()).is_ok());
        self.receive(what, &receiver, None)
    }

    /// Waits for a message, not longer than `limit`.
    pub(super) fn receive<T>(
        &mut self,
        what: &str,
        receiver: &Receiver<T>,
        limit: Option<Duration>,
    ) -> Result<T, Ended> {
        let begun = Instant::now();
        loop {
            match receiver.recv_timeout(TICK) {
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Err(Ended::Gone),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.is_interrupted() {
                return Err(Ended::Interrupted);
            }
            if limit.is_some_and(|limit| begun.elapsed() >= limit) {
                return Err(Ended::Late);
            }
            if self.spoken.elapsed() >= self.interval {
                self.tell(&format!("waiting for {what} …"));
                self.interval = REMINDER;
            }
        }
    }
}

fn watch() -> io::Result<(tokio::runtime::Runtime, [Signal; 3])> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let signals = {
        let _inside = runtime.enter();
        [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
    };
    let [interrupt, terminate, hangup] = signals;
    Ok((runtime, [interrupt?, terminate?, hangup?]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_wait_is_announced_and_a_short_one_is_not() {
        let mut told = Vec::new();
        let mut tell = |line: &str| told.push(line.to_owned());
        let mut patience = Patience::new(&mut tell);
        assert_eq!(patience.wait("nothing", || 7), Ok(7));
        let (_sender, silent) = channel::<()>();
        let limit = SILENCE + Duration::from_millis(100);
        assert_eq!(patience.receive("the end of it", &silent, Some(limit)), Err(Ended::Late));
        assert_eq!(told, ["waiting for the end of it …"]);
    }
}
