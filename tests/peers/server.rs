//! Other people's programs, started for a test: servers that stay, clients that say something and end.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Instant;

use crate::support_more::{DEADLINE, find};

/// Where a program is that [`installed`](crate::support_more::installed) has found.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not installed, and was not asked for"))
}

/// A server under test's hand; ended when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    _said: Receiver<String>,
}

impl Server {
    /// Starts it, and waits until it says `ready` on its standard error.
    #[track_caller]
    pub fn start(mut command: Command, address: SocketAddr, ready: &str) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // Read to its end, whoever still listens.
                let _listened = sender.send(line);
            }
        });
        let mut server = Self { child, address, _said: said };
        let deadline = Instant::now() + DEADLINE;
        let mut lines = Vec::new();
        loop {
            match server._said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(ready) => return server,
                Ok(line) => lines.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let status = server.child.try_wait();
                    panic!("{command:?} is not ready ({status:?}):\n{}", lines.join("\n"));
                }
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // By TERM, so that a server ends its own children too.
        let _told = Command::new("kill").args(["-s", "TERM", &self.child.id().to_string()]).status();
        let _status = self.child.wait();
    }
}

/// What a client printed.
#[track_caller]
pub fn client(name: &str, server: SocketAddr, arguments: &[&str]) -> String {
    let mut command = Command::new(program(name));
    command.arg(format!("@{}", server.ip())).args(["-p", &server.port().to_string()]).args(arguments);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} ended with {}:\n{said}", output.status);
    for line in said.lines().filter(|line| !line.contains("truncated reply")) {
        for complaint in [";; WARNING", ";; Warning", "malformed", "bad packet", "no servers", "mismatch"] {
            assert!(!line.contains(complaint), "{command:?} complains:\n{said}");
        }
    }
    said
}
