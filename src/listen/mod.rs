//! Sockets of clients: where queries come in and replies go out. Sends what `policy` made ([`Wire`](crate::policy::Wire)),
//! and has nothing else to send.

mod contain;
mod handler;
mod holder;
mod limits;
mod passed;
mod pulse;
mod settings;
mod sockets;
mod tcp;
mod udp;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use crate::resolve::Resolver;
use crate::telemetry::Telemetry;
use handler::Handler;

pub use holder::is_held_by_another;
pub use limits::Connections;
pub use passed::{Passed, PassedError};
pub use pulse::{Pulse, Pulses};
pub use settings::{ListenSettings, group};
pub use sockets::{Absent, BindError, Bound, WorkerSockets, bind, not_ours};

/// How long queries under way may take to end when the daemon stops.
const GRACE: Duration = Duration::from_secs(3);

/// What all workers share.
#[derive(Clone)]
pub struct Service {
    /// Resolves.
    pub resolver: Arc<Resolver>,
    /// Counts and reports.
    pub telemetry: Arc<Telemetry>,
    /// Counts TCP connections.
    pub connections: Arc<Connections>,
    /// How long a TCP connection may stay silent.
    pub tcp_idle_timeout: Duration,
}

/// What became of the queries that were under way when a worker was to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// How many ended in time.
    pub drained: usize,
    /// How many did not.
    pub abandoned: usize,
}

/// A worker: serves its sockets on this thread until `stop`, which it tells by `serves`, and answers its `pulse` from
/// there. Returns what became of the queries under way.
///
/// # Errors
/// When the thread's runtime cannot be set up.
pub fn work(
    sockets: WorkerSockets,
    service: &Service,
    pulse: Pulse,
    serves: impl FnOnce(),
    stop: &CancellationToken,
) -> io::Result<Drained> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    udp::pause_exactly();
    let local = LocalSet::new();
    local.block_on(&runtime, async {
        let handler = Handler::new(Arc::clone(&service.resolver), &service.telemetry);
        let mut serving = JoinSet::new();
        for socket in sockets.udp {
            serving.spawn_local(udp::serve(socket, Rc::clone(&handler)));
        }
        for listener in sockets.tcp {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let (handler, connections) = (Rc::clone(&handler), Arc::clone(&service.connections));
            let idle = service.tcp_idle_timeout;
            serving.spawn_local(async move {
                tcp::serve(listener, handler, connections, idle).await;
                Ok(())
            });
        }
        let beating = tokio::task::spawn_local(pulse.beat());
        serves();
        stop.cancelled().await;
        beating.abort();
        let waiting = handler.waiting();
        drop(serving);
        // What was read and not yet put to an upstream is dropped with the socket it came from.
        let dropped = waiting.saturating_sub(handler.waiting());
        let drained = drain(&handler).await;
        Ok(Drained { abandoned: drained.abandoned + dropped, ..drained })
    })
}

/// Lets queries under way end.
async fn drain(handler: &Handler) -> Drained {
    let under_way = handler.waiting();
    let drained = async {
        while handler.waiting() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Replies made just now leave by tasks that are awake already: they run before one that is spawned after them,
        // and what they wake in turn before the next.
        for _ in 0..4 {
            let _ = tokio::task::spawn_local(async {}).await;
        }
    };
    let _ = tokio::time::timeout(GRACE, drained).await;
    let abandoned = handler.waiting();
    Drained { drained: under_way.saturating_sub(abandoned), abandoned }
}
