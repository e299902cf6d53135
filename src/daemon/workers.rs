//! The threads that serve clients: started together, stopped together.

use std::io;
use std::sync::mpsc;
use std::thread::{Builder, JoinHandle};

use tokio_util::sync::CancellationToken;

use crate::listen::{Drained, Pulses, Service, WorkerSockets, work};

/// Running workers. They serve until they are stopped.
#[derive(Debug)]
pub(super) struct Workers {
    threads: Vec<JoinHandle<io::Result<Drained>>>,
    stop: CancellationToken,
}

impl Workers {
    /// Starts one for the sockets of each. Returns when all serve: until then the calling thread leaves them the core.
    pub(super) fn start(sockets: Vec<WorkerSockets>, service: &Service) -> io::Result<(Self, Pulses)> {
        let (mut workers, mut pulses) =
            (Self { threads: Vec::new(), stop: CancellationToken::new() }, Pulses::default());
        let (sender, serving) = mpsc::channel();
        for (number, sockets) in sockets.into_iter().enumerate() {
            let (service, pulse, sender) = (service.clone(), pulses.worker(), sender.clone());
            let stop = workers.stop.clone();
            let serves = move || {
                let _ = sender.send(());
            };
            let thread = Builder::new().name(format!("worker-{number}"));
            workers.threads.push(thread.spawn(move || work(sockets, &service, pulse, serves, &stop))?);
        }
        drop(sender);
        // It ends when all serve, or have ended.
        if serving.into_iter().count() == workers.count() {
            return Ok((workers, pulses));
        }
        workers.stop.cancel();
        let error = workers.threads.into_iter().find_map(|thread| thread.join().ok()?.err());
        Err(error.unwrap_or_else(|| io::Error::other("it panicked")))
    }

    /// How many there are, ended ones included.
    pub(super) fn count(&self) -> usize {
        self.threads.len()
    }

    /// How many have ended, which none does by itself.
    pub(super) fn ended(&self) -> usize {
        self.threads.iter().filter(|thread| thread.is_finished()).count()
    }

    /// Stops them; what did not go well is logged. Says what became of the queries under way.
    pub(super) fn stop(self) -> Drained {
        self.stop.cancel();
        let mut all = Drained::default();
        for thread in self.threads {
            match thread.join() {
                Ok(Ok(worker)) => {
                    all.drained += worker.drained;
                    all.abandoned += worker.abandoned;
                }
                Ok(Err(error)) => tracing::error!(%error, "a worker could not run"),
                Err(_) => tracing::error!(
                    "a worker panicked: this is a bug in stubborn; a report needs this line, those before it and the output of `stubborn --version`"
                ),
            }
        }
        all
    }
}
