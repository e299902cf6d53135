//! The way to the upstream servers and back. Knows nothing of policies, and its replies cannot be sent to a client.

mod dialogue;
mod early;
mod edns;
mod error;
mod exchange;
mod interface;
mod loops;
mod probe;
mod reply;
mod server;
mod settings;
mod system;
mod tcp;
mod udp;

pub use error::ExchangeError;
pub use exchange::{Ask, Exchanger};
pub use interface::InterfaceError;
pub use loops::{LoopState, is_inside, read_mark};
pub use server::{ServerCounts, ServerGroup, ServerState, ServerTotals, Servers};
pub use settings::{Endpoint, Server, UpstreamSettings};
pub use system::{
    Found, Here, SYSTEM_FILES, Skip, SystemError, SystemServers, in_container, loops, may_be_docker,
    system_files, system_servers,
};
