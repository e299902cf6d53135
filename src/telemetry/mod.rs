//! What is said about what happened.

mod fold;
mod logging;
mod settings;

pub use fold::{Fold, FoldDecision, Folded};
pub use logging::{LogError, LogHandle, Logging};
pub use settings::{Format, Level, LogSettings};
