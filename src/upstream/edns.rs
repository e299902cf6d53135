//! Whether a server can be asked with EDNS. Most can. Some old routers and captive portals do not answer such a query, or
//! answer it with an error or NXDOMAIN: these are asked without EDNS.
//!
//! Only a reply with an OPT record proves that a server speaks EDNS. Every other finding expires: after a while, a client's
//! question is also sent with EDNS, in addition to the query that the client waits for.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::server::ServerState;
use crate::dns::{Rcode, UpstreamResponse};

/// The first wait before EDNS is tried again, in milliseconds; doubled each time.
const FIRST_RETRY: u64 = 60_000;
const LAST_RETRY: u64 = 30 * 60_000;
/// For this long after an answer without an OPT record, a server counts as one that ignores EDNS but answers correctly.
const IGNORES: u64 = 60_000;
/// The least time between two questions of our own that show whether a server still speaks EDNS.
const PROOF_PAUSE: u64 = 50;
/// Replies with an OPT record within this time are noted once.
const SPOKEN: u64 = 50;
/// How many replies in a row the reply without EDNS must contradict before a question of our own shows whether a server that
/// speaks EDNS is to be asked without it.
const CONTRADICTIONS: u32 = 3;

/// Nothing is known.
const UNKNOWN: u8 = 0;
/// A reply had an OPT record.
const SPEAKS: u8 = 1;
/// A query with EDNS was not answered: the server is asked without EDNS while a trial shows whether a datagram was lost.
const DOUBTED: u8 = 2;
/// The server is asked without EDNS, and the log says so.
const OFF: u8 = 3;

/// What is known about a server's EDNS. Times are milliseconds on the caller's monotonic clock.
#[derive(Debug, Default)]
pub(super) struct EdnsState {
    state: AtomicU8,
    /// How many replies the reply without EDNS contradicted, since the last reply with an OPT record.
    contradicted: AtomicU32,
    /// When a query with EDNS was last answered without an OPT record.
    ignored_at: AtomicU64,
    /// When a reply last had an OPT record.
    spoken_at: AtomicU64,
    /// When a question of our own last had to show that the server still speaks EDNS.
    proof_at: AtomicU64,
    /// When EDNS is tried again.
    retry_at: AtomicU64,
    /// How often it was switched off since the last OPT record.
    times_off: AtomicU32,
}

/// What is known once a server's reply without EDNS has contradicted its reply with EDNS.
#[derive(Debug, PartialEq, Eq)]
enum Contradicted {
    /// Nothing new.
    Nothing,
    /// A question of our own has to show it.
    Suspicion,
    /// The server does not support EDNS.
    Proof,
}

/// "I do not understand this": how servers reply to unknown features such as EDNS (RFC 6891 §7).
pub(super) fn is_puzzled(rcode: Rcode) -> bool {
    matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS)
}

impl EdnsState {
    /// Whether the server is asked without EDNS.
    pub(super) fn is_off(&self) -> bool {
        self.state.load(Relaxed) >= DOUBTED
    }

    /// Whether the server has shown that it speaks EDNS.
    pub(super) fn is_spoken(&self) -> bool {
        self.state.load(Relaxed) == SPEAKS
    }

    /// Notes a reply with an OPT record. Returns whether EDNS was off and the log said so.
    fn note_opt(&self, now: u64) -> bool {
        // Written rarely: all workers read it.
        if now.saturating_sub(self.spoken_at.load(Relaxed)) >= SPOKEN {
            self.spoken_at.store(now, Relaxed);
        }
        if self.contradicted.load(Relaxed) > 0 {
            self.contradicted.store(0, Relaxed);
        }
        if self.is_spoken() {
            return false;
        }
        self.times_off.store(0, Relaxed);
        self.state.swap(SPEAKS, Relaxed) == OFF
    }

