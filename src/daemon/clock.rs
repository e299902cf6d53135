//! Tells of a system clock that was set back.

use std::time::Duration;

/// Less than this is what a machine's clock is put right by.
const MUCH: Duration = Duration::from_secs(60);

/// What was said of it.
#[derive(Debug, Default)]
pub(super) struct ClockWatch {
    told: bool,
}

impl ClockWatch {
    /// Says once that the clock is `behind`, and when it no longer is.
    pub(super) fn look(&mut self, behind: Duration) {
        let is_behind = behind >= MUCH;
        if is_behind == std::mem::replace(&mut self.told, is_behind) {
            return;
        }
        if is_behind {
            tracing::warn!(
                seconds = behind.as_secs(),
                "the system's clock went back: exceptions end as if it had not, and those that have ended stay so until a restart"
            );
        } else {
            tracing::info!("the system's clock is where it was again");
        }
    }
}
