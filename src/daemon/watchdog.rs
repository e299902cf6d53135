//! The sign of life that a service manager waits for: given while every worker turns, and this loop with them.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::notify::watchdog_timeout;
use crate::listen::Pulses;

/// Asks the workers, twice as often as a sign of life is due.
#[derive(Debug)]
pub(super) struct Watchdog {
    pulses: Pulses,
    /// None where nobody waits for a sign.
    interval: Option<Duration>,
    due: Instant,
    asking: bool,
}

impl Watchdog {
    /// As the environment asks for it.
    pub(super) fn new(pulses: Pulses) -> Self {
        Self::every(watchdog_timeout().map(|timeout| timeout / 2), pulses)
    }

    fn every(interval: Option<Duration>, pulses: Pulses) -> Self {
        Self { pulses, interval, due: Instant::now(), asking: false }
    }

    /// Waits until a sign of life is due and every worker has given one. Dropping the future loses nothing.
    pub(super) async fn alive(&mut self) {
        let Some(interval) = self.interval else { return std::future::pending().await };
        if !self.asking {
            sleep_until(self.due).await;
            self.due = Instant::now() + interval;
            self.pulses.ask();
            self.asking = true;
        }
        self.pulses.answered().await;
        self.asking = false;
    }
}
