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

use std::fs::Permissions;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use stubborn::audit::wire::code;
use support_more::process::{PROGRAM, write};
use support_more::upstream::bind;
use support_more::{DEADLINE, Process, Start, ask, query, tcp, udp, until};
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

/// Sockets that outlive the daemon.
struct Sockets {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Sockets {
    fn new() -> Self {
        let (udp, tcp) = bind("127.0.0.1:0".parse().unwrap()).unwrap();
        Self { udp, tcp }
    }

    fn address(&self) -> std::net::SocketAddr {
        self.udp.local_addr().unwrap()
    }

    fn passed_to(&self, start: Start) -> Start {
        start.passed(self.udp.try_clone().unwrap(), self.tcp.try_clone().unwrap(), "dns:dns")
    }
}

/// Answers one name by itself.
const LOCAL: &str = "[server]\nworkers = 2\n[[local]]\nname = \"here.test\"\naddresses = [\"192.0.2.1\"]\n";

fn assert_answers(daemon: &Process, sockets: &Sockets) {
    assert_eq!(daemon.addresses(), [sockets.address()]);
    let query = query("here.test", code::A);
    for reply in [udp(sockets.address(), &query), tcp(sockets.address(), &query)] {
        assert_eq!(reply.addresses(), ["192.0.2.1"]);
    }
}

#[test]
fn passed_sockets_are_served_where_the_settings_say_nothing_else() {
    let directory = TempDir::new().unwrap();
    let config = write(directory.path(), LOCAL);
    let sockets = Sockets::new();
    let start = || sockets.passed_to(Start::new().config(&config).upstream(UPSTREAM));
    assert_answers(&start().start(), &sockets);
    assert_answers(&start().listen(sockets.address()).start(), &sockets);

    let elsewhere = start().listen("127.0.0.1:0").fail();
    assert_eq!(elsewhere.code, Some(2));
    assert!(elsewhere.said.contains("is not among `listen`"), "{}", elsewhere.said);
}

#[test]
fn passed_sockets_are_closed_to_programs_that_the_daemon_might_start() {
    let directory = TempDir::new().unwrap();
    let sockets = Sockets::new();
    let start = Start::new().config(&write(directory.path(), LOCAL)).upstream(UPSTREAM);
    let daemon = sockets.passed_to(start).start();
    for number in [3, 4] {
        let text = std::fs::read_to_string(format!("/proc/{}/fdinfo/{number}", daemon.pid())).unwrap();
        let flags = text.lines().find_map(|line| line.strip_prefix("flags:")).unwrap().trim();
        // O_CLOEXEC (proc_pid_fdinfo(5)).
        assert_ne!(u32::from_str_radix(flags, 8).unwrap() & 0o2_000_000, 0, "{number}: {text}");
    }
}

#[test]
fn what_is_passed_and_is_no_socket_for_clients_is_named() {
    let directory = TempDir::new().unwrap();
    let config = write(directory.path(), LOCAL);
    let sockets = Sockets::new();
    let other = OwnedFd::from(UnixDatagram::unbound().unwrap());
    let start = Start::new().config(&config).upstream(UPSTREAM);
    let ended = start.passed(sockets.udp, other, "dns:varlink").fail();
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.said.contains("the file descriptor 4 (varlink) that was passed is neither"),
        "{}",
        ended.said
    );
}

