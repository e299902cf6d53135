//! The daemon as a child process: started on free ports, killed by its own id.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher};
use stubborn::audit::run::{self, Target, Transport};
use stubborn::audit::wire::{self, Query, code, flag};
use tempfile::TempDir;

use super::Reply;

/// How long anything may take before a test gives up. Nothing waits this long unless it fails.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A directory with a configuration file in it.
pub struct TempConfig {
    directory: TempDir,
}

impl TempConfig {
    pub fn new(text: &str) -> Self {
        let config = Self { directory: TempDir::new().unwrap() };
        config.write(text);
        config
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("stubborn.toml")
    }

    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the file as an editor does: beside it, then by rename.
    pub fn write(&self, text: &str) {
        let beside = self.directory.path().join(".stubborn.toml.new");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(beside, self.path()).unwrap();
    }
}

/// What the daemon wrote to its standard error so far.
#[derive(Default)]
struct Log {
    lines: Mutex<(Vec<String>, bool)>,
    grown: Condvar,
}

impl Log {
    fn text(&self) -> String {
        self.lines.lock().unwrap().0.join("\n")
    }
}

/// A running daemon.
pub struct TestDaemon {
    child: Child,
    config: TempConfig,
    target: Target,
    log: Arc<Log>,
}

impl TestDaemon {
    /// A daemon with this configuration that asks `upstream`.
    pub fn start(upstream: SocketAddr, config: &str) -> Self {
        Self::start_with(&[upstream], config)
    }

    /// A daemon that asks these, in this order of preference; with none, those of its configuration.
    pub fn start_with(upstreams: &[SocketAddr], config: &str) -> Self {
        let config = TempConfig::new(config);
        let path = config.path();
        Self::launch(upstreams, config, &path, Stdio::null())
    }

    /// A daemon that gets its configuration through a pipe.
    pub fn start_piped(upstream: SocketAddr, config: &str) -> Self {
        let empty = TempConfig::new("");
        let (from, mut to) = std::io::pipe().unwrap();
        to.write_all(config.as_bytes()).unwrap();
        drop(to);
        Self::launch(&[upstream], empty, Path::new("/dev/stdin"), from.into())
    }

    fn launch(upstreams: &[SocketAddr], config: TempConfig, path: &Path, input: Stdio) -> Self {
        let ready = config.directory().join("ready");
        let appears = watch(config.directory());
        let mut command = Command::new(env!("CARGO_BIN_EXE_stubborn"));
        command.arg("run").arg("--config").arg(path).args(["--listen", "127.0.0.1:0"]);
        for upstream in upstreams {
            command.arg("--upstream").arg(upstream.to_string());
        }
        command.arg("--ready-file").arg(&ready);
        command.arg("--socket").arg(config.directory().join("control.sock"));
        command.stdin(input).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the daemon starts");
        let log = read_log(&mut child);
        let target = wait_until_ready(&ready, &appears, &mut child, &log);
        Self { child, config, target, log }
    }

    pub fn target(&self) -> Target {
        self.target
    }

    pub fn udp(&self) -> SocketAddr {
        self.target.udp
    }

    pub fn tcp(&self) -> SocketAddr {
        self.target.tcp
    }

    /// Its control socket.
    pub fn control(&self) -> PathBuf {
        self.config.directory().join("control.sock")
    }

