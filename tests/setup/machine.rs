//! A machine made for a test, in network and mount namespaces of its own.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use stubborn::audit::cases::Action;
use stubborn::audit::run::ask_udp;
use tempfile::TempDir;

use crate::support_more::process::PROGRAM;
use crate::support_more::{Call, Process, ScriptedUpstream, Start, ip, run};

pub const RESOLV_CONF: &str = "/etc/resolv.conf";
pub const ROUTER: &str = "192.0.2.1:53";
pub const SOCKET: &str = "/run/stubborn/control.sock";
/// What imitations were run with, a line each.
pub const LOG: &str = "/run/log";
/// While this is there, systemd-resolved does not what it is told.
pub const DEAF: &str = "/run/deaf";
/// While this is there, systemd-resolved refuses every question.
pub const REFUSES: &str = "/run/refuses";
/// While this is there, the router refuses every question.
pub const NO_UPSTREAM: &str = "/run/no-upstream";
pub const PLAIN: &str = "# by hand\nnameserver 192.0.2.1\nsearch lan\n";
pub const STUB: &str = "nameserver 127.0.0.53\noptions edns0 trust-ad\n";

/// A machine: what stands in its `/etc`, `/run` and `/var/lib` is seen by everything the test starts.
pub struct Machine {
    pub directory: TempDir,
    _router: ScriptedUpstream,
    stub: Option<ScriptedUpstream>,
    children: Vec<Child>,
}

impl Machine {
    pub fn new() -> Self {
        ip("link set lo up");
        ip("addr add 192.0.2.1/32 dev lo");
        ip("addr add 192.0.2.2/32 dev lo");
        let directory = TempDir::new().unwrap();
        for name in ["etc/stubborn", "lib", "bin"] {
            fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        run("mount", &["--make-rprivate", "/"]);
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        run("mount", &["--bind", &at("etc"), "/etc"]);
        run("mount", &["--bind", &at("lib"), "/var/lib"]);
        run("mount", &["-t", "tmpfs", "tmpfs", "/run"]);
        fs::create_dir("/run/stubborn").unwrap();
        // An answer of anybody's, for every name.
        let router = ScriptedUpstream::at(ROUTER.parse().unwrap(), |call| {
            if Path::new(NO_UPSTREAM).exists() { call.rcode(5) } else { call.address("1.1.1.1") }
        });
        let machine = Self { directory, _router: router, stub: None, children: Vec::new() };
        for program in ["systemctl", "nmcli", "resolvectl", "resolvconf"] {
            machine.imitation(program, "");
        }
        machine
    }

    /// A program in the place of the real one, which notes how it is run.
    pub fn imitation(&self, program: &str, script: &str) {
        let path = self.directory.path().join("bin").join(program);
        let new = path.with_extension("new");
        fs::write(&new, format!("#!/bin/sh\necho {program} \"$@\" >> {LOG}\n{script}\n")).unwrap();
        fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
        // A shell that still runs the old script goes on reading the old file.
        fs::rename(new, path).unwrap();
    }

    /// Ends what [`Self::program`] started.
    pub fn ended(&mut self) {
        for mut child in self.children.drain(..) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// A process of that name that does nothing; it ends with the machine.
    pub fn program(&mut self, name: &str) {
        let path = self.directory.path().join("bin").join(name);
        fs::copy("/bin/sleep", &path).unwrap();
        self.children.push(Command::new(path).arg("1000").spawn().unwrap());
    }

    pub fn stubborn(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        let path =
            format!("{}:{}", self.directory.path().join("bin").display(), std::env::var("PATH").unwrap());
        command.args(arguments).env("PATH", path).env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null());
        command
    }

    /// Its exit code, and everything it said.
    #[track_caller]
    pub fn says(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.stubborn(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        (output.status.code(), said.into_owned())
    }

    #[track_caller]
    pub fn does(&self, arguments: &[&str]) -> String {
        let (code, said) = self.says(arguments);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        said
    }

    /// Whom the daemon asks.
    pub fn upstreams(&self) -> Vec<String> {
        let status: serde_json::Value = serde_json::from_str(&self.does(&["status", "--json"])).unwrap();
        let upstreams = status["upstreams"].as_array().unwrap();
        upstreams.iter().map(|upstream| upstream["server"].as_str().unwrap().to_owned()).collect()
    }

    /// systemd-resolved, as far as it can be told from outside: once restarted it asks whom its drop-in names, and says so
    /// in the file of its servers.
    pub fn resolved(&mut self) {
        self.program("systemd-resolve");
        make("/run/systemd/resolve/stub-resolv.conf", STUB);
        make("/run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n");
        symlink("../run/systemd/resolve/stub-resolv.conf", RESOLV_CONF).unwrap();
        self.imitation("systemctl", RESTART);
        self.stub.get_or_insert_with(|| ScriptedUpstream::at("127.0.0.53:53".parse().unwrap(), told));
    }
}

/// An answer from whom systemd-resolved was told to ask, unless it is deaf.
pub fn told(call: &Call) -> Vec<Action> {
    match fs::read_to_string("/run/told").unwrap_or_default().trim() {
        _ if Path::new(REFUSES).exists() => call.rcode(5),
        _ if Path::new(DEAF).exists() => passed_on(call, ROUTER),
        "" => passed_on(call, ROUTER),
        server => passed_on(call, &format!("{server}:53")),
    }
}

/// What a restart does to systemd-resolved.
pub const RESTART: &str = "\
file=/etc/systemd/resolved.conf.d/zz-stubborn.conf
told=$(sed -n 's/^DNS=\\(..*\\)/\\1/p' $file 2>/dev/null)
echo \"$told\" > /run/told
{ [ -z \"$told\" ] || echo nameserver $told; echo nameserver 192.0.2.1; } > /run/systemd/resolve/new
mv /run/systemd/resolve/new /run/systemd/resolve/resolv.conf";

impl Drop for Machine {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _killed = child.kill();
            let _status = child.wait();
        }
        // What an imitation of a service manager started.
        for name in ["/run/stubborn.pid", "/run/dnsmasq.pid"] {
            if let Ok(pid) = fs::read_to_string(name) {
                let _ended = Command::new("kill").args(["-9", pid.trim()]).status();
            }
        }
    }
}

pub fn passed_on(call: &Call, server: &str) -> Vec<Action> {
    let reply = ask_udp(server.parse().unwrap(), &call.wire, Duration::from_secs(5));
    reply.map_or(Vec::new(), |reply| vec![Action::Send(reply)])
}

/// Writes a file, where it is the machine's own.
pub fn make(path: &str, text: &str) {
    assert!(["/etc/", "/run/"].iter().any(|own| path.starts_with(own)), "{path}");
    fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

pub fn daemon() -> Process {
    Start::new().socket(Path::new(SOCKET)).start()
}

pub fn local() -> SocketAddr {
    "127.0.0.1:53".parse().unwrap()
}

/// What was run, in order.
pub fn commands() -> Vec<String> {
    fs::read_to_string(LOG).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Everything in `/etc` and `/var/lib`: names, modes, owners, contents, targets of links.
pub fn tree() -> Vec<(PathBuf, u32, u32, Vec<u8>)> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("/etc"), PathBuf::from("/var/lib")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let content = if metadata.is_file() {
                fs::read(&path).unwrap()
            } else if metadata.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else {
                directories.push(path.clone());
                Vec::new()
            };
            found.push((path, metadata.mode(), metadata.uid(), content));
        }
    }
    found.sort();
    found
}
