//! The servers that are measured, each with the same task: one thread, a cache of one size, one upstream, its filter of
//! inside addresses on where it has one, no validation, no log.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::client;
use crate::process::{Process, find};

/// The core of what is measured.
const SERVER_CORE: usize = 0;
/// The core of all else.
pub(crate) const OTHER_CORE: usize = 1;

/// How long a server may take to give its first answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a kept answer takes, about, where a cache is measured in answers.
const ANSWER: u64 = 320;

/// What is the same for every server.
#[derive(Debug, Clone)]
pub(crate) struct Task {
    /// Where NSD is.
    pub(crate) upstream: SocketAddr,
    /// The cache in octets.
    pub(crate) cache: u64,
    /// Further lines of the configuration; for stubborn only.
    pub(crate) more: String,
}

/// A server with what it is told.
struct Order<'a> {
    program: &'a Path,
    directory: &'a Path,
    address: SocketAddr,
    task: &'a Task,
}

impl Order<'_> {
    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.current_dir(self.directory);
        command
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    fn answers(&self) -> u64 {
        self.task.cache / ANSWER
    }
}

/// A kind of server.
pub(crate) struct Server {
    /// What it is called in tables and arguments.
    pub(crate) name: &'static str,
    program: &'static str,
    /// The Debian package.
    pub(crate) package: &'static str,
    /// Whether it serves TCP in the process that is measured.
    pub(crate) tcp: bool,
    order: fn(&Order<'_>) -> Command,
}

/// What is measured, the echo first.
pub(crate) const SERVERS: &[Server] = &[
    Server { name: "echo", program: "", package: "", tcp: false, order: echo },
    Server { name: "stubborn", program: "", package: "", tcp: true, order: stubborn },
    Server { name: "unbound", program: "unbound", package: "unbound", tcp: true, order: unbound },
    Server { name: "dnsdist", program: "dnsdist", package: "dnsdist", tcp: true, order: dnsdist },
    // It answers TCP in a process of its own for each connection.
    Server { name: "dnsmasq", program: "dnsmasq", package: "dnsmasq-base", tcp: false, order: dnsmasq },
    Server { name: "knot-resolver", program: "kresd", package: "knot-resolver", tcp: true, order: knot },
    Server {
        name: "recursor",
        program: "pdns_recursor",
        package: "pdns-recursor",
        tcp: true,
        order: recursor,
    },
];

const NSD: Server = Server { name: "nsd", program: "nsd", package: "nsd", tcp: true, order: nsd };

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
        let spawned = Instant::now();
        let process = Process::start(command, core, &log);
        let process = process.unwrap_or_else(|error| panic!("{}: {error}", self.program.display()));
        Running { address, process, spawned, directory }
    }
}

/// A running server.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    /// The moment before it was started.
    pub(crate) spawned: Instant,
    pub(crate) directory: TempDir,
}

impl Running {
    /// How long after its start it gave its first answer; waits for it.
    pub(crate) fn answered(&self) -> Duration {
        match client::first_answer(self.address, self.spawned + PATIENCE) {
            Some(moment) => moment - self.spawned,
            None => panic!("no answer from {}:\n{}", self.address, self.process.said()),
        }
    }
}

