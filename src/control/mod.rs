//! The control socket: what an operator's commands say to a running daemon, and what it says back.
//!
//! ```text
//! client ──▶ socket ──▶ server ──▶ the daemon's own loop, which carries it out
//!                         │
//!                         └──▶ telemetry, for the recent blocks
//! ```
//!
//! It runs beside the daemon's loop and never on a worker: nothing a client does here can hold up a query.

mod client;
mod protocol;
mod report;
mod server;
mod settings;
mod socket;
#[cfg(test)]
mod tests;

pub use client::{ClientError, Conversation, ask, ask_at, is_given_to};
pub use protocol::{
    Block, CacheStatus, Command, ErrorParts, HomeDomain, LONGEST_REQUEST, Message, PolicyStatus, Probed,
    ReloadError, Reply, Request, Status, TopBlocked, UpstreamStatus, VERSION,
};
pub use server::{Call, Control, start};
pub use settings::{ControlSettings, DEFAULT_SOCKET, LONGEST_SOCKET, places};
pub use socket::{SocketError, is_answered};
