//! Whether this machine is really protected: what leads past stubborn, or makes it less than it seems.
//!
//! ```text
//! observe    what is read of the machine, and whom it asks  -> Observed
//! browsers   DNS over HTTPS in profiles and policies
//! trial      names that lead inside, asked for as programs ask
//! checks     a table of functions from what was observed to findings
//! problems   what each means, and what puts it right
//! ```
//!
//! A check is a function of values: it reads and asks nothing.

mod browsers;
mod checks;
mod observe;
mod problems;
#[cfg(test)]
mod tests;
mod trial;

use serde::Serialize;

pub use browsers::{Browser, browsers};
pub use checks::examine;
pub use observe::{Facts, Observed, Wanted, observe};
pub use trial::{Answerer, Trial, Who};

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// As it should be.
    Fine,
    /// It could not be found out, or depends on what cannot be seen.
    Unknown,
    /// There is a way past.
    Open,
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
