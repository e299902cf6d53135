//! Files that change under a running daemon, in every way files change, and what that does to answers.

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

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use stubborn::audit::wire::{Query, Record, code};
use support_more::process::write;
use support_more::upstream::framed;
use support_more::{DEADLINE, Gate, Process, ScriptedUpstream, Start, ask, query, tcp};
use tempfile::TempDir;

const NAS: &str = "nas.example";
const INSIDE: &str = "192.168.1.20";

/// An exception that lets the name of the NAS have its address.
const ALLOWED: &str = "[[exception]]\ndomain = \"nas.example\"\n";
/// No exception.
const BLOCKED: &str = "# nothing allowed\n";

/// A daemon, its upstream, and a directory for its files.
struct Stage {
    upstream: ScriptedUpstream,
    daemon: Process,
    // Deleted last.
    root: TempDir,
}

impl Stage {
    /// With `before` to lay the files out; `main` is where the daemon finds them.
    fn new(main: &str, before: impl FnOnce(&Path)) -> Self {
        let root = TempDir::new().unwrap();
        before(root.path());
        let upstream = ScriptedUpstream::of(&[(NAS, INSIDE), ("other.example", "1.1.1.1")]);
        let start = Start::new().config(&root.path().join(main)).listen("127.0.0.1:0");
        let daemon = start.upstream(upstream.address()).start();
        Self { upstream, daemon, root }
    }

