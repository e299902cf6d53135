//! Whether this machine is really protected: what leads past stubborn, or makes it less than it seems.
//!
//! ```text
//! observe    what is read of the machine, and whom it asks  -> Observed
//! browsers   DNS over HTTPS in profiles and policies
//! trial      names that lead inside, asked for as programs ask
//! trials     at all servers at once, where the daemon knows that these are not an attack
//! progress   a word to whoever waits
//! checks     a table of functions from what was observed to findings
//! practice   the checks that are about names that lead inside
//! problems   what each means, and what puts it right
//! ```
//!
//! A check is a function of values: it reads and asks nothing.

mod browsers;
mod checks;
mod observe;
mod practice;
mod problems;
mod progress;
#[cfg(test)]
mod tests;
mod trial;
mod trials;

use serde::Serialize;

pub use browsers::{Browser, browsers};
pub use checks::examine;
pub use observe::{Ask, Daemon, Facts, Observed, Wanted, observe};
pub use progress::Tell;
pub use trial::{Answerer, Seen, Trial, Who};

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It could not be found out, or depends on what cannot be seen.
    Unknown,
    /// It does not work: names are not found, or not always.
    Broken,
    /// There is a way past.
    Open,
}

/// Whether protection was seen to work: nothing is open, nothing is broken, and nothing is unknown.
pub fn is_protected(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.level == Level::Fine)
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check.
    pub check: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found.
    pub what: String,
    /// What that means; empty where it is fine.
    pub means: &'static str,
    /// What puts it right; empty where it is fine.
    pub fix: &'static str,
}
