//! Since when the daemon runs, and what became of the attempts to change its policy.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Lines of a refused configuration that are kept.
const ERROR_LINES: usize = 20;

/// What became of reloads, and since when the daemon runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// When it started.
    pub started: Timestamp,
    /// For how long it has run.
    pub uptime: Duration,
    /// Since when the policy in use is in use.
    pub policy_since: Timestamp,
    /// For how long it has been.
    pub policy_age: Duration,
    /// Configurations that were taken.
    pub reloads: u64,
    /// Configurations that were refused.
    pub failed_reloads: u64,
    /// Why the last one was refused, where none was taken since.
    pub reload_error: Option<RefusedReload>,
}

/// A configuration that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedReload {
    /// When.
    pub at: Timestamp,
    /// Why, a line each, and not more than fit on a page.
    pub lines: Vec<String>,
}

/// Keeps the history.
#[derive(Debug)]
pub(super) struct Chronicle {
    started: (Instant, Timestamp),
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    policy: (Instant, Timestamp),
    reloads: u64,
    failed: u64,
    error: Option<RefusedReload>,
}

impl Default for Chronicle {
    fn default() -> Self {
        let now = (Instant::now(), Timestamp::now());
        Self { started: now, state: Mutex::new(State { policy: now, reloads: 0, failed: 0, error: None }) }
    }
}

impl Chronicle {
    /// Another policy is in use.
    pub(super) fn replaced(&self) {
        self.lock().policy = (Instant::now(), Timestamp::now());
    }

    /// A configuration was taken.
    pub(super) fn reloaded(&self) {
        let mut state = self.lock();
        state.reloads += 1;
        state.error = None;
    }

    /// A configuration was refused.
    pub(super) fn refused(&self, mut lines: Vec<String>) {
        let more = lines.len().saturating_sub(ERROR_LINES);
        lines.truncate(ERROR_LINES);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        let mut state = self.lock();
        state.failed += 1;
        state.error = Some(RefusedReload { at: Timestamp::now(), lines });
    }

    pub(super) fn history(&self) -> History {
        let state = self.lock();
        History {
            started: self.started.1,
            uptime: self.started.0.elapsed(),
            policy_since: state.policy.1,
            policy_age: state.policy.0.elapsed(),
            reloads: state.reloads,
            failed_reloads: state.failed,
            reload_error: state.error.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_until_a_configuration_is_taken() {
        let chronicle = Chronicle::default();
        chronicle.refused((0..100).map(|number| format!("error {number}")).collect());
        let history = chronicle.history();
        let lines = history.reload_error.unwrap().lines;
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (ERROR_LINES + 1, Some("and 80 more")));
        chronicle.reloaded();
        let history = chronicle.history();
        assert_eq!((history.reloads, history.failed_reloads, history.reload_error), (1, 1, None));
    }
}
