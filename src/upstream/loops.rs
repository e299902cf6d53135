//! Whether a server leads back to this daemon. Then a question goes in a circle and fails with a timeout.
//!
//! A silent server is also asked for a random name that nobody else knows. If a client asks us for that name, the client is
//! that server, or a server behind it. The name is below `test`, which is not public (RFC 6761 §6.2), and is answered here.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::server::ServerState;
use crate::dns::{Name, NameRef, Question, RecordType};

/// The least time between two such questions, in milliseconds.
const PAUSE: u64 = 1_000;
const ZONE: [&[u8]; 2] = [b"stubborn-loop", b"test"];

/// Whether a server leads back here. Times are milliseconds on the caller's monotonic clock.
#[derive(Debug, Default)]
pub(super) struct LoopState {
    /// The number in the name that was last asked for; 0 if there was none.
    mark: AtomicU64,
    asked_at: AtomicU64,
    found: AtomicBool,
}

/// The number in a name that only this daemon asks for, if `name` is such a name.
pub fn read_mark(name: NameRef<'_>) -> Option<u64> {
    let mut labels = name.labels();
    let number = labels.next().filter(|label| label.len() == 16)?;
    let is_ours = ZONE.iter().all(|own| labels.next().is_some_and(|label| label.eq_ignore_ascii_case(own)));
    let is_number = number.iter().all(u8::is_ascii_hexdigit) && is_ours && labels.next().is_none();
    let number = std::str::from_utf8(number).ok().filter(|_| is_number)?;
    u64::from_str_radix(number, 16).ok().filter(|mark| *mark != 0)
}

impl ServerState {
    /// The question that shows whether the server leads back here; `None` if that is known, or was asked a moment ago.
    pub(super) fn loop_question(&self, now: u64) -> Option<Question> {
        let state = &self.loops;
        let last = state.asked_at.load(Relaxed);
        let is_due = !state.found.load(Relaxed) && (last == 0 || now.saturating_sub(last) >= PAUSE);
        if !is_due || state.asked_at.compare_exchange(last, now, Relaxed, Relaxed).is_err() {
            return None;
        }
        let mark = rand::random::<u64>().max(1);
        state.mark.store(mark, Relaxed);
        let name = Name::from_text(&format!("{mark:016x}.stubborn-loop.test")).ok()?;
        Some(Question::new(name.as_ref(), RecordType::A))
    }

    /// Notes that a client asked for the name of `mark`. If this server was asked for it, the server leads back here.
    pub fn note_mark(&self, mark: u64) {
        if self.loops.mark.load(Relaxed) == mark && !self.loops.found.swap(true, Relaxed) {
            tracing::warn!(server = %self.endpoint, "the upstream leads back to this daemon, so questions go in a circle: write another server in [upstream], or let this one forward elsewhere");
        }
    }

    /// Whether its questions come back here.
    pub fn leads_back(&self) -> bool {
        self.loops.found.load(Relaxed)
    }

    /// Notes that the server answered: it no longer leads back here.
    pub(super) fn leads_elsewhere(&self) {
        if self.leads_back() {
            self.loops.found.store(false, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upstream::Endpoint;

    #[test]
    fn only_the_name_that_was_asked_for_last_shows_a_loop() {
        let server = ServerState::new(Endpoint::Do53(([127, 0, 0, 1], 53).into()));
        let question = server.loop_question(5).unwrap();
        assert!(server.loop_question(5 + PAUSE - 1).is_none(), "it was asked a moment ago");
        let mark = read_mark(question.with_case(&[0x55; 32]).name()).unwrap();
        server.note_mark(mark ^ 1);
        assert!(!server.leads_back());
        server.note_mark(mark);
        assert!(server.leads_back() && server.loop_question(u64::MAX).is_none());
        server.leads_elsewhere();
        assert!(!server.leads_back() && server.loop_question(u64::MAX).is_some());
        server.note_mark(mark);
        assert!(!server.leads_back(), "another was asked for since");
    }

    #[test]
    fn other_names_are_not_marks() {
        for name in [
            "0123456789abcdef.stubborn-loop.test.example",
            "x.0123456789abcdef.stubborn-loop.test",
            "0123456789abcdef.stubborn-loop",
            "0123456789abcde.stubborn-loop.test",
            "0123456789abcdeg.stubborn-loop.test",
            "0000000000000000.stubborn-loop.test",
            "+123456789abcdef.stubborn-loop.test",
            "test",
        ] {
            assert_eq!(read_mark(Name::from_text(name).unwrap().as_ref()), None, "{name}");
        }
    }
}
