//! The servers that are measured: what there are, where they are, and how they are started.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::client;
use crate::orders::{self, Order, Task};
use crate::process::{self, Process, find};

/// The core of what is measured.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of all else.
pub(crate) const OTHER_CORE: usize = 1;
pub(crate) const CORES: &[usize] = &[SERVER_CORE, OTHER_CORE];

/// How long a server may take to give its first answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A kind of server.
pub(crate) struct Server {
    /// What it is called in arguments.
    pub(crate) name: &'static str,
    /// What it is called in the table.
    title: &'static str,
    program: &'static str,
    /// The Debian package.
    pub(crate) package: &'static str,
    /// What makes it print its version.
    version: &'static str,
    /// Whether it can hold back inside addresses.
    filter: bool,
    /// Whether it serves TCP in the process that is measured.
    pub(crate) tcp: bool,
    order: fn(&Order<'_>) -> Command,
}

/// One that filters and serves TCP.
const fn server(
    name: &'static str,
    title: &'static str,
    [program, package, version]: [&'static str; 3],
    order: fn(&Order<'_>) -> Command,
) -> Server {
    Server { name, title, program, package, version, filter: true, tcp: true, order }
}

/// What is measured, the echo first.
pub(crate) const SERVERS: &[Server] = &[
    Server { tcp: false, ..server("echo", "bare UDP echo", ["", "", ""], orders::echo) },
    server("stubborn", "stubborn", ["", "", "--version"], orders::stubborn),
    server("unbound", "Unbound", ["unbound", "unbound", "-V"], orders::unbound),
    Server {
        filter: false,
        ..server("dnsdist", "dnsdist", ["dnsdist", "dnsdist", "--version"], orders::dnsdist)
    },
    // It answers TCP in a process of its own for each connection.
    Server {
        tcp: false,
        ..server("dnsmasq", "dnsmasq", ["dnsmasq", "dnsmasq-base", "--version"], orders::dnsmasq)
    },
    server("knot-resolver", "Knot Resolver", ["kresd", "knot-resolver", "--version"], orders::knot),
    Server {
        filter: false,
        ..server(
            "recursor",
            "PowerDNS Recursor",
            ["pdns_recursor", "pdns-recursor", "--version"],
            orders::recursor,
        )
    },
];

const NSD: Server = server("nsd", "NSD", ["nsd", "nsd", "-v"], orders::nsd);

/// A server and where it is on this machine.
pub(crate) struct Found {
    pub(crate) server: &'static Server,
    program: PathBuf,
}

impl Found {
    /// The server, if it is installed.
    pub(crate) fn of(server: &'static Server, stubborn: &Path) -> Option<Self> {
        let program = match server.name {
            "echo" => std::env::current_exe().ok(),
            "stubborn" => Some(stubborn.to_owned()),
            _ => find(server.program),
        };
        Some(Self { server, program: program? })
    }

    pub(crate) fn name(&self) -> &'static str {
        self.server.name
    }

    /// Its title in the table, with its version.
    pub(crate) fn title(&self) -> String {
        let Server { title, version, filter, .. } = self.server;
        let version = (!version.is_empty()).then(|| process::version(&self.program, version)).flatten();
        let version = version.map(|version| format!(" {version}")).unwrap_or_default();
        format!("{title}{version}{}", if *filter { "" } else { " (no filter)" })
    }

    /// Starts it, and waits until it answers.
    pub(crate) fn start(&self, task: &Task) -> Running {
        let running = self.spawn(task, SERVER_CORE);
        running.answered();
        running
    }

    /// Starts it.
    pub(crate) fn spawn(&self, task: &Task, core: usize) -> Running {
        let directory = TempDir::new().expect("a directory can be made");
        let address = free_address();
        let order = Order { program: &self.program, directory: directory.path(), address, task };
        let command = (self.server.order)(&order);
        let log = directory.path().join("log");
        let process = Process::start(command, core, &log);
        let process = process.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        Running { address, process, directory }
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    pub(crate) directory: TempDir,
}

impl Running {
    /// How long after its start it gave its first answer; waits for it.
    pub(crate) fn answered(&self) -> Duration {
        let spawned = self.process.spawned;
        match client::first_answer(self.address, spawned + PATIENCE) {
            Some(moment) => moment - spawned,
            None => panic!("no answer from {}:\n{}", self.address, self.process.said()),
        }
    }
}

/// The upstream, with its title.
pub(crate) fn start_nsd() -> Option<(Running, String)> {
    let found = Found { server: &NSD, program: find(NSD.program)? };
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let running = found.spawn(&Task { upstream: nobody, cache: 0, more: String::new() }, OTHER_CORE);
    running.answered();
    Some((running, found.title()))
}

/// Free for UDP and TCP just now.
fn free_address() -> SocketAddr {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let address = socket.local_addr().expect("it is bound");
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
