//! The daemon's workers on threads of the test's own process, for what only shows from within.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use stubborn::daemon::{Environment, Source};
use stubborn::listen::{Absent, Connections, Drained, Passed, Pulses, Service, bind, work};
use stubborn::resolve::{Resolver, Snapshot};
use stubborn::telemetry::Telemetry;
use stubborn::upstream::{Endpoint, Server, Servers};
use tokio_util::sync::CancellationToken;

use super::daemon::TempConfig;

/// What a worker does, to be called on its thread.
pub type Job = Box<dyn FnOnce() -> io::Result<Drained> + Send>;

/// Running workers; told to stop and waited for when dropped.
pub struct Workers {
    address: SocketAddr,
    stop: CancellationToken,
    threads: Vec<JoinHandle<io::Result<Drained>>>,
}

impl Workers {
    /// So many workers that ask `upstream`; `within` has to call the job it is given.
    pub fn start(
        count: usize,
        upstream: SocketAddr,
        config: &TempConfig,
        within: impl Fn(Job) -> io::Result<Drained> + Clone + Send + 'static,
    ) -> Self {
        let source = Source {
            config: Some(config.path()),
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            upstream: vec![Server::At(Endpoint::Do53(upstream))],
            ..Source::default()
        };
        let built = source.build(&Environment::default()).unwrap();
        let settings = built.config.server;
        let bound = bind(&settings.listen, Absent::Refuse, count, Passed::default()).unwrap();
        let snapshot = Snapshot::new(1, &built.ingredients, &Servers::default());
        let service = Service {
            resolver: Arc::new(Resolver::new(snapshot, &built.config.cache)),
            telemetry: Arc::new(Telemetry::default()),
            connections: Connections::new(settings.tcp_connections, settings.tcp_connections_per_client),
            tcp_idle_timeout: settings.tcp_idle_timeout,
        };
        let stop = CancellationToken::new();
        let threads = bound.workers.into_iter().map(|sockets| {
            let (service, stop, within) = (service.clone(), stop.clone(), within.clone());
            let pulse = Pulses::default().worker();
            thread::spawn(move || within(Box::new(move || work(sockets, &service, pulse, || (), &stop))))
        });
        Self { address: bound.addresses[0], threads: threads.collect(), stop }
    }

    /// Where they listen, over UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.stop.cancel();
        for worker in self.threads.drain(..) {
            let ended = worker.join();
            assert!(thread::panicking() || ended.is_ok_and(|ended| ended.is_ok()), "a worker failed");
        }
    }
}
