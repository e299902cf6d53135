//! The daemon as a child process, started in any way: other arguments, another user, another namespace, or in vain.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tempfile::TempDir;

use super::DEADLINE;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_stubborn");

/// How the daemon is to be started.
pub struct Start {
    words: Vec<OsString>,
    arguments: Vec<OsString>,
    /// None where the command has no such argument.
    socket: Option<OsString>,
    /// What it has as standard input and output, if not nothing.
    passed: Option<(OwnedFd, OwnedFd)>,
}

/// How a command ended that was not to go on.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub said: String,
}

impl Default for Start {
    fn default() -> Self {
        Self::new()
    }
}

impl Start {
    pub fn new() -> Self {
        let (words, arguments) = (vec![PROGRAM.into()], vec!["run".into()]);
        Self { words, arguments, socket: Some("off".into()), passed: None }
    }

    /// Another program in place of the built one: a copy of it, or one that starts it.
    pub fn program<T: Into<OsString>>(mut self, words: impl IntoIterator<Item = T>) -> Self {
        self.words = words.into_iter().map(Into::into).collect();
        self
    }

    /// Another command in place of `run`.
    pub fn command(mut self, command: &str) -> Self {
        (self.arguments, self.socket) = (vec![command.into()], None);
        self
    }

    /// With a control socket there.
    pub fn socket(mut self, path: &Path) -> Self {
        self.socket = Some(path.into());
        self
    }

    pub fn argument(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub fn config(self, path: &Path) -> Self {
        self.argument("--config").argument(path)
    }

    pub fn listen(self, address: impl ToString) -> Self {
        self.argument("--listen").argument(address.to_string())
    }

    pub fn upstream(self, address: impl ToString) -> Self {
        self.argument("--upstream").argument(address.to_string())
    }

    /// Two sockets passed as a service manager does it (sd_listen_fds(3)), with these names.
    pub fn passed(mut self, first: impl Into<OwnedFd>, second: impl Into<OwnedFd>, names: &str) -> Self {
        let script = format!(
            "LISTEN_FDS=2 LISTEN_FDNAMES={names} LISTEN_PID=$$ exec \"$@\" 3<&0 4<&1 </dev/null >/dev/null"
        );
        let shell = ["sh", "-c", &script, "sh"].map(OsString::from);
        self.words.splice(0..0, shell);
        self.passed = Some((first.into(), second.into()));
        self
    }

    fn spawn(&self, more: &[&OsStr]) -> Child {
        let (program, words) = self.words.split_first().unwrap();
        let mut command = Command::new(program);
        command.args(words).args(&self.arguments).args(more);
        if let Some(socket) = &self.socket {
            command.arg("--socket").arg(socket);
        }
        let (input, output) = match &self.passed {
            None => (Stdio::null(), Stdio::null()),
            Some((first, second)) => (first.try_clone().unwrap().into(), second.try_clone().unwrap().into()),
        };
        command.stdin(input).stdout(output).stderr(Stdio::piped());
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()))
    }

    /// Starts it and waits until it answers.
    #[track_caller]
    pub fn start(self) -> Process {
        let directory = TempDir::new().unwrap();
        // It may write as another user.
        let anybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(directory.path(), anybody).unwrap();
        let ready = directory.path().join("ready");
        let (appears, _watcher) = watch(directory.path());
        let mut child = self.spawn(&["--ready-file".as_ref(), ready.as_os_str()]);
        let log = Log::read(&mut child);
        let mut process = Process { child, log, sockets: Vec::new() };
        // The file comes by rename.
        let text = super::until("the daemon is ready", || {
            if let Some(status) = process.child.try_wait().unwrap() {
                process.log.wait_for_end();
                panic!("the daemon ended with {status}:\n{}", process.log.text());
            }
            // A child that ends changes no file: look again from time to time.
            let _timeout = appears.recv_timeout(Duration::from_millis(50));
            std::fs::read_to_string(&ready).ok()
        });
        process.sockets = text.lines().filter_map(|line| line.split_once(' ')).map(socket).collect();
        process
    }

    /// Starts it and waits for its end, which has to come by itself.
    #[track_caller]
    pub fn fail(self) -> Ended {
        let mut child = self.spawn(&[]);
        let log = Log::read(&mut child);
        let mut process = Process { child, log, sockets: Vec::new() };
        process.log.wait_for_end();
        let status = process.wait();
        Ended { code: status.code(), said: process.log() }
    }
}

fn watch(directory: &Path) -> (Receiver<()>, RecommendedWatcher) {
    let (changed, events) = channel();
    let mut watcher = notify::recommended_watcher(move |_| {
        // Nobody listens any more once the daemon is ready.
        let _told = changed.send(());
    })
    .unwrap();
    watcher.watch(directory, RecursiveMode::NonRecursive).unwrap();
    (events, watcher)
}

fn socket((kind, address): (&str, &str)) -> (bool, SocketAddr) {
    (kind == "tcp", address.parse().unwrap())
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

/// What it wrote to its standard error so far.
#[derive(Default)]
struct Log {
    lines: Mutex<Lines>,
    grown: Condvar,
}

impl Log {
    fn read(child: &mut Child) -> Arc<Self> {
        let (log, stderr) = (Arc::new(Self::default()), child.stderr.take().unwrap());
        let writer = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                writer.lines.lock().unwrap().lines.push(line);
                writer.grown.notify_all();
            }
            writer.lines.lock().unwrap().ended = true;
            writer.grown.notify_all();
        });
        log
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap().lines.join("\n")
    }

    #[track_caller]
    fn wait_for_end(&self) {
        let lines = self.lines.lock().unwrap();
        let (lines, _) = self.grown.wait_timeout_while(lines, DEADLINE, |lines| !lines.ended).unwrap();
        assert!(lines.ended, "it goes on:\n{}", lines.lines.join("\n"));
    }
}

/// A running daemon, killed when dropped.
pub struct Process {
    child: Child,
    log: Arc<Log>,
    sockets: Vec<(bool, SocketAddr)>,
}

impl Process {
    /// The first address it listens on.
    pub fn address(&self) -> SocketAddr {
        self.sockets[0].1
    }

    /// All of them, in the order of the configuration.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter(|(tcp, _)| !tcp).map(|(_, address)| *address).collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn log(&self) -> String {
        self.log.text()
    }

    /// How many lines the log has.
    pub fn lines(&self) -> usize {
        self.log.lines.lock().unwrap().lines.len()
    }

    /// The lines from the `from`th on.
    pub fn since(&self, from: usize) -> Vec<String> {
        self.log.lines.lock().unwrap().lines[from..].to_vec()
    }

    /// The first line from the `from`th on that holds all of `parts`; waits for it to be written.
    #[track_caller]
    pub fn said(&self, from: usize, parts: &[&str]) -> String {
        let deadline = Instant::now() + DEADLINE;
        let mut log = self.log.lines.lock().unwrap();
        loop {
            let found = log.lines.iter().skip(from).find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || log.ended {
                let log = { log }.lines.join("\n");
                panic!("no line with {parts:?} in:\n{log}");
            }
            log = self.log.grown.wait_timeout(log, left).unwrap().0;
        }
    }

    /// Sends a signal by kill(1) to this one process.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        self.log.wait_for_end();
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _killed = self.child.kill();
        let _status = self.child.wait();
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log.text());
        }
    }
}

/// A configuration file somewhere.
pub fn write(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("stubborn.toml");
    std::fs::write(&path, text).unwrap();
    path
}
