//! The same task in the words of each server: one thread, a cache of one size, one upstream, its filter of inside
//! addresses on where it has one, no validation, no log.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Octets of cache where nothing else is said.
const CACHE: u64 = 16 << 20;
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

impl Task {
    pub(crate) fn usual(upstream: SocketAddr) -> Self {
        Self { upstream, cache: CACHE, more: String::new() }
    }
}

/// A server with what it is told.
pub(crate) struct Order<'a> {
    pub(crate) program: &'a Path,
    pub(crate) directory: &'a Path,
    pub(crate) address: SocketAddr,
    pub(crate) task: &'a Task,
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

pub(crate) fn nsd(order: &Order<'_>) -> Command {
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

pub(crate) fn echo(order: &Order<'_>) -> Command {
    let mut command = order.command();
    command.args(["--echo", &order.address.to_string()]);
    command
}

pub(crate) fn stubborn(order: &Order<'_>) -> Command {
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

pub(crate) fn unbound(order: &Order<'_>) -> Command {
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

pub(crate) fn dnsdist(order: &Order<'_>) -> Command {
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

pub(crate) fn dnsmasq(order: &Order<'_>) -> Command {
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

pub(crate) fn knot(order: &Order<'_>) -> Command {
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

pub(crate) fn recursor(order: &Order<'_>) -> Command {
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
