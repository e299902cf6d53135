//! Sockets.

mod settings;

pub use settings::{ListenSettings, group};
