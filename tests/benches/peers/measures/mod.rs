//! What is measured. Each measurement goes through its servers one after the other, every one started anew.

mod load;

use std::net::SocketAddr;

use crate::args::Arguments;
use crate::figures::Figures;
use crate::servers::{Found, Running, Task};

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
];

/// Octets of cache where nothing else is said.
const CACHE: u64 = 16 << 20;

/// What every measurement needs.
pub(crate) struct Bench<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) servers: &'a [Found],
    pub(crate) upstream: SocketAddr,
}

impl Bench<'_> {
    /// The usual task.
    fn task(&self) -> Task {
        Task { upstream: self.upstream, cache: CACHE, more: String::new() }
    }

    /// A task with further lines of configuration, which only stubborn can have.
    fn task_with(&self, more: &str) -> Task {
        Task { more: more.to_owned(), ..self.task() }
    }

    /// Servers that resolve.
    fn resolvers(&self) -> impl Iterator<Item = &Found> {
        self.servers.iter().filter(|found| found.name() != "echo")
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
