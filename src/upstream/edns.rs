//! Whether a server can be asked with EDNS. Most can. Some old routers and captive portals are silent to such a query, or
//! answer it with an error or NXDOMAIN: these are asked without.
//!
//! Only a reply with an OPT record proves that a server speaks EDNS. Nothing else is believed for long: after a while a
//! question of somebody is asked with EDNS as well, beside the one he waits for.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use super::server::ServerState;
use crate::dns::{Rcode, UpstreamResponse};

/// The first wait before EDNS is tried again, in milliseconds; doubled each time.
const FIRST_RETRY: u64 = 60_000;
const LAST_RETRY: u64 = 30 * 60_000;
/// For so long after an answer without an OPT record, a server is taken for one that ignores EDNS and does no harm.
const IGNORES: u64 = 60_000;
/// Replies in a row that are contradicted by the reply without EDNS, until that is no accident with a server that speaks it.
const CONTRADICTIONS: u32 = 3;

/// Nothing is known.
const UNKNOWN: u8 = 0;
/// A reply had an OPT record.
const SPEAKS: u8 = 1;
/// It is asked without EDNS, since a lost datagram would look the same; that is being found out.
const DOUBTED: u8 = 2;
/// It is asked without EDNS, and the log says so.
const OFF: u8 = 3;

/// What is known of a server's EDNS. Times are milliseconds on the caller's monotonic clock.
#[derive(Debug, Default)]
pub(super) struct EdnsState {
    state: AtomicU8,
    /// Replies that the one without EDNS contradicted, since the last with an OPT record.
    contradicted: AtomicU32,
    /// When a query with EDNS was last answered without an OPT record.
    ignored_at: AtomicU64,
    /// When EDNS is to be tried again.
    retry_at: AtomicU64,
    /// How often it was switched off since the last OPT record.
    times_off: AtomicU32,
}

/// "I do not understand this": the reply of servers to what they do not know, EDNS among it (RFC 6891 §7).
pub(super) fn is_puzzled(rcode: Rcode) -> bool {
    matches!(rcode, Rcode::FORMERR | Rcode::NOTIMP | Rcode::BADVERS)
}

impl EdnsState {
    /// It is asked without EDNS.
    pub(super) fn is_off(&self) -> bool {
        self.state.load(Relaxed) >= DOUBTED
    }

    /// It has shown that it speaks EDNS.
    pub(super) fn is_spoken(&self) -> bool {
        self.state.load(Relaxed) == SPEAKS
    }

    /// A reply had an OPT record. Says if EDNS had been off, and the log had said so.
    fn note_opt(&self) -> bool {
        if self.contradicted.load(Relaxed) > 0 {
            self.contradicted.store(0, Relaxed);
        }
        if self.is_spoken() {
            return false;
        }
        self.times_off.store(0, Relaxed);
        self.state.swap(SPEAKS, Relaxed) == OFF
    }

    /// Two queries with EDNS were left without an answer: it may be another server now.
    pub(super) fn forget(&self) {
        let _ = self.state.compare_exchange(SPEAKS, UNKNOWN, Relaxed, Relaxed);
    }

    /// It was silent to a query with EDNS, and answered the one without. Says if that is to be looked into.
    pub(super) fn doubt(&self) -> bool {
        self.state.compare_exchange(UNKNOWN, DOUBTED, Relaxed, Relaxed).is_ok()
    }

    /// It answered without EDNS what it had not answered, or had denied, with it. Says if EDNS is off from now on.
    fn contradict(&self, now: u64) -> bool {
        let count = self.contradicted.fetch_add(1, Relaxed) + 1;
        match self.state.load(Relaxed) {
            SPEAKS if count < CONTRADICTIONS => false,
            _ => self.switch_off(now),
        }
    }

    fn switch_off(&self, now: u64) -> bool {
        let times = self.times_off.load(Relaxed);
        self.times_off.store(times.saturating_add(1), Relaxed);
        let wait = FIRST_RETRY.saturating_mul(1 << times.min(10)).min(LAST_RETRY);
        self.retry_at.store(now.saturating_add(wait), Relaxed);
        self.state.swap(OFF, Relaxed) != OFF
    }

    /// Takes the turn to try EDNS again; `false` where it is not off, not due, or another has the turn.
    pub(super) fn take_retry(&self, now: u64) -> bool {
        let due = self.retry_at.load(Relaxed);
        let next = now.saturating_add(LAST_RETRY);
        self.state.load(Relaxed) == OFF
            && due <= now
            && self.retry_at.compare_exchange(due, next, Relaxed, Relaxed).is_ok()
    }