/// Set when this is dropped, were it by a panic.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_query_is_lost_when_the_daemon_restarts_under_load() {
    const CLIENTS: usize = 8;
    const RESTARTS: usize = 3;
    let directory = TempDir::new().unwrap();
    let config = write(directory.path(), LOCAL);
    let upstream = support_more::ScriptedUpstream::start(|call| call.address("198.51.100.7"));
    let sockets = Sockets::new();
    let start = || sockets.passed_to(Start::new().config(&config).upstream(upstream.address())).start();
    let (answered, enough) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut daemon = start();
    std::thread::scope(|scope| {
        let until_then = Finally(&enough);
        for client in 0..CLIENTS {
            let (answered, enough, address) = (&answered, &enough, sockets.address());
            scope.spawn(move || {
                // Each query is sent once, and its answer waited for: half of them take the upstream.
                for number in 0.. {
                    if enough.load(Ordering::Relaxed) {
                        break;
                    }
                    let name = format!("q{number}.client{client}.example.net");
                    let name = if number % 2 == 0 { "here.test" } else { &name };
                    assert_eq!(ask(address, name).rcode(), code::NOERROR, "{name}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let wait_for_more = || {
            let before = answered.load(Ordering::Relaxed);
            until("more answers", || (answered.load(Ordering::Relaxed) >= before + 200).then_some(()));
        };
        for _ in 0..RESTARTS {
            wait_for_more();
            daemon.signal("TERM");
            assert!(daemon.wait().success());
            // Connections are made while nobody is there to take them.
            let late = scope.spawn(|| tcp(sockets.address(), &query("here.test", code::A)).addresses());
            daemon = start();
            assert_eq!(late.join().unwrap(), ["192.0.2.1"]);
        }
        wait_for_more();
        drop(until_then);
    });
}

/// A directory that everybody may look into.
fn public_directory() -> TempDir {
    let directory = TempDir::new().unwrap();
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    directory
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn the_pid_file_is_there_while_the_daemon_is() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("pid");
    std::fs::write(&file, "1\n").unwrap();
    let start = Start::new().listen("127.0.0.1:0").upstream(UPSTREAM).config(&write(directory.path(), ""));
    let mut daemon = start.argument("--pid-file").argument(&file).start();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", daemon.pid()));
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert!(!file.exists());
    assert!(daemon.said(0, &["stopped"]).contains("drained=0 abandoned=0"), "{}", daemon.log());
}

#[test]
fn a_running_daemon_s_pid_file_stays_its_own() {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("pid");
    let config = write(directory.path(), "");
    let start = || {
        let start = Start::new().listen("127.0.0.1:0").upstream(UPSTREAM).config(&config);
        start.argument("--pid-file").argument(&file)
    };
    let read = || std::fs::read_to_string(&file).unwrap();
    let first = start().start();
    let number = format!("{}\n", first.pid());
    for _ in 0..2 {
        let ended = start().fail();
        assert_eq!(ended.code, Some(2));
        let named = format!("is the pid file of a running stubborn (process {})", first.pid());
        assert!(ended.said.contains(&named) && ended.said.contains("--pid-file"), "{}", ended.said);
        assert_eq!(read(), number);
    }
    // A script wrote it, and no lock says that it is in use.
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, &number).unwrap();
    assert!(start().fail().said.contains("of a running stubborn"));
    assert_eq!(read(), number);
    // What kill -9 leaves is taken over.
    drop(first);
    let mut second = start().start();
    assert_eq!(read(), format!("{}\n", second.pid()));
    second.signal("TERM");
    assert!(second.wait().success());
    assert!(!file.exists());
}

#[test]
fn a_daemon_that_has_given_up_root_s_rights_has_none_in_any_thread() {
    if !is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let directory = public_directory();
    let config = write(directory.path(), LOCAL);
    let (file, socket) = (directory.path().join("pid"), directory.path().join("run/control.sock"));
    let start = Start::new().listen("127.0.0.1:0").upstream(UPSTREAM).config(&config).socket(&socket);
    let start = start.argument("--user").argument("65534:65533").argument("--pid-file").argument(&file);
    let mut daemon = start.start();
    daemon.said(0, &["root's rights are given up"]);
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let statuses: Vec<String> =
        tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect();
    // The loop, two workers, the log and the watch.
    assert!(statuses.len() >= 5, "{} threads", statuses.len());
    for status in &statuses {
        for (field, expected) in [
            ("Uid:", "65534 65534 65534 65534"),
            ("Gid:", "65533 65533 65533 65533"),
            ("Groups:", "65533"),
            ("CapPrm:", "0000000000000000"),
            ("CapEff:", "0000000000000000"),
            ("CapAmb:", "0000000000000000"),
        ] {
            let found = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
            assert_eq!(found.split_whitespace().collect::<Vec<_>>().join(" "), expected, "{status}");
        }
    }

    let from = daemon.lines();
    daemon.signal("HUP");
    daemon.said(from, &["reloaded: nothing changed"]);
    assert_eq!(ask(daemon.address(), "here.test").addresses(), ["192.0.2.1"]);
    let owner = |path: &std::path::Path| std::fs::metadata(path).unwrap().uid();
    until("its control socket", || socket.exists().then_some(()));
    assert_eq!((owner(&socket), owner(&directory.path().join("run"))), (65534, 65534));

    // It may not remove what root has made in root's directory.
    daemon.signal("TERM");
    assert!(daemon.wait().success());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "");
}

#[test]
fn a_user_that_cannot_be_had_keeps_the_daemon_from_starting() {
    let directory = public_directory();
    let config = write(directory.path(), "");
    let start = || Start::new().listen("127.0.0.1:0").upstream(UPSTREAM).config(&config).argument("--user");
    for (user, expected) in [
        ("no-such-user-here", "there is no user no-such-user-here"),
        ("0:65534", "that is root, who has nothing to give up"),
    ] {
        let ended = start().argument(user).fail();
        assert_eq!(ended.code, Some(2));
        assert!(ended.said.contains(expected), "{}", ended.said);
    }
    if !is_root() {
        eprintln!("SKIPPED in part: only root can start it as somebody who is not");
        return;
    }
    // Whoever is not root has nothing to give up.
    let other = ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", PROGRAM];
    let ended = start().program(other).argument("65534:65534").fail();
    assert_eq!(ended.code, Some(2));
    assert!(ended.said.contains("only root can"), "{}", ended.said);
}
