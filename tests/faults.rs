//! What goes wrong around a running daemon: a full disk, files that cannot be written, a clock that jumps, a cable that is
//! pulled, servers that DHCP takes away. It keeps answering, says what is wrong, and comes back by itself.
//!
//! Others of the kind: `control.rs` (no file descriptors left, clients that never read, a socket that is taken away, a killed
//! daemon), `reload.rs` and `upstream.rs`.

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

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use stubborn::audit::wire::{Record, code};
use support::Reply;
use support_more::namespace::etc;
use support_more::process::{PROGRAM, write};
use support_more::{ScriptedUpstream, Start, ask, ip, isolated, run, until};
use tempfile::TempDir;

/// Runs another command of the program.
fn stubborn(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    (String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout)).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A file system in memory with these options, unmounted at the end.
struct Disk(TempDir);

impl Disk {
    fn new(options: &str) -> Self {
        let place = TempDir::new().unwrap();
        run("mount", &["-t", "tmpfs", "-o", options, "tmpfs", text(place.path())]);
        Self(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Takes all the room there is.
    fn fill(&self) {
        let mut file = fs::File::create(self.path("filler")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        assert!(file.write_all(b"x").is_err());
    }

    fn make_room(&self) {
        fs::remove_file(self.path("filler")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Programs may still have files open on it.
        let _status = Command::new("umount").args(["--lazy", text(self.0.path())]).status();
    }
}

// -------------------------------------------------------------------------------------------------------- a full disk

#[test]
fn a_log_on_a_full_disk_holds_up_nobody_and_says_what_is_missing() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    let disk = Disk::new("size=64k");
    let log = disk.path("log");
    let root = TempDir::new().unwrap();
    let config = write(root.path(), "[log]\nqueries = \"with-names\"\n");
    let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
    let to_the_disk = ["sh", "-c", "exec \"$@\" 2>>\"$0\"", text(&log), PROGRAM];
    let start = Start::new().program(to_the_disk).config(&config).listen("127.0.0.1:0");
    let daemon = start.upstream(upstream.address()).start();
    let logged = |part: &str| fs::read_to_string(&log).unwrap().contains(part);
    ask(daemon.address(), "before.example").assert_addresses(&["1.1.1.1"]);
    until("the first query is logged", || logged("before.example").then_some(()));

    disk.fill();
    // The last page of the log has room left for some of them.
    for number in 0..100 {
        ask(daemon.address(), &format!("n{number}.full.example")).assert_addresses(&["1.1.1.1"]);
    }
    assert!(!logged("n99.full.example"));
    disk.make_room();
    until("it is told what is missing", || {
        ask(daemon.address(), "after.example").assert_addresses(&["1.1.1.1"]);
        logged("lines are missing here").then_some(())
    });
    until("the log goes on", || logged("after.example").then_some(()));
}

#[test]
fn an_exception_written_to_a_full_disk_leaves_the_file_as_it_is_and_the_daemon_serving() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    let disk = Disk::new("size=64k");
    let config = write(disk.0.path(), "# as it was\n");
    let upstream = ScriptedUpstream::of(&[("nas.example.org", "192.168.1.20")]);
    let daemon = Start::new().config(&config).listen("127.0.0.1:0").upstream(upstream.address()).start();
    let allow = || stubborn(&["allow", "nas.example.org", "--config", text(&config)]);
    disk.fill();
    let output = allow();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("No space left on device"), "{}", said(&output));
    assert_eq!(fs::read_to_string(&config).unwrap(), "# as it was\n");
    assert_eq!(fs::read_dir(disk.0.path()).unwrap().count(), 2, "something was left beside it");
    ask(daemon.address(), "nas.example.org").assert_blocked();

    let from = daemon.lines();
    disk.make_room();
    let output = allow();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    daemon.said(from, &["reloaded", "+1 exception"]);
    ask(daemon.address(), "nas.example.org").assert_addresses(&["192.168.1.20"]);
}

/// A file system that can hold no more files, and one that is not there yet.
#[test]
fn a_control_socket_comes_when_there_is_a_place_for_it() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    let disk = Disk::new("nr_inodes=2");
    let missing = TempDir::new().unwrap();
    fs::write(disk.path("filler"), "").unwrap();
    let make_directory = || fs::create_dir_all(missing.path().join("run")).unwrap();
    let rows: [(PathBuf, &str, &dyn Fn()); 2] = [
        (disk.path("control.sock"), "No space left on device", &|| disk.make_room()),
        (
            missing.path().join("run/stubborn/control.sock"),
            "is not there and cannot be made",
            &make_directory,
        ),
    ];
    let upstream = ScriptedUpstream::of(&[("a.example", "1.1.1.1")]);
    for (socket, why, mend) in rows {
        let start = Start::new().listen("127.0.0.1:0").upstream(upstream.address()).socket(&socket);
        let daemon = start.start();
        daemon.said(0, &["WARN", "no control socket", why]);
        ask(daemon.address(), "a.example").assert_addresses(&["1.1.1.1"]);
        mend();
        until("it is there", || socket.exists().then_some(()));
        let output = stubborn(&["status", "--socket", text(&socket)]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
}

// ------------------------------------------------------------------------------------------- a read-only configuration

#[test]
fn under_a_configuration_that_is_read_only_for_a_while_the_daemon_goes_on() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    let disk = Disk::new("size=64k");
    let config = write(disk.0.path(), "# as it was\n");
    let upstream = ScriptedUpstream::of(&[("nas.example.org", "192.168.1.20")]);
    let daemon = Start::new().config(&config).listen("127.0.0.1:0").upstream(upstream.address()).start();
    let allow = || stubborn(&["allow", "nas.example.org", "--config", text(&config)]);
    run("mount", &["-o", "remount,ro", text(disk.0.path())]);
    let output = allow();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    for part in ["mounted read-only", "by hand", "\n[[exception]]\ndomain = \"nas.example.org\"\n"] {
        assert!(said(&output).contains(part), "no {part:?}: {}", said(&output));
    }
    let from = daemon.lines();
    daemon.signal("HUP");
    daemon.said(from, &["reloaded: nothing changed"]);
    ask(daemon.address(), "nas.example.org").assert_blocked();

    run("mount", &["-o", "remount,rw", text(disk.0.path())]);
    let from = daemon.lines();
    assert_eq!(allow().status.code(), Some(0));
    daemon.said(from, &["reloaded", "+1 exception"]);
    ask(daemon.address(), "nas.example.org").assert_addresses(&["192.168.1.20"]);
}

// --------------------------------------------------------------------------------------------------- a clock that jumps

/// Adds the seconds in the file `CLOCK` to what a program reads as the time of day.
const SHIM: &str = "\
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
static volatile long *offset;
__attribute__((constructor)) static void start(void) {
    offset = mmap(0, sizeof *offset, PROT_READ, MAP_SHARED, open(getenv(\"CLOCK\"), O_RDONLY), 0);
}
int clock_gettime(clockid_t id, struct timespec *time) {
    int result = syscall(SYS_clock_gettime, id, time);
    if (result == 0 && id == CLOCK_REALTIME) time->tv_sec += *offset;
    return result;
}
";

/// The clock of a program that is started with [`JumpingClock::words`].
struct JumpingClock {
    directory: TempDir,
    seconds: fs::File,
}

impl JumpingClock {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let seconds = OpenOptions::new().write(true).create_new(true).open(directory.path().join("clock"));
        let clock = Self { directory, seconds: seconds.unwrap() };
        clock.jump(0);
        let (source, library) = (clock.path("shim.c"), clock.path("shim.so"));
        fs::write(&source, SHIM).unwrap();
        run("cc", &["-shared", "-fPIC", "-o", &library, &source]);
        clock
    }

    fn path(&self, name: &str) -> String {
        text(&self.directory.path().join(name)).to_owned()
    }

    fn words(&self) -> [String; 4] {
        let (preload, clock) =
            (format!("LD_PRELOAD={}", self.path("shim.so")), format!("CLOCK={}", self.path("clock")));
        ["env".to_owned(), preload, clock, PROGRAM.to_owned()]
    }

    /// From now on it is so many seconds later than it is.
    fn jump(&self, seconds: i64) {
        self.seconds.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

fn ttl(reply: &Reply) -> u32 {
    reply.message().records.first().map_or(0, |record| record.ttl)
}

#[test]
fn a_clock_that_jumps_revives_no_exception_and_moves_no_time_to_live() {
    const HOUR: i64 = 3600;
    let clock = JumpingClock::new();
    let upstream = ScriptedUpstream::start(|call| {
        let address = if call.is_for("kept.example") { "1.1.1.1" } else { "192.168.1.20" };
        call.answer([Record::address(address.parse().unwrap()).ttl(300)])
    });
    let root = TempDir::new().unwrap();
    let until = |hours: i64| {
        let moment = Timestamp::now() + SignedDuration::from_secs(hours * HOUR);
        Timestamp::from_second(moment.as_second()).unwrap()
    };
    let (soon, later) = (until(1), until(5));
    let exceptions = [("soon.example", soon), ("later.example", later)]
        .map(|(domain, until)| format!("[[exception]]\ndomain = \"{domain}\"\nuntil = {until}\n"));
    let config = write(root.path(), &exceptions.concat());
    let start = Start::new().program(clock.words()).config(&config).listen("127.0.0.1:0");
    let daemon = start.upstream(upstream.address()).start();
    let ask = |name: &str| ask(daemon.address(), name);
    // Each step: how far the clock is from the right time, and which exceptions hold then.
    for (hours, soon_holds, later_holds) in [
        (0, true, true),
        (-24, true, true),
        (2, false, true),
        (0, false, true),
        (-2400, false, true),
        (6, false, false),
        (0, false, false),
        (87_600, false, false),
        (-24, false, false),
    ] {
        clock.jump(hours * HOUR);
        for (domain, holds) in [("soon.example", soon_holds), ("later.example", later_holds)] {
            // One that is kept since the first step, and one that is new in each.
            for name in [domain.to_owned(), format!("at{hours}.{domain}")] {
                match holds {
                    true => ask(&name).assert_addresses(&["192.168.1.20"]),
                    false => ask(&name).assert_blocked(),
                }
            }
        }
        let kept = ask("kept.example");
        kept.assert_addresses(&["1.1.1.1"]);
        assert!((240..=300).contains(&ttl(&kept)), "{kept:?}");
        // It is built anew with the clock as it is.
        let from = daemon.lines();
        daemon.signal("HUP");
        daemon.said(from, &["reloaded: nothing changed"]);
    }
    assert_eq!(upstream.asked("kept.example"), 1, "no answer was over before its time");
    daemon.said(0, &["WARN", "the system's clock went back"]);
    let from = daemon.lines();
    clock.jump(87_600 * HOUR);
    daemon.said(from, &["the system's clock is where it was again"]);
}

// ---------------------------------------------------------------------------------------------- a cable that is pulled

#[test]
fn an_interface_that_goes_down_costs_what_is_not_kept_and_comes_back_by_itself() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    // Where ip(8) keeps its namespaces.
    run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
    ip("netns add laptop");
    ip("-n laptop link set lo up");
    for (here, there, network) in [("lan0", "lan1", "10.0.0"), ("wan0", "wan1", "10.1.0")] {
        ip(&format!("link add {here} type veth peer name {there} netns laptop"));
        ip(&format!("addr add {network}.1/24 dev {here}"));
        ip(&format!("link set {here} up"));
        ip(&format!("-n laptop addr add {network}.2/24 dev {there}"));
        ip(&format!("-n laptop link set {there} up"));
    }
    let upstream = ScriptedUpstream::at("10.1.0.1:0".parse().unwrap(), |call| {
        call.answer([Record::address("1.1.1.1".parse().unwrap()).ttl(1)])
    });
    let root = TempDir::new().unwrap();
    let config = write(root.path(), "[upstream]\ntimeout = \"500ms\"\n");
    let start = Start::new().program(["ip", "netns", "exec", "laptop", PROGRAM]).config(&config);
    let daemon = start.listen("10.0.0.2:0").upstream(upstream.address()).start();
    let ask = |name: &str| ask(daemon.address(), name);
    let errors = |reply: &Reply| -> Vec<u16> { reply.errors().into_iter().map(|(code, _)| code).collect() };
    ask("kept.example").assert_addresses(&["1.1.1.1"]);
    for (round, down, up) in [
        ("interface", "-n laptop link set wan1 down", "-n laptop link set wan1 up"),
        ("cable", "link set wan0 down", "link set wan0 up"),
        ("address", "-n laptop addr flush dev wan1", "-n laptop addr add 10.1.0.2/24 dev wan1"),
    ] {
        let from = daemon.lines();
        ip(down);
        // 22 is No Reachable Authority, 3 is Stale Answer (RFC 8914 §4).
        let reply = ask(&format!("{round}.example"));
        assert_eq!((reply.rcode(), errors(&reply)), (code::SERVFAIL, vec![22]), "{round}: {reply:?}");
        daemon.said(from, &["WARN", "server avoided until it answers a probe"]);
        until("a stale answer", || {
            let reply = ask("kept.example");
            reply.assert_addresses(&["1.1.1.1"]);
            (errors(&reply) == [3]).then_some(())
        });
        let from = daemon.lines();
        ip(up);
        let came_up = Instant::now();
        until("it answers again", || {
            (ask(&format!("back-{round}.example")).addresses() == ["1.1.1.1"]).then_some(())
        });
        assert!(came_up.elapsed() < Duration::from_secs(10), "{round}: {:?}", came_up.elapsed());
        daemon.said(from, &["server answers again"]);
        until("a fresh answer", || errors(&ask("kept.example")).is_empty().then_some(()));
    }
}

// ---------------------------------------------------------------------------------------------- servers that come and go

/// DHCP clients and VPNs write resolv.conf in every way there is.
#[test]
fn servers_are_followed_through_every_way_that_resolv_conf_is_written_and_kept_while_there_are_none() {
    if !isolated() {
        return;
    }
    let etc = etc(Some("nameserver 127.0.1.1\n"));
    let servers: Vec<ScriptedUpstream> = [("127.0.1.1", "1.1.1.1"), ("127.0.1.2", "1.1.1.2")]
        .map(|(at, answer)| {
            ScriptedUpstream::at(format!("{at}:53").parse().unwrap(), move |call| call.address(answer))
        })
        .into();
    let path = |name: &str| etc.path().join(name);
    let config = path("stubborn/stubborn.toml");
    let daemon = Start::new().listen("127.0.0.1:53").start();
    let mut names = 0..;
    let mut new_name = move || format!("n{}.example", names.next().unwrap());
    ask(daemon.address(), &new_name()).assert_addresses(&["1.1.1.1"]);

    let link = |target: &str| {
        symlink(target, path("link.new")).unwrap();
        fs::rename(path("link.new"), path("resolv.conf")).unwrap();
    };
    let rename = |to: &str, server: &str| {
        fs::write(path("new"), format!("nameserver {server}\n")).unwrap();
        fs::rename(path("new"), to).unwrap();
    };
    let resolv_conf = path("resolv.conf");
    for (directory, server) in [("one", "127.0.1.1"), ("two", "127.0.1.2")] {
        fs::create_dir_all(format!("/run/{directory}")).unwrap();
        fs::write(format!("/run/{directory}/resolv.conf"), format!("nameserver {server}\n")).unwrap();
    }
    // What happens to the file, the answer then, and what is said of it where there is nobody new to ask.
    let written = |text: &str| fs::write(&resolv_conf, text).unwrap();
    type Step<'a> = (&'a dyn Fn(), &'a str, Option<&'a str>);
    let steps: [Step<'_>; 13] = [
        (&|| rename(text(&resolv_conf), "127.0.1.2"), "1.1.1.2", None),
        (&|| written("nameserver 127.0.1.1\n"), "1.1.1.1", None),
        (&|| written(""), "1.1.1.1", Some("/etc/resolv.conf: names no server")),
        (&|| written("nameserver 127.0.1.2\n"), "1.1.1.2", None),
        (&|| written("nameserver 127.0.0.1\n"), "1.1.1.2", Some("127.0.0.1 is this daemon itself")),
        (&|| fs::remove_file(&resolv_conf).unwrap(), "1.1.1.2", Some("/etc/resolv.conf: does not exist")),
        (&|| link("../run/one/resolv.conf"), "1.1.1.1", None),
        (&|| link("../run/two/resolv.conf"), "1.1.1.2", None),
        (&|| fs::write("/run/two/resolv.conf", "nameserver 127.0.1.1\n").unwrap(), "1.1.1.1", None),
        (&|| rename(text(&resolv_conf), "127.0.1.2"), "1.1.1.2", None),
        (&|| link("/run/nowhere/resolv.conf"), "1.1.1.2", Some("/etc/resolv.conf: does not exist")),
        (&|| fs::create_dir("/run/nowhere").unwrap(), "1.1.1.2", None),
        (&|| fs::write("/run/nowhere/resolv.conf", "nameserver 127.0.1.1\n").unwrap(), "1.1.1.1", None),
    ];
    for (number, (step, answer, kept)) in steps.into_iter().enumerate() {
        let from = daemon.lines();
        step();
        if let Some(why) = kept {
            let line = daemon.said(from, &["WARN", "stay in use", "no upstream server", why]);
            assert!(line.contains(if answer == "1.1.1.1" { "127.0.1.1" } else { "127.0.1.2" }), "{line}");
            assert!(!daemon.since(from).iter().any(|line| line.contains("ERROR")), "{}", daemon.log());
            // Meanwhile the configuration is followed.
            let from = daemon.lines();
            fs::write(
                &config,
                format!("[[local]]\nname = \"s{number}.test\"\naddresses = [\"192.0.2.9\"]\n"),
            )
            .unwrap();
            daemon.said(from, &["reloaded", "+1 local name"]);
            ask(daemon.address(), &format!("s{number}.test")).assert_addresses(&["192.0.2.9"]);
        }
        until("the right server is asked", || {
            (ask(daemon.address(), &new_name()).addresses() == [answer]).then_some(())
        });
    }
    drop(servers);
}

#[test]
fn a_service_starts_before_there_is_a_network_and_finds_it_when_it_comes() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    let _network = ScriptedUpstream::at("127.0.1.1:53".parse().unwrap(), |call| call.address("1.1.1.1"));
    for file in ["/etc/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"] {
        let _etc = etc(None);
        let directory = TempDir::new().unwrap();
        let manager = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        let variable = format!("NOTIFY_SOCKET={}", text(&directory.path().join("notify")));
        let daemon = Start::new().program(["env", &variable, PROGRAM]).listen("127.0.0.1:53").start();
        let mut message = [0; 64];
        let length = manager.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1");
        let waiting = "nothing can be looked up until the machine names a server";
        daemon.said(0, &["WARN", waiting, "/etc/resolv.conf: does not exist"]);
        let reply = ask(daemon.address(), "early.example");
        let why: Vec<u16> = reply.errors().into_iter().map(|(why, _)| why).collect();
        assert_eq!((reply.rcode(), why), (code::SERVFAIL, vec![22]), "{reply:?}");
        ask(daemon.address(), "localhost").assert_addresses(&["127.0.0.1"]);

        fs::create_dir_all(Path::new(file).parent().unwrap()).unwrap();
        fs::write(file, "nameserver 127.0.1.1\n").unwrap();
        daemon.said(0, &["reloaded", "+1 server"]);
        ask(daemon.address(), "late.example").assert_addresses(&["1.1.1.1"]);
        drop(daemon);
        run("umount", &["/run"]);
        run("umount", &["/etc"]);
    }
}

// ------------------------------------------------------------------------------------------------------ few descriptors

#[test]
fn with_too_few_descriptors_a_start_ends_and_says_so_and_with_enough_it_answers() {
    let root = TempDir::new().unwrap();
    let config = write(root.path(), "[[local]]\nname = \"host.example\"\naddresses = [\"192.0.2.1\"]\n");
    let started = |limit: u32| {
        let ready = root.path().join(format!("ready-{limit}"));
        let shell = format!("ulimit -n {limit}; exec \"$@\"");
        let mut command = Command::new("sh");
        command.args(["-c", &shell, "sh", PROGRAM, "run", "--listen", "127.0.0.1:0", "--socket", "off"]);
        command.arg("--config").arg(&config).arg("--ready-file").arg(&ready);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let ended = until("it answers, or ends", || match child.try_wait().unwrap() {
            Some(status) => Some(Some(status)),
            None => ready.exists().then_some(None),
        });
        if let Some(status) = ended {
            let said = said(&child.wait_with_output().unwrap());
            assert!(status.code().is_some_and(|code| code > 0), "{limit}: {status}\n{said}");
            return Err(said);
        }
        let text = fs::read_to_string(&ready).unwrap();
        let address = text.lines().find_map(|line| line.strip_prefix("udp ")).unwrap().parse().unwrap();
        ask(address, "host.example").assert_addresses(&["192.0.2.1"]);
        child.kill().unwrap();
        child.wait().unwrap();
        Ok(())
    };
    let attempts: Vec<Result<(), String>> = (7..=40).map(started).collect();
    let failed: Vec<&String> = attempts.iter().filter_map(|attempt| attempt.as_ref().err()).collect();
    for said in &failed {
        assert!(said.contains("Too many open files"), "{said}");
    }
    // The last thing that can fail for good: all behind it comes back by itself.
    assert!(failed.iter().any(|said| said.contains("cannot start a worker")), "{failed:?}");
    assert!(attempts.iter().any(Result::is_ok));
}

/// Connections of clients can take all there are; the sockets to the servers that are open by then have to do.
#[test]
fn without_a_descriptor_left_new_names_are_asked_over_the_sockets_there_are() {
    let upstream = ScriptedUpstream::start(|call| call.address("1.1.1.1"));
    let root = TempDir::new().unwrap();
    let config = write(root.path(), "[server]\nworkers = 1\ntcp-connections-per-client = 200\n");
    let limited = ["sh", "-c", "ulimit -n 64; exec \"$@\"", "sh", PROGRAM];
    let daemon =
        Start::new().program(limited).config(&config).listen("127.0.0.1:0").upstream(upstream.address());
    let daemon = daemon.start();
    ask(daemon.address(), "first.example").assert_addresses(&["1.1.1.1"]);
    let _connections: Vec<TcpStream> =
        (0..100).map(|_| TcpStream::connect(daemon.address()).unwrap()).collect();
    daemon.said(0, &["WARN", "could not be accepted", "Too many open files"]);
    // More than any of them serves as long as others can be made.
    for number in 0..1_500 {
        ask(daemon.address(), &format!("n{number}.example")).assert_addresses(&["1.1.1.1"]);
    }
    assert!(!daemon.log().contains("server avoided"), "{}", daemon.log());
}