    /// It could not be tried, for want of a socket.
    pub(super) fn was_not_tried(&self, now: u64) {
        let _ = self.state.compare_exchange(DOUBTED, UNKNOWN, Relaxed, Relaxed);
        self.retry_at.store(now.saturating_add(FIRST_RETRY), Relaxed);
    }

    fn switch_on(&self) -> bool {
        self.state.swap(UNKNOWN, Relaxed) == OFF
    }
}

impl ServerState {
    /// A reply to a query with EDNS can be taken at its word.
    ///
    /// NXDOMAIN, no data or an error without an OPT record may be all that the server, or a box on the way, says to
    /// EDNS: it has to be asked without as well.
    pub(super) fn believes(&self, response: &UpstreamResponse, now: u64) -> bool {
        if is_puzzled(response.rcode()) {
            return false;
        }
        if response.has_edns() {
            if self.edns.note_opt() {
                self.say_edns_is_on();
            }
            return true;
        }
        let ignored_at = self.edns.ignored_at.load(Relaxed);
        let is_answer = response.rcode() == Rcode::NOERROR && !response.is_negative();
        if is_answer {
            // Written now and then only: all workers read it.
            if ignored_at == 0 || now.saturating_sub(ignored_at) >= IGNORES / 4 {
                self.edns.ignored_at.store(now, Relaxed);
            }
            return true;
        }
        // One that speaks EDNS does not ignore it.
        !self.edns.is_spoken() && ignored_at > 0 && now.saturating_sub(ignored_at) < IGNORES
    }

    /// It answered without EDNS what it had not answered, or had denied, with it.
    pub(super) fn contradicts_edns(&self, now: u64) {
        if self.edns.contradict(now) {
            self.say_edns_is_off();
        }
    }

    /// What came of asking it with EDNS while that is off: a reply that can be taken at its word, or not.
    pub(super) fn edns_was_tried(&self, is_good: bool, now: u64) {
        if is_good {
            if self.edns.is_off() && self.edns.switch_on() {
                self.say_edns_is_on();
            }
        } else if self.edns.is_off() && self.edns.switch_off(now) {
            self.say_edns_is_off();
        }
    }

    fn say_edns_is_off(&self) {
        tracing::warn!(server = %self.endpoint, "server answers only without EDNS: it is asked without, and with EDNS again now and then");
    }

    fn say_edns_is_on(&self) {
        tracing::info!(server = %self.endpoint, "server answers with EDNS again");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_silence_is_a_doubt_and_only_a_failed_trial_a_fact() {
        let edns = EdnsState::default();
        assert!(edns.doubt() && edns.is_off());
        assert!(!edns.doubt(), "it is being looked into");
        assert!(!edns.take_retry(u64::MAX), "it is being looked into");
        assert!(!edns.note_opt(), "nothing was said of it");
        assert!(edns.is_spoken());
        assert!(!edns.doubt(), "a server that speaks EDNS has lost a datagram");
        edns.forget();
        assert!(edns.doubt());
        assert!(edns.switch_off(0) && edns.is_off());
        assert!(edns.note_opt(), "and the log says that it is on again");
    }

    #[test]
    fn a_server_that_has_shown_that_it_speaks_edns_is_not_doubted_for_one_odd_reply() {
        let edns = EdnsState::default();
        edns.note_opt();
        for _ in 0..10 {
            assert!(!edns.contradict(0) && !edns.contradict(0));
            edns.note_opt();
        }
        assert_eq!([edns.contradict(0), edns.contradict(0), edns.contradict(0)], [false, false, true]);
        let unknown = EdnsState::default();
        assert!(unknown.contradict(0) && unknown.is_off());
    }

    #[test]
    fn it_is_tried_again_later_each_time_by_one() {
        let edns = EdnsState::default();
        let mut now = 0;
        for wait in [1, 2, 4, 8, 16, 30, 30] {
            edns.switch_off(now);
            now += wait * 60_000;
            assert!(!edns.take_retry(now - 1), "{wait}");
            assert!(edns.take_retry(now), "{wait}");
            assert!(!edns.take_retry(now), "{wait}: taken");
        }
        edns.note_opt();
        edns.switch_off(now);
        assert!(edns.take_retry(now + 60_000));
    }
}