    /// Whether a question of our own has to show that the server still speaks EDNS: it has been silent on a query with EDNS
    /// since `asked_at`. Its name alone proves nothing: whoever is authoritative for a name can make it fail.
    pub(super) fn needs_proof(&self, now: u64, asked_at: u64) -> bool {
        let last = self.proof_at.load(Relaxed);
        self.is_spoken()
            && self.spoken_at.load(Relaxed) <= asked_at
            && now.saturating_sub(last) >= PROOF_PAUSE
            && self.proof_at.compare_exchange(last, now, Relaxed, Relaxed).is_ok()
    }

    /// Forgets that the server speaks EDNS, if it has answered nothing with EDNS since `asked_at`, neither the question of then
    /// nor ours: it may be another server now.
    pub(super) fn forget(&self, asked_at: u64) {
        if self.spoken_at.load(Relaxed) <= asked_at {
            let _ = self.state.compare_exchange(SPEAKS, UNKNOWN, Relaxed, Relaxed);
        }
    }

    /// Notes that the server did not answer with EDNS, but did without. Returns whether the caller has to find out why.
    pub(super) fn doubt(&self) -> bool {
        self.state.compare_exchange(UNKNOWN, DOUBTED, Relaxed, Relaxed).is_ok()
    }

    /// Notes that the server answered without EDNS a question that it did not answer, or denied, with EDNS.
    fn contradict(&self) -> Contradicted {
        let count = self.contradicted.fetch_add(1, Relaxed).wrapping_add(1);
        match self.is_spoken() {
            false => Contradicted::Proof,
            // Whoever is authoritative for the names may have failed at first and answered then.
            true if count.is_multiple_of(CONTRADICTIONS) => Contradicted::Suspicion,
            true => Contradicted::Nothing,
        }
    }

    /// Whether the server would be asked without EDNS, if a question of our own fails with EDNS too.
    fn is_contradicted(&self) -> bool {
        self.contradicted.load(Relaxed) >= CONTRADICTIONS
    }

    fn switch_off(&self, now: u64) -> bool {
        let times = self.times_off.load(Relaxed);
        self.times_off.store(times.saturating_add(1), Relaxed);
        let wait = FIRST_RETRY.saturating_mul(1 << times.min(10)).min(LAST_RETRY);
        self.retry_at.store(now.saturating_add(wait), Relaxed);
        self.state.swap(OFF, Relaxed) != OFF
    }

    /// Takes the turn to try EDNS again; `false` if EDNS is not off, the trial is not due, or another task has the turn.
    pub(super) fn take_retry(&self, now: u64) -> bool {
        let due = self.retry_at.load(Relaxed);
        let next = now.saturating_add(LAST_RETRY);
        self.state.load(Relaxed) == OFF
            && due <= now
            && self.retry_at.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// Notes that EDNS could not be tried: there was no free socket.
    pub(super) fn was_not_tried(&self, now: u64) {
        let _ = self.state.compare_exchange(DOUBTED, UNKNOWN, Relaxed, Relaxed);
        self.retry_at.store(now.saturating_add(FIRST_RETRY), Relaxed);
    }

    fn switch_on(&self) -> bool {
        self.state.swap(UNKNOWN, Relaxed) == OFF
    }
}

impl ServerState {
    /// Whether a reply to a query with EDNS can be believed.
    ///
    /// NXDOMAIN, NODATA or an error without an OPT record may only mean that the server, or a middlebox, does not support
    /// EDNS: the question has to be asked without EDNS as well.
    pub(super) fn believes(&self, response: &UpstreamResponse, now: u64) -> bool {
        if is_puzzled(response.rcode()) {
            return false;
        }
        if response.has_edns() {
            if self.edns.note_opt(now) {
                self.say_edns_is_on();
            }
            return true;
        }
        let ignored_at = self.edns.ignored_at.load(Relaxed);
        let is_answer = response.rcode() == Rcode::NOERROR && !response.is_negative();
        if is_answer {
            // Written rarely: all workers read it.
            if ignored_at == 0 || now.saturating_sub(ignored_at) >= IGNORES / 4 {
                self.edns.ignored_at.store(now, Relaxed);
            }
            return true;
        }
        // A server that speaks EDNS does not ignore it.
        !self.edns.is_spoken() && ignored_at > 0 && now.saturating_sub(ignored_at) < IGNORES
    }

