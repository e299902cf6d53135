//! The daemon under a service manager: what it tells the manager, and that it goes on with sockets that are passed to it.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

mod support;
mod support_more;

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use support_more::process::{PROGRAM, write};
use support_more::{DEADLINE, Start};
use tempfile::TempDir;

/// Nobody is asked there in these tests.
const UPSTREAM: &str = "127.0.0.1:9";

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    name: String,
}

impl Manager {
    fn new(socket: UnixDatagram, name: String) -> Self {
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { socket, name }
    }

    fn in_directory(directory: &TempDir) -> Self {
        let path = directory.path().join("notify");
        Self::new(UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned())
    }

    fn abstract_one() -> Self {
        let name = format!("stubborn-test-{:x}", rand::random::<u64>());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        Self::new(UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}"))
    }

    /// The program with this manager in its environment.
    fn start(&self, more: &[&str]) -> Start {
        let manager = format!("NOTIFY_SOCKET={}", self.name);
        let words = ["env", &manager].into_iter().chain(more.iter().copied()).chain([PROGRAM]);
        Start::new().program(words).listen("127.0.0.1:0").upstream(UPSTREAM)
    }

    fn next(&self) -> String {
        let mut room = [0; 4096];
        let length = self.socket.recv(&mut room).expect("the daemon tells its manager");
        String::from_utf8(room[..length].to_vec()).unwrap()
    }

    /// The next message that begins so, and those before it.
    fn until(&self, beginning: &str) -> Vec<String> {
        let mut messages = Vec::new();
        loop {
            messages.push(self.next());
            if messages.last().unwrap().starts_with(beginning) {
                return messages;
            }
        }
    }
}

#[test]
fn a_manager_learns_of_start_reload_and_stop_in_this_order() {
    let directory = TempDir::new().unwrap();
    let config = write(directory.path(), "");
    for manager in [Manager::in_directory(&directory), Manager::abstract_one()] {
        let mut daemon = manager.start(&[]).config(&config).start();
        assert_eq!(manager.until("READY=1"), ["READY=1"]);
        let status = manager.until("STATUS=").pop().unwrap();
        assert_eq!(status, "STATUS=policy generation 1, 0 blocked so far, 1 of 1 upstreams answer");

        let before = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        daemon.signal("HUP");
        let reloading = manager.until("RELOADING=1").pop().unwrap();
        let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        assert!(time.parse::<i64>().unwrap() >= before.tv_sec * 1_000_000);
        assert_eq!(manager.next(), "READY=1");
        assert!(manager.next().starts_with("STATUS=policy generation 2,"));

        daemon.signal("TERM");
        assert_eq!(manager.until("STOPPING=1").pop().unwrap(), "STOPPING=1");
        assert!(daemon.wait().success());
    }
}

#[test]
fn a_reload_that_is_refused_ends_as_ready_too() {
    let directory = TempDir::new().unwrap();
    let config = write(directory.path(), "");
    let manager = Manager::in_directory(&directory);
    let daemon = manager.start(&[]).config(&config).start();
    manager.until("READY=1");
    write(directory.path(), "nonsense");
    daemon.said(0, &["not reloaded"]);
    manager.until("RELOADING=1");
    assert_eq!(manager.next(), "READY=1");
    drop(daemon);
}

#[test]
fn signs_of_life_come_while_the_workers_turn() {
    let directory = TempDir::new().unwrap();
    let manager = Manager::in_directory(&directory);
    let config = write(directory.path(), "[server]\nworkers = 3\n");
    let daemon = manager.start(&["WATCHDOG_USEC=100000"]).config(&config).start();
    for _ in 0..5 {
        manager.until("WATCHDOG=1");
    }
    drop(daemon);
}

#[test]
fn a_manager_that_is_gone_is_no_reason_not_to_answer() {
    let directory = TempDir::new().unwrap();
    let manager = Manager::in_directory(&directory);
    std::fs::remove_file(&manager.name).unwrap();
    let mut daemon = manager.start(&[]).config(&write(directory.path(), "")).start();
    daemon.said(0, &["service manager cannot be told"]);
    daemon.signal("TERM");
    assert!(daemon.wait().success());
}
