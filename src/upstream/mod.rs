//! The way to the upstream servers.

mod settings;

pub use settings::{Endpoint, Server, UpstreamSettings};
