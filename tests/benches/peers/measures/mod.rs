//! What is measured. Each measurement goes through its servers one after the other, every one started anew.

mod crowd;
mod guard;
mod latency;
mod load;
pub(crate) mod memory;
mod start;

use std::net::SocketAddr;

use crate::args::Arguments;
use crate::figures::Figures;
use crate::orders::Task;
use crate::servers::{Found, Running};

/// A measurement.
pub(crate) struct Measure {
    /// Its name in arguments.
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Bench<'_>, &mut Figures),
}

/// All there are, in the order in which they are taken.
pub(crate) const MEASURES: &[Measure] = &[
    Measure { name: "hit", run: load::hit },
    Measure { name: "miss", run: load::miss },
    Measure { name: "tcp", run: load::tcp },
    Measure { name: "tcp-once", run: load::tcp_once },
    Measure { name: "guard", run: guard::guard },
    Measure { name: "crowd", run: crowd::crowd },
    Measure { name: "reload", run: crowd::reload },
    Measure { name: "start", run: start::start },
    Measure { name: "half", run: latency::half },
    Measure { name: "flood", run: latency::flood },
    Measure { name: "memory", run: memory::memory },
    Measure { name: "million", run: memory::million },
    Measure { name: "size", run: memory::size },
];

/// What every measurement needs.
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) servers: &'a [Found],
    pub(crate) upstream: SocketAddr,
}

impl Bench<'_> {
    /// The usual task.
    fn task(&self) -> Task {
        Task::usual(self.upstream)
    }

    /// A task with further lines of configuration, which only stubborn can have.
    fn task_with(&self, more: &str) -> Task {
        Task { more: more.to_owned(), ..self.task() }
    }

    /// Servers that resolve.
    fn resolvers(&self) -> impl Iterator<Item = &Found> {
        self.servers.iter().filter(|found| found.name() != "echo")
    }

    fn stubborn(&self) -> Option<&Found> {
        self.servers.iter().find(|found| found.name() == "stubborn")
    }

    /// Starts it on the usual task.
    fn start(&self, found: &Found) -> Running {
        found.start(&self.task())
    }

    /// How long a load lasts.
    fn seconds(&self) -> u32 {
        self.arguments.seconds()
    }
}
