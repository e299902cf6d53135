//! Metrics for Prometheus, where they are asked for: a listener of its own, which must not become what this program is
//! there to prevent. A page whose name leads to it (rebinding) says that name in Host, and is refused; a page of another
//! site can send a request and not read the answer.

mod exposition;
mod families;
mod process;
mod request;
mod server;
mod settings;

use std::sync::Arc;

use crate::listen::Connections;
use crate::resolve::Resolver;
use crate::telemetry::Telemetry;

pub use server::start;
pub use settings::MetricsSettings;

/// What is measured.
#[derive(Clone)]
pub struct Sources {
    /// The cache, the policy, and the servers.
    pub resolver: Arc<Resolver>,
    /// What was counted.
    pub telemetry: Arc<Telemetry>,
    /// TCP connections of clients.
    pub connections: Arc<Connections>,
    /// What the cache may take, in octets.
    pub cache_size: u64,
}