    pub fn config(&self) -> &TempConfig {
        &self.config
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    /// The first line from the `from`th on that holds all of `parts`, and its number; waits for it to be written.
    pub fn wait_for_line(&self, from: usize, parts: &[&str]) -> (usize, String) {
        let deadline = Instant::now() + DEADLINE;
        let mut lines = self.log.lines.lock().unwrap();
        loop {
            let found = lines.0.iter().enumerate().skip(from).find(|(_, line)| {
                let line = line.to_lowercase();
                parts.iter().all(|part| line.contains(&part.to_lowercase()))
            });
            if let Some((number, line)) = found {
                return (number, line.clone());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero() && !lines.1,
                "no line with {parts:?} in the log:\n{}",
                lines.0.join("\n")
            );
            lines = self.log.grown.wait_timeout(lines, left).unwrap().0;
        }
    }

    /// How many lines the log has.
    pub fn lines(&self) -> usize {
        self.log.lines.lock().unwrap().0.len()
    }

    /// Asks as most clients do: RD, EDNS with 1232 octets, over UDP and again over TCP where that was cut short.
    pub fn ask(&self, name: &str, qtype: u16) -> Reply {
        self.ask_as(name, qtype, Some((1232, false)), flag::RD, Transport::Udp)
    }

    /// Asks with another OPT record, flags or transport.
    pub fn ask_as(
        &self,
        name: &str,
        qtype: u16,
        edns: Option<(u16, bool)>,
        flags: u16,
        transport: Transport,
    ) -> Reply {
        let query =
            Query { id: rand::random(), qname: wire::name(name), qtype, qclass: code::IN, flags, edns };
        let exchange = run::ask(self.target, &query, transport)
            .unwrap_or_else(|error| panic!("{name} TYPE{qtype}: {error}; log:\n{}", self.log()));
        Reply::new(exchange.replies.last().unwrap().clone())
    }

    /// Sends octets in a datagram and returns the one that comes back.
    pub fn ask_raw(&self, query: &[u8]) -> Reply {
        let reply = run::ask_udp(self.target.udp, query, DEADLINE)
            .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.log()));
        Reply::new(reply)
    }

    /// The same on a stream of its own.
    pub fn ask_raw_tcp(&self, query: &[u8]) -> Reply {
        let reply = run::ask_tcp(self.target.tcp, query, DEADLINE)
            .unwrap_or_else(|error| panic!("{error}; log:\n{}", self.log()));
        Reply::new(reply)
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Sends a signal by kill(1) to this one process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _killed = self.child.kill();
        let _status = self.child.wait();
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log.text());
        }
    }
}

fn watch(directory: &Path) -> (Receiver<()>, notify::RecommendedWatcher) {
    let (changed, events) = channel();
    let mut watcher = notify::recommended_watcher(move |_| {
        // Nobody listens any more once the daemon is ready.
        let _told = changed.send(());
    })
    .unwrap();
    watcher.watch(directory, RecursiveMode::NonRecursive).unwrap();
    (events, watcher)
}

fn read_log(child: &mut Child) -> Arc<Log> {
    let log = Arc::new(Log::default());
    let stderr = child.stderr.take().unwrap();
    let writer = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            writer.lines.lock().unwrap().0.push(line);
            writer.grown.notify_all();
        }
        writer.lines.lock().unwrap().1 = true;
        writer.grown.notify_all();
    });
    log
}

/// Waits for the ready file, which appears whole: one line for each socket, as `udp 127.0.0.1:41234`.
fn wait_until_ready(
    ready: &Path,
    appears: &(Receiver<()>, notify::RecommendedWatcher),
    child: &mut Child,
    log: &Log,
) -> Target {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Ok(text) = std::fs::read_to_string(ready) {
            let socket = |kind: &str| -> SocketAddr {
                let line = text.lines().find_map(|line| line.strip_prefix(kind));
                line.unwrap_or_else(|| panic!("no {kind}in the ready file:\n{text}")).trim().parse().unwrap()
            };
            return Target { udp: socket("udp "), tcp: socket("tcp ") };
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("the daemon ended with {status} before it was ready; log:\n{}", log.text());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        // A dead child changes no file: look again from time to time.
        let next = left.min(Duration::from_millis(100));
        if left.is_zero() {
            let _killed = child.kill();
            panic!("the daemon was not ready in time; log:\n{}", log.text());
        }
        match appears.0.recv_timeout(next) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => panic!("the watch on the ready file ended"),
        }
    }
}