/// The upstream.
pub(crate) fn start_nsd() -> Option<Running> {
    let found = Found { server: &NSD, program: find(NSD.program)? };
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let running = found.spawn(&Task { upstream: nobody, cache: 0, more: String::new() }, OTHER_CORE);
    running.answered();
    Some(running)
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

fn nsd(order: &Order<'_>) -> Command {
    let zone = "$ORIGIN bench.example.\n$TTL 3600\n\
                @ SOA ns hostmaster 1 3600 1200 604800 60\n@ NS ns\nns A 192.0.9.1\n* A 192.0.9.2\n";
    order.file("bench.zone", zone);
    let directory = order.directory.display();
    let text = format!(
        "server:\n  ip-address: {}@{}\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{directory}\"\n  \
         pidfile: \"{directory}/pid\"\n  xfrdfile: \"{directory}/xfrd\"\n  zonelistfile: \"{directory}/zones\"\n  \
         database: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\n  minimal-responses: yes\n  verbosity: 0\n\
         remote-control:\n  control-enable: no\n\
         zone:\n  name: bench.example\n  zonefile: bench.zone\n",
        order.address.ip(),
        order.address.port(),
    );
    let mut command = order.command();
    command.arg("-d").arg("-c").arg(order.file("nsd.conf", &text));
    command
}

fn echo(order: &Order<'_>) -> Command {
    let mut command = order.command();
    command.args(["--echo", &order.address.to_string()]);
    command
}

fn stubborn(order: &Order<'_>) -> Command {
    let text = format!(
        "[server]\nworkers = 1\n[upstream]\nservers = [\"{}\"]\n[cache]\nsize = \"{}KiB\"\n[log]\nlevel = \"error\"\n{}",
        order.task.upstream,
        order.task.cache / 1024,
        order.task.more,
    );
    let mut command = order.command();
    command.arg("run").arg("--config").arg(order.file("stubborn.toml", &text));
    command.args(["--listen", &order.address.to_string()]);
    command
}

/// The ranges that Unbound's documentation proposes.
const PRIVATE: &[&str] = &[
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fd00::/8",
    "fe80::/10",
    "::1/128",
    "::ffff:0:0/96",
];

fn unbound(order: &Order<'_>) -> Command {
    let (address, upstream) = (order.address, order.task.upstream);
    let directory = order.directory.display();
    // Records take about twice what messages take.
    let messages = order.task.cache / 3;
    let mut text = format!(
        "server:\n  interface: {}@{}\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  \
         directory: \"{directory}\"\n  use-syslog: no\n  verbosity: 0\n  num-threads: 1\n  incoming-num-tcp: 256\n  \
         do-not-query-localhost: no\n  module-config: \"iterator\"\n  msg-cache-size: {messages}\n  \
         rrset-cache-size: {}\n",
        address.ip(),
        address.port(),
        order.task.cache - messages,
    );
    for network in PRIVATE {
        let _written = writeln!(text, "  private-address: {network}");
    }
    let _written = write!(
        text,
        "remote-control:\n  control-enable: no\nforward-zone:\n  name: \".\"\n  forward-addr: {}@{}\n",
        upstream.ip(),
        upstream.port()
    );
    let mut command = order.command();
    command.arg("-d").arg("-c").arg(order.file("unbound.conf", &text));
    command
}

fn dnsdist(order: &Order<'_>) -> Command {
    let text = format!(
        "setLocal('{}')\nsetACL('127.0.0.0/8')\nsetSecurityPollSuffix('')\nsetMaxTCPClientThreads(1)\n\
         newServer({{address = '{}'}}):setUp()\ngetPool(''):setCache(newPacketCache({}))\n",
        order.address,
        order.task.upstream,
        order.answers(),
    );
    let mut command = order.command();
    command.args(["--supervised", "--disable-syslog", "-C"]).arg(order.file("dnsdist.conf", &text));
    command
}

fn dnsmasq(order: &Order<'_>) -> Command {
    let (address, upstream) = (order.address, order.task.upstream);
    // 10,000 is the most it takes without a warning.
    let text = format!(
        "port={}\nlisten-address={}\nbind-interfaces\nno-resolv\nno-hosts\nuser=root\npid-file=\nserver={}#{}\n\
         stop-dns-rebind\ncache-size={}\ndns-forward-max=10000\n",
        address.port(),
        address.ip(),
        upstream.ip(),
        upstream.port(),
        order.answers().min(10_000),
    );
    let mut command = order.command();
    command.arg("--keep-in-foreground").arg("-C").arg(order.file("dnsmasq.conf", &text));
    command
}

fn knot(order: &Order<'_>) -> Command {
    let (address, upstream) = (order.address, order.task.upstream);
    let text = format!(
        "log_level('crit')\nnet.listen('{}', {}, {{ kind = 'dns' }})\ntrust_anchors.remove('.')\n\
         cache.open({}, 'lmdb://{}')\nmodules = {{ 'rebinding < iterate' }}\n\
         policy.add(policy.all(policy.FORWARD({{ '{}@{}' }})))\n",
        address.ip(),
        address.port(),
        order.task.cache,
        order.directory.join("cache").display(),
        upstream.ip(),
        upstream.port(),
    );
    let mut command = order.command();
    command.arg("--noninteractive").arg("-c").arg(order.file("kresd.conf", &text)).arg(order.directory);
    command
}

fn recursor(order: &Order<'_>) -> Command {
    let (address, upstream) = (order.address, order.task.upstream);
    let directory = order.directory.display();
    // What is kept of an answer is kept twice: as records and as a packet.
    let answers = order.answers() / 2;
    let text = format!(
        "local-address={}\nlocal-port={}\nforward-zones-recurse=.={upstream}\ndont-query=\ndnssec=off\nthreads=1\n\
         pdns-distributes-queries=no\nquiet=yes\nloglevel=0\nmax-cache-entries={answers}\n\
         max-packetcache-entries={answers}\nsocket-dir={directory}\nallow-from=127.0.0.0/8\ndaemon=no\nwrite-pid=no\n\
         security-poll-suffix=\ndisable-syslog=yes\n",
        address.ip(),
        address.port(),
    );
    order.file("recursor.conf", &text);
    let mut command = order.command();
    command.arg(format!("--config-dir={directory}"));
    command
}
