//! A daemon inside the process, on ports of its own: for the audit, which plays attacks at it through real sockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::build::Built;
use super::run::{RunError, system};
use super::workers::Workers;
use crate::listen::{Absent, Connections, Passed, Service, bind};
use crate::resolve::{Resolver, Snapshot};
use crate::telemetry::Telemetry;
use crate::upstream::Servers;

/// A running daemon that follows no files and no addresses. Stops when dropped.
pub struct Inside {
    address: SocketAddr,
    workers: Option<Workers>,
}

impl Inside {
    /// Starts it on a free port of 127.0.0.1, with what was built.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub fn start(built: &Built) -> Result<Self, RunError> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let bound = bind(&[address], Absent::Refuse, 1, Passed::default())
            .map_err(|error| RunError::Bind { place: String::new(), error })?;
        let snapshot = Snapshot::new(1, &built.ingredients, &Servers::default());
        let server = &built.config.server;
        let service = Service {
            resolver: Arc::new(Resolver::new(snapshot, &built.config.cache)),
            telemetry: Arc::new(Telemetry::default()),
            connections: Connections::new(server.tcp_connections, server.tcp_connections_per_client),
            tcp_idle_timeout: server.tcp_idle_timeout,
        };
        let Some(address) = bound.addresses.first().copied() else {
            return Err(system("no socket was bound")(std::io::ErrorKind::AddrNotAvailable.into()));
        };
        // Nobody asks how it is.
        let (workers, _) =
            Workers::start(bound.workers, &service).map_err(system("cannot start a worker"))?;
        Ok(Self { address, workers: Some(workers) })
    }

    /// Where it listens, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.take() {
            workers.stop();
        }
    }
}