    /// Notes that the server answered without EDNS a question that it did not answer, or denied, with EDNS. Returns whether a
    /// question of our own has to show what that means.
    pub(super) fn contradicts_edns(&self, now: u64) -> bool {
        let found = self.edns.contradict();
        if found == Contradicted::Proof && self.edns.switch_off(now) {
            self.say_edns_is_off();
        }
        found == Contradicted::Suspicion
    }

    /// Notes the outcome of a trial with EDNS, while it is off or contradicted: whether there was a reply that can be believed.
    pub(super) fn edns_was_tried(&self, is_good: bool, now: u64) {
        if is_good {
            if self.edns.is_off() && self.edns.switch_on() {
                self.say_edns_is_on();
            }
        } else if (self.edns.is_off() || self.edns.is_contradicted()) && self.edns.switch_off(now) {
            self.say_edns_is_off();
        }
    }

    fn say_edns_is_off(&self) {
        tracing::warn!(server = %self.endpoint, "server answers only without EDNS: it is asked without EDNS, and EDNS is tried again from time to time");
    }

    fn say_edns_is_on(&self) {
        tracing::info!(server = %self.endpoint, "server answers with EDNS again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_silence_raises_a_doubt_and_only_a_failed_trial_switches_edns_off() {
        let edns = EdnsState::default();
        assert!(edns.doubt() && edns.is_off());
        assert!(!edns.doubt(), "it is being looked into");
        assert!(!edns.take_retry(u64::MAX), "it is being looked into");
        assert!(!edns.note_opt(1_000), "nothing was said of it");
        assert!(edns.is_spoken());
        assert!(!edns.doubt(), "a server that speaks EDNS has lost a datagram");
        edns.forget(999);
        assert!(edns.is_spoken(), "it has answered since");
        edns.forget(1_000);
        assert!(edns.doubt());
        assert!(edns.switch_off(0) && edns.is_off());
        assert!(edns.note_opt(2_000), "and the log says that it is on again");
    }

    #[test]
    fn a_server_that_has_shown_that_it_speaks_edns_is_not_doubted_for_one_odd_reply() {
        let edns = EdnsState::default();
        edns.note_opt(0);
        for _ in 0..10 {
            assert_eq!(
                [edns.contradict(), edns.contradict()],
                [Contradicted::Nothing, Contradicted::Nothing]
            );
            edns.note_opt(0);
        }
        let [one, two, three] = [edns.contradict(), edns.contradict(), edns.contradict()];
        assert_eq!(
            [one, two, three],
            [Contradicted::Nothing, Contradicted::Nothing, Contradicted::Suspicion]
        );
        assert!(edns.is_contradicted() && !edns.is_off());
        assert_eq!(EdnsState::default().contradict(), Contradicted::Proof);
    }

    #[test]
    fn a_silence_asks_for_one_proof_unless_the_server_has_spoken_edns_since() {
        let edns = EdnsState::default();
        assert!(!edns.needs_proof(900, 100), "nothing is known that could be shown");
        edns.note_opt(200);
        assert!(!edns.needs_proof(900, 100), "it has answered since");
        assert!(edns.needs_proof(1_100, 300));
        assert!(!edns.needs_proof(1_149, 349), "it has just been asked");
        assert!(edns.needs_proof(1_150, 350));
    }

    #[test]
    fn edns_is_tried_again_by_one_task_after_growing_waits() {
        let edns = EdnsState::default();
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            edns.switch_off(now);
            now += wait * 60_000;
            assert!(!edns.take_retry(now - 1), "{wait}");
            assert!(edns.take_retry(now), "{wait}");
            assert!(!edns.take_retry(now), "{wait}: taken");
        }
        edns.note_opt(0);
        edns.switch_off(now);
        assert!(edns.take_retry(now + 60_000));
    }
}
