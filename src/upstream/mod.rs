//! The way to the upstream servers.

mod settings;
mod system;

pub use settings::{Endpoint, Server, UpstreamSettings};
pub use system::{
    Found, SYSTEM_FILES, Skip, SystemError, SystemServers, loops, system_files, system_servers,
};
