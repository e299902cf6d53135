//! dnsperf: started with a file of questions, and what it prints.

use std::collections::BTreeMap;
use std::io::{BufWriter, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::NamedTempFile;

use crate::process::find;

/// How questions are put.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) clients: u32,
    pub(crate) outstanding: u32,
    pub(crate) seconds: u32,
    /// Questions a second; as many as can be without.
    pub(crate) rate: Option<u64>,
    pub(crate) tcp: bool,
}

impl Load {
    /// The load that most measurements have.
    pub(crate) const fn usual(seconds: u32) -> Self {
        Self { clients: 8, outstanding: 200, seconds, rate: None, tcp: false }
    }

    pub(crate) const fn over_tcp(seconds: u32) -> Self {
        Self { tcp: true, ..Self::usual(seconds) }
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) completed: u64,
    pub(crate) lost: u64,
    /// Answers without an error.
    pub(crate) fine: u64,
    pub(crate) per_second: f64,
    /// Mean, in milliseconds.
    pub(crate) latency: f64,
}

/// Questions, one a line.
pub(crate) struct Names(NamedTempFile);

impl Outcome {
    /// Both together.
    pub(crate) fn and(&self, more: &Self) -> Self {
        let (here, there) = (self.completed as f64, more.completed as f64);
        let seconds = here / self.per_second + there / more.per_second;
        Self {
            completed: self.completed + more.completed,
            lost: self.lost + more.lost,
            fine: self.fine + more.fine,
            per_second: (here + there) / seconds,
            latency: (self.latency * here + more.latency * there) / (here + there),
        }
    }
}

/// What sets unique names of one run apart from those of all others.
static RUNS: AtomicU64 = AtomicU64::new(0);

impl Names {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// The names alone.
    pub(crate) fn list(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path()).expect("it was written");
        text.lines().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
    }

    /// `count` names that stay the same.
    pub(crate) fn known(count: u64) -> Self {
        Self::written(count, "known")
    }

    /// `count` names that were never asked.
    pub(crate) fn unique(count: u64) -> Self {
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        Self::written(count, &format!("u{run}"))
    }

    fn written(count: u64, label: &str) -> Self {
        let file = NamedTempFile::new().expect("a file can be made");
        let mut writer = BufWriter::new(file.as_file());
        for number in 0..count {
            writeln!(writer, "{label}-{number}.bench.example A").expect("the disk is not full");
        }
        writer.flush().expect("the disk is not full");
        drop(writer);
        Self(file)
    }
}

/// Where it is, if it is installed.
pub(crate) fn program() -> Option<PathBuf> {
    find("dnsperf")
}

/// A run under way; ended when dropped.
pub(crate) struct Run(Option<Child>);

impl Drop for Run {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ended = child.kill();
            let _status = child.wait();
        }
    }
}

impl Run {
    /// Goes through the names over and over until the time is over, or once if `once`.
    pub(crate) fn start(server: SocketAddr, names: &Names, load: &Load, once: bool) -> Self {
        let mut command = Command::new(program().expect("it was looked for"));
        command.args(["-s", &server.ip().to_string(), "-p", &server.port().to_string()]);
        command.arg("-d").arg(names.path());
        command.args(["-c", &load.clients.to_string(), "-q", &load.outstanding.to_string()]);
        command.args(["-l", &load.seconds.to_string(), "-t", "2"]);
        if once {
            command.args(["-n", "1"]);
        }
        if load.tcp {
            command.args(["-m", "tcp"]);
        }
        if let Some(rate) = load.rate {
            command.args(["-Q", &rate.to_string()]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        Self(Some(command.spawn().expect("dnsperf starts")))
    }

    /// Waits for its end.
    pub(crate) fn outcome(mut self) -> Outcome {
        let child = self.0.take().expect("it is taken here only");
        let output = child.wait_with_output().expect("it is a child of ours");
        read(&String::from_utf8_lossy(&output.stdout))
    }
}

/// Goes through the names over and over until the time is over.
pub(crate) fn repeat(server: SocketAddr, names: &Names, load: &Load) -> Outcome {
    Run::start(server, names, load, false).outcome()
}

/// Asks each of the names once, or as many of them as can be asked in the time.
pub(crate) fn once(server: SocketAddr, names: &Names, load: &Load) -> Outcome {
    Run::start(server, names, load, true).outcome()
}

fn read(printed: &str) -> Outcome {
    let lines: BTreeMap<&str, &str> = printed
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(what, rest)| (what.trim(), rest.trim()))
        .collect();
    let first = |what: &str| lines.get(what).and_then(|rest| rest.split_whitespace().next());
    let count = |what| first(what).and_then(|word| word.parse().ok()).unwrap_or(0);
    let number = |what| first(what).and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    let codes = lines.get("Response codes").copied().unwrap_or_default();
    let fine = codes.split(',').find_map(|code| code.trim().strip_prefix("NOERROR "));
    Outcome {
        completed: count("Queries completed"),
        lost: count("Queries lost"),
        fine: fine.and_then(|rest| rest.split(' ').next()?.parse().ok()).unwrap_or(0),
        per_second: number("Queries per second"),
        latency: number("Average Latency (s)") * 1000.0,
    }
}