    /// With one file of this text.
    fn with(text: &str) -> Self {
        Self::new("stubborn.toml", |root| {
            write(root, text);
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn server(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Does something to the files and waits for what the log says of it.
    #[track_caller]
    fn after(&self, change: impl FnOnce(), parts: &[&str]) -> String {
        let from = self.daemon.lines();
        change();
        self.daemon.said(from, parts)
    }

    #[track_caller]
    fn assert_allowed(&self) {
        ask(self.server(), NAS).assert_addresses(&[INSIDE]);
    }

    #[track_caller]
    fn assert_blocked(&self) {
        ask(self.server(), NAS).assert_blocked();
    }

    /// The file is changed by `write` to allow and to forbid, some times over.
    #[track_caller]
    fn turns(&self, mut write: impl FnMut(&str)) {
        self.assert_blocked();
        for _ in 0..2 {
            self.after(|| write(ALLOWED), &["reloaded", "+1 exception"]);
            self.assert_allowed();
            self.after(|| write(BLOCKED), &["reloaded", "−1 exception"]);
            self.assert_blocked();
        }
    }
}

/// The value of `key=` in a log line.
fn number(line: &str, key: &str) -> u64 {
    let rest = line.split_once(&format!(" {key}=")).unwrap_or_else(|| panic!("no {key} in {line}")).1;
    rest.split(' ').next().unwrap().parse().unwrap()
}

// --------------------------------------------------------------------------------------- the ways a file is changed

#[test]
fn a_file_renamed_over_the_old_one_takes_effect() {
    let stage = Stage::with(BLOCKED);
    stage.turns(|text| {
        fs::write(stage.path("stubborn.toml~"), text).unwrap();
        fs::rename(stage.path("stubborn.toml~"), stage.path("stubborn.toml")).unwrap();
    });
}

#[test]
fn a_file_truncated_and_written_takes_effect() {
    let stage = Stage::with(BLOCKED);
    stage.turns(|text| fs::write(stage.path("stubborn.toml"), text).unwrap());
}

/// As vim does it: the old file becomes the backup, the new one is made in its place.
#[test]
fn a_file_moved_away_and_made_anew_takes_effect() {
    let stage = Stage::with(BLOCKED);
    stage.turns(|text| {
        fs::rename(stage.path("stubborn.toml"), stage.path("stubborn.toml~")).unwrap();
        fs::write(stage.path("stubborn.toml"), text).unwrap();
        fs::remove_file(stage.path("stubborn.toml~")).unwrap();
    });
}

/// As the kubelet does it: `stubborn.toml -> ..data/stubborn.toml`, `..data -> ..1`.
#[test]
fn a_config_map_swapped_takes_effect() {
    let fill = |root: &Path, version: u32, text: &str| {
        let directory = root.join(format!("..{version}"));
        fs::create_dir(&directory).unwrap();
        write(&directory, text);
        symlink(format!("..{version}"), root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    let stage = Stage::new("stubborn.toml", |root| {
        fill(root, 0, BLOCKED);
        symlink("..data/stubborn.toml", root.join("stubborn.toml")).unwrap();
    });
    let mut version = 0;
    stage.turns(|text| {
        version += 1;
        fill(stage.root.path(), version, text);
        fs::remove_dir_all(stage.path(&format!("..{}", version - 1))).unwrap();
    });
}

#[test]
fn a_deleted_file_leaves_the_policy_in_use_and_its_return_takes_effect() {
    let stage = Stage::with(ALLOWED);
    stage.assert_allowed();
    for _ in 0..2 {
        let line = stage.after(
            || fs::remove_file(stage.path("stubborn.toml")).unwrap(),
            &["stubborn.toml", "there is no such file"],
        );
        assert!(line.contains(&stage.path("stubborn.toml").display().to_string()), "{line}");
        stage.daemon.said(0, &["not reloaded: the policy in use stays as it is"]);
        stage.assert_allowed();
        stage.after(|| drop(write(stage.root.path(), BLOCKED)), &["reloaded", "−1 exception"]);
        stage.assert_blocked();
        stage.after(|| drop(write(stage.root.path(), ALLOWED)), &["reloaded", "+1 exception"]);
        stage.assert_allowed();
    }
}

#[test]
fn a_directory_that_vanishes_leaves_the_policy_in_use_and_its_return_takes_effect() {
    let stage = Stage::new("etc/stubborn/stubborn.toml", |root| {
        fs::create_dir_all(root.join("etc/stubborn")).unwrap();
        write(&root.join("etc/stubborn"), ALLOWED);
    });
    for (directory, text, difference) in
        [("etc/stubborn", BLOCKED, "−1 exception"), ("etc", ALLOWED, "+1 exception")]
    {
        let was_allowed = text == BLOCKED;
        let assert_unchanged = || match was_allowed {
            true => stage.assert_allowed(),
            false => stage.assert_blocked(),
        };
        let said = ["not reloaded: the policy in use stays as it is"];
        stage.after(|| fs::remove_dir_all(stage.path(directory)).unwrap(), &said);
        assert_unchanged();
        let back = || {
            fs::create_dir_all(stage.path("etc/stubborn")).unwrap();
            write(&stage.path("etc/stubborn"), text);
        };
        stage.after(back, &["reloaded", difference]);
    }
    stage.assert_allowed();
}

/// Whoever writes slowly is not taken at half a word.
#[test]
fn a_half_written_file_changes_nothing_until_the_rest_comes() {
    let stage = Stage::with(BLOCKED);
    let (first, rest) = ALLOWED.split_at(ALLOWED.len() - 4);
    let mut file = fs::File::create(stage.path("stubborn.toml")).unwrap();
    let line = stage.after(
        || file.write_all(first.as_bytes()).unwrap(),
        &["not reloaded: the policy in use stays as it is"],
    );
    assert_eq!(number(&line, "generation"), 1, "{line}");
    stage.assert_blocked();
    stage.after(|| file.write_all(rest.as_bytes()).unwrap(), &["reloaded", "+1 exception"]);
    stage.assert_allowed();
}

#[test]
fn sighup_reloads_at_once_and_says_so_even_where_nothing_changed() {
    let stage = Stage::with(BLOCKED);
    let hup = || stage.daemon.signal("HUP");
    let line = stage.after(hup, &["reloaded: nothing changed", "cause=SIGHUP"]);
    let before = number(&line, "generation");
    stage.assert_blocked();
    // A signal on the heels of a change: whichever is noticed first, the new file is in use when the signal was.
    write(stage.root.path(), ALLOWED);
    let line = stage.after(hup, &["reloaded", "cause=SIGHUP"]);
    assert!(number(&line, "generation") > before);
    stage.assert_allowed();
}

/// Read while it was empty for a moment, it holds in the end what it held before: that is a change all the same.
#[test]
fn a_file_read_between_truncation_and_writing_is_read_again() {
    let stage = Stage::with(ALLOWED);
    for _ in 0..3 {
        stage.assert_allowed();
        let mut file = fs::File::create(stage.path("stubborn.toml")).unwrap();
        stage.after(|| stage.daemon.signal("HUP"), &["reloaded", "−1 exception"]);
        let whole = || file.write_all(ALLOWED.as_bytes()).unwrap();
        stage.after(whole, &["reloaded", "+1 exception", "cause=/"]);
    }
    stage.assert_allowed();
}

/// Only the content counts.
#[test]
fn a_file_touched_or_written_with_the_same_text_is_no_change() {
    let stage = Stage::with(BLOCKED);
    let from = stage.daemon.lines();
    // Without truncation: an empty file would be another content, if only for a moment.
    let mut file = fs::File::options().write(true).open(stage.path("stubborn.toml")).unwrap();
    file.write_all(BLOCKED.as_bytes()).unwrap();
    fs::write(stage.path("beside.toml"), ALLOWED).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    // What is looked at after all this is seen to be the first change.
    write(stage.root.path(), ALLOWED);
    let line = stage.daemon.said(from, &["reloaded"]);
    assert_eq!(number(&line, "generation"), 2, "{line}");
    assert!(line.contains("+1 exception"), "{line}");
}

// --------------------------------------------------------------------------------------------------- included files

fn with_includes(root: &Path) {
    fs::create_dir(root.join("conf.d")).unwrap();
    write(root, "include = [\"conf.d/*.toml\"]\n");
}

#[test]
fn a_new_file_in_an_included_directory_takes_effect_and_so_does_its_end() {
    let stage = Stage::new("stubborn.toml", with_includes);
    stage.assert_blocked();
    let nas = stage.path("conf.d/nas.toml");
    stage.after(|| fs::write(&nas, ALLOWED).unwrap(), &["reloaded", "+1 exception"]);
    stage.assert_allowed();
    let line = stage.after(
        || fs::write(&nas, format!("{ALLOWED}nonsense = 1\n")).unwrap(),
        &["conf.d/nas.toml:3:1: exception: unknown key \"nonsense\""],
    );
    assert!(line.contains("ERROR"), "{line}");
    stage.assert_allowed();
    stage.after(|| fs::remove_file(&nas).unwrap(), &["reloaded", "−1 exception"]);
    stage.assert_blocked();
    stage.after(|| fs::remove_dir_all(stage.path("conf.d")).unwrap(), &["reloaded"]);
    let back = || {
        fs::create_dir(stage.path("conf.d")).unwrap();
        fs::write(&nas, ALLOWED).unwrap();
    };
    stage.after(back, &["reloaded", "+1 exception"]);
    stage.assert_allowed();
}

/// The files that a refused configuration names are watched as well: the mistake may be in one of them.
#[test]
fn a_mistake_corrected_in_a_file_that_was_included_just_now_takes_effect() {
    let stage = Stage::with(BLOCKED);
    fs::create_dir(stage.path("conf.d")).unwrap();
    fs::write(stage.path("conf.d/nas.toml"), "[[exception]]\ndomian = \"nas.example\"\n").unwrap();
    let include = || drop(write(stage.root.path(), "include = [\"conf.d/*.toml\"]\n"));
    stage.after(include, &["conf.d/nas.toml:2:1", "domian"]);
    stage.assert_blocked();
    let correct = || fs::write(stage.path("conf.d/nas.toml"), ALLOWED).unwrap();
    stage.after(correct, &["reloaded", "+1 exception"]);
    stage.assert_allowed();
}

// ----------------------------------------------------------------------------------------------------- what is said

#[test]
fn a_bad_file_changes_nothing_and_every_mistake_is_named() {
    let stage = Stage::with(ALLOWED);
    stage.assert_allowed();
    let from = stage.daemon.lines();
    let bad = "[guard]\nmode = \"lenient\"\nblock = [\"10.0.0.0/33\"]\n\n[server]\nlisten = [\"here\"]\nwrokers = 2\n";
    write(stage.root.path(), bad);
    let path = stage.path("stubborn.toml").display().to_string();
    for (place, key) in
        [("2:8", "guard.mode"), ("3:10", "guard.block"), ("6:11", "server.listen"), ("7:1", "wrokers")]
    {
        let line = stage.daemon.said(from, &[&format!("{path}:{place}: "), key]);
        assert!(line.contains("ERROR"), "{line}");
    }
    let line = stage.daemon.said(from, &["not reloaded: the policy in use stays as it is"]);
    assert_eq!(number(&line, "generation"), 1, "{line}");
    stage.assert_allowed();
    // The same mistakes again are said again, and so is their end.
    stage.after(|| stage.daemon.signal("HUP"), &["not reloaded"]);
    stage.after(|| drop(write(stage.root.path(), BLOCKED)), &["reloaded", "−1 exception"]);
    stage.assert_blocked();
}

#[test]
fn a_server_that_would_be_this_daemon_is_a_bad_file() {
    let root = TempDir::new().unwrap();
    let upstream = ScriptedUpstream::of(&[("a.example", "1.1.1.1"), ("b.example", "1.1.1.1")]);
    let servers = |server: SocketAddr| format!("[upstream]\nservers = [\"{server}\"]\n");
    let path = write(root.path(), &servers(upstream.address()));
    let daemon = Start::new().config(&path).listen("127.0.0.1:0").start();
    ask(daemon.address(), "a.example").assert_addresses(&["1.1.1.1"]);
    let from = daemon.lines();
    write(root.path(), &servers(daemon.address()));
    daemon.said(from, &["is this daemon itself"]);
    daemon.said(from, &["not reloaded: the policy in use stays as it is"]);
    ask(daemon.address(), "b.example").assert_addresses(&["1.1.1.1"]);
}

#[test]
fn the_difference_is_said() {
    let stage = Stage::with("[guard]\nblock = [\"198.41.0.0/24\"]\n");
    let text = "[guard]\nprofile = \"strict\"\n\n[[exception]]\ndomain = \"a.example\"\n\n[[exception]]\ndomain = \
                \"b.example\"\n\n[[local]]\nname = \"x.test\"\naddresses = [\"127.0.0.1\"]\n";
    // In one step: a change right after the start may be found by the start's own second reading.
    let write = || {
        fs::write(stage.path("new"), text).unwrap();
        fs::rename(stage.path("new"), stage.path("stubborn.toml")).unwrap();
    };
    let line = stage.after(write, &["reloaded"]);
    for part in ["+2 exceptions", "−1 blocked range", "+1 local name", "guard settings changed"] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    let path = stage.path("stubborn.toml").display().to_string();
    assert!(["start", &path].iter().any(|cause| line.contains(&format!("cause={cause}"))), "{line}");
}

#[test]
fn keys_that_need_a_restart_are_said_and_the_rest_takes_effect() {
    let stage = Stage::with(BLOCKED);
    let text = format!("{ALLOWED}\n[server]\nworkers = 7\ntcp-connections = 5\n\n[cache]\nsize = \"1MiB\"\n");
    let from = stage.daemon.lines();
    write(stage.root.path(), &text);
    let line = stage.daemon.said(from, &["take effect with a restart only"]);
    for key in ["server.workers", "server.tcp-connections", "cache"] {
        assert!(line.contains(key), "no {key} in {line}");
    }
    assert!(!line.contains("listen"), "{line}");
    stage.daemon.said(from, &["reloaded", "+1 exception"]);
    stage.assert_allowed();

    // As long as they wait for a restart, that is said; no longer.
    let from = stage.daemon.lines();
    write(stage.root.path(), &format!("{ALLOWED}\n[server]\nworkers = 7\n"));
    stage.daemon.said(from, &["reloaded"]);
    let line = stage.daemon.said(from, &["take effect with a restart only"]);
    assert!(line.contains("keys=server.workers"), "{line}");
    let from = stage.daemon.lines();
    write(stage.root.path(), BLOCKED);
    stage.daemon.said(from, &["reloaded", "−1 exception"]);
    let said = stage.daemon.since(from).join("\n");
    assert!(!said.contains("restart"), "everything is again as it was at the start:\n{said}");
}

#[test]
fn the_level_of_the_log_changes_at_once() {
    let stage = Stage::with(BLOCKED);
    ask(stage.server(), "other.example");
    assert!(!stage.daemon.log().contains("DEBUG"));
    stage.after(|| drop(write(stage.root.path(), "[log]\nlevel = \"debug\"\n")), &["reloaded"]);
    stage.after(|| drop(ask(stage.server(), "other.example")), &["DEBUG", "other.example"]);
}

// -------------------------------------------------------------------------------------------------------- hosts files

/// Puts a link in place of another, or of nothing, at once.
fn link(target: &Path, path: &Path) {
    let beside = path.with_extension("new");
    symlink(target, &beside).unwrap();
    fs::rename(beside, path).unwrap();
}

/// Its names must not go to the upstream because the file cannot be read just now; and all else is followed meanwhile.
#[test]
fn a_hosts_file_that_cannot_be_read_keeps_its_names() {
    const PRINTER: &str = "printer.example.net";
    let config = |root: &Path, text: &str| {
        let hosts = root.join("hosts");
        drop(write(root, &format!("{text}\n[names]\nhosts-files = [{hosts:?}]\n")));
    };
    let stage = Stage::new("stubborn.toml", |root| {
        fs::create_dir(root.join("directory")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(root.join("pipe")).status().unwrap().success());
        fs::File::create(root.join("huge")).unwrap().set_len((32 << 20) + 1).unwrap();
        fs::write(root.join("first"), format!("192.168.1.9 {PRINTER}\n")).unwrap();
        fs::write(root.join("second"), format!("192.168.1.10 {PRINTER}\n")).unwrap();
        link(&root.join("first"), &root.join("hosts"));
        config(root, BLOCKED);
    });
    let hosts = stage.path("hosts");
    // A directory, a pipe that nobody writes into, a file that is too large, and a link to itself.
    for broken in ["directory", "pipe", "huge", "hosts"] {
        let printer = || ask(stage.server(), PRINTER);
        printer().assert_addresses(&["192.168.1.9"]);
        let lost = &["WARN", "its names cannot be read"];
        stage.after(|| link(&stage.path(broken), &hosts), lost);
        printer().assert_addresses(&["192.168.1.9"]);
        stage.after(|| config(stage.root.path(), ALLOWED), &["reloaded", "+1 exception"]);
        printer().assert_addresses(&["192.168.1.9"]);
        stage.assert_allowed();
        stage.after(|| config(stage.root.path(), BLOCKED), &["reloaded", "−1 exception"]);
        // It can be read again, and says something else.
        stage.after(|| link(&stage.path("second"), &hosts), &["reloaded", "hosts file name"]);
        printer().assert_addresses(&["192.168.1.10"]);
        stage.after(|| link(&stage.path("first"), &hosts), &["reloaded", "hosts file name"]);
    }
    // One that is not there has no names, and that is no fault.
    stage.after(|| fs::remove_file(&hosts).unwrap(), &["reloaded", "hosts file name"]);
    assert_eq!(stage.upstream.asked(PRINTER), 0);
    assert_eq!(ask(stage.server(), PRINTER).rcode(), code::NXDOMAIN);
    assert_eq!(stage.upstream.asked(PRINTER), 1);
}

// ------------------------------------------------------------------------------------------------ what is cached

/// The cache lies below the decision.
#[test]
fn a_cached_answer_is_judged_by_the_new_policy_at_once_and_nobody_is_asked() {
    let stage = Stage::with(BLOCKED);
    stage.assert_blocked();
    ask(stage.server(), "other.example").assert_addresses(&["1.1.1.1"]);
    let block_all = "[guard]\nblock = [\"1.1.1.0/24\"]\n";
    for (text, allowed, other) in [
        (ALLOWED, true, true),
        (block_all, false, false),
        (BLOCKED, false, true),
        ("[guard]\nmode = \"monitor\"\n", true, true),
        ("[guard]\nunblock = [\"192.168.0.0/16\"]\n", true, true),
        (BLOCKED, false, true),
    ] {
        stage.after(|| drop(write(stage.root.path(), text)), &["reloaded"]);
        for _ in 0..2 {
            match allowed {
                true => stage.assert_allowed(),
                false => stage.assert_blocked(),
            }
            match other {
                true => ask(stage.server(), "other.example").assert_addresses(&["1.1.1.1"]),
                false => ask(stage.server(), "other.example").assert_blocked(),
            }
            let reply = tcp(stage.server(), &query(NAS, code::A));
            assert_eq!(!reply.is_empty(), allowed, "{reply:?}");
        }
    }
    assert_eq!((stage.upstream.asked(NAS), stage.upstream.asked("other.example")), (1, 1));
}

/// Whatever is cached for a name, what the present configuration says of the name and of the client comes first; and when it
/// says no more, the answer is there still.
#[test]
fn what_is_cached_stands_behind_what_the_configuration_says_now() {
    let stage = Stage::with(BLOCKED);
    let other = || ask(stage.server(), "other.example");
    other().assert_addresses(&["1.1.1.1"]);
    for text in [
        "[[local]]\nname = \"other.example\"\naddresses = [\"10.9.9.9\"]\n",
        "[[local]]\nname = \"*.example\"\naddresses = [\"10.9.9.9\"]\n",
        "[server]\nallow-clients = [\"203.0.113.0/24\"]\n",
        "[guard]\nblock = [\"1.1.1.1/32\"]\n",
    ] {
        stage.after(|| drop(write(stage.root.path(), text)), &["reloaded"]);
        for _ in 0..2 {
            for reply in [other(), tcp(stage.server(), &query("other.example", code::A))] {
                match (text.contains("local"), text.contains("clients")) {
                    (true, _) => reply.assert_addresses(&["10.9.9.9"]),
                    (_, true) => assert_eq!((reply.rcode(), reply.is_empty()), (code::REFUSED, true)),
                    _ => reply.assert_blocked(),
                }
            }
        }
        stage.after(|| drop(write(stage.root.path(), BLOCKED)), &["reloaded"]);
        other().assert_addresses(&["1.1.1.1"]);
    }
    assert_eq!(stage.upstream.asked("other.example"), 1);
}

/// What other servers said is not found on the new route, nor on the old one afterwards if it is not theirs.
#[test]
fn a_name_that_gets_a_route_is_asked_for_there() {
    let stage = Stage::with(BLOCKED);
    let corporate = ScriptedUpstream::of(&[(NAS, "10.1.2.3")]);
    let route = format!(
        "[[route]]\ndomain = \"nas.example\"\nservers = [\"{}\"]\nnetworks = [\"10.0.0.0/8\"]\n",
        corporate.address()
    );
    stage.assert_blocked();
    stage.after(|| drop(write(stage.root.path(), &route)), &["reloaded", "+1 route"]);
    ask(stage.server(), NAS).assert_addresses(&["10.1.2.3"]);
    stage.after(|| drop(write(stage.root.path(), BLOCKED)), &["reloaded", "−1 route"]);
    stage.assert_blocked();
    assert_eq!((stage.upstream.asked(NAS), corporate.asked(NAS)), (1, 1));
}

/// A query keeps the generation it began with; the answer to it is judged anew for whoever asks later.
#[test]
fn a_query_under_way_is_answered_over_a_reload() {
    let gate = Gate::closed();
    let upstream = ScriptedUpstream::start({
        let gate = gate.clone();
        move |call| {
            if call.is_for(NAS) {
                gate.pass();
                return call.address(INSIDE);
            }
            call.rcode(code::NXDOMAIN)
        }
    });
    let root = TempDir::new().unwrap();
    let path = write(root.path(), &format!("{BLOCKED}\n[upstream]\ntimeout = \"30s\"\n"));
    let daemon = Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
    let early = thread::spawn({
        let server = daemon.address();
        move || ask(server, NAS)
    });
    upstream.wait_for(NAS, 1);
    let from = daemon.lines();
    write(root.path(), &format!("{ALLOWED}\n[upstream]\ntimeout = \"30s\"\n"));
    daemon.said(from, &["reloaded", "+1 exception"]);
    let late = thread::spawn({
        let server = daemon.address();
        move || ask(server, NAS)
    });
    gate.open();
    early.join().unwrap().assert_blocked();
    late.join().unwrap().assert_addresses(&[INSIDE]);
    ask(daemon.address(), NAS).assert_addresses(&[INSIDE]);
}

// --------------------------------------------------------------------------------------------------------- under load

const FLIP: &str = "flip.example";
const ONE: &str = "1.1.1.1";
const TWO: &str = "8.8.8.8";

/// The policy that lets the first address pass, or the second.
fn flip(first: bool) -> String {
    let blocked = if first { TWO } else { ONE };
    format!("[guard]\nblock = [\"{blocked}/32\"]\n")
}

/// A client that asks one question after the other until it is told to stop. Each has to be answered, by one policy.
struct Client<'a> {
    server: SocketAddr,
    number: usize,
    stop: &'a AtomicBool,
    asked: &'a AtomicUsize,
}

impl Client<'_> {
    fn run(&self, mut exchange: impl FnMut(&Query) -> support::Reply) {
        let mut count = 0usize;
        while !self.stop.load(Ordering::Relaxed) {
            // Mostly what is cached; now and then a name nobody asked for before.
            let name = match count % 16 {
                7 => format!("n{count}.c{}.{FLIP}", self.number),
                _ => FLIP.to_owned(),
            };
            count += 1;
            let asked = Query { id: u16::try_from(count % 65_536).unwrap(), ..query(&name, code::A) };
            let reply = exchange(&asked);
            assert_eq!(reply.message().id, asked.id, "{reply:?}");
            let addresses = reply.addresses();
            assert!(addresses == [ONE] || addresses == [TWO], "neither policy's answer: {reply:?}");
            self.asked.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn over_udp(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(self.server).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        self.run(|query| {
            socket.send(&query.encode()).unwrap();
            let mut buffer = [0; 1500];
            let length = socket.recv(&mut buffer).expect("a query over UDP was lost");
            support::Reply::new(buffer[..length].to_vec())
        });
    }

    fn over_tcp(&self) {
        use std::io::Read;
        let mut stream = TcpStream::connect(self.server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        self.run(|query| {
            stream.write_all(&framed(&query.encode())).unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).expect("a query over TCP was lost");
            let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut reply).unwrap();
            support::Reply::new(reply)
        });
    }
}

#[test]
fn under_load_no_query_is_lost_and_none_is_answered_by_a_mixture() {
    const RELOADS: u64 = 50;
    let upstream = ScriptedUpstream::start(|call| {
        call.answer([ONE, TWO].map(|address| Record::address(address.parse().unwrap())))
    });
    let root = TempDir::new().unwrap();
    let path = write(root.path(), &flip(true));
    let daemon = Start::new().config(&path).listen("127.0.0.1:0").upstream(upstream.address()).start();
    ask(daemon.address(), FLIP).assert_addresses(&[ONE]);
    let asked_before = upstream.asked(FLIP);
    let (stop, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // Whatever ends this scope ends the clients.
        struct Stop<'a>(&'a AtomicBool);
        impl Drop for Stop<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _stop = Stop(&stop);
        for number in 0..6 {
            let client = Client { server: daemon.address(), number, stop: &stop, asked: &asked };
            scope.spawn(move || if number % 3 == 2 { client.over_tcp() } else { client.over_udp() });
        }
        for reload in 1..=RELOADS {
            let from = daemon.lines();
            let beside = root.path().join("beside");
            fs::write(&beside, flip(reload % 2 == 0)).unwrap();
            fs::rename(beside, &path).unwrap();
            let line = daemon.said(from, &["reloaded"]);
            assert_eq!(number(&line, "generation"), reload + 1, "{line}");
            // Whoever asks after the line was written is answered by the new policy.
            let expected = if reload % 2 == 0 { ONE } else { TWO };
            ask(daemon.address(), FLIP).assert_addresses(&[expected]);
            tcp(daemon.address(), &query(FLIP, code::A)).assert_addresses(&[expected]);
        }
    });
    let asked = asked.load(Ordering::Relaxed);
    assert!(asked > 2000, "only {asked} queries");
    assert_eq!(upstream.asked(FLIP), asked_before, "a reload asks nobody");
    eprintln!("{asked} queries during {RELOADS} reloads");
}
