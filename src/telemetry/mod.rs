//! What is said about what happened.

mod settings;

pub use settings::{Format, Level, LogSettings};
