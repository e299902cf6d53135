//! The resolvers in front, each started by itself and asking stubborn for everything.

#![allow(unreachable_pub)]

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::server::Server;
use crate::support_more::upstream::free_address;
use crate::support_more::{self, DEADLINE};

/// A resolver and all it needs.
pub struct Front {
    server: Server,
    _directory: Option<TempDir>,
}

impl Front {
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }
}

fn configured(text: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    let at = directory.path().display().to_string();
    fs::write(directory.path().join("conf"), text.replace("{at}", &at)).unwrap();
    directory
}

pub fn named(program: &Path, stubborn: SocketAddr) -> Front {
    let address = free_address();
    let directory = configured(&format!(
        "options {{ directory \"{{at}}\"; pid-file none; session-keyfile none; managed-keys-directory \"{{at}}\"; \
         listen-on port {} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }}; forward only; \
         forwarders {{ 127.0.0.1 port {}; }}; dnssec-validation no; recursion yes; empty-zones-enable no; \
         minimal-responses no; max-cache-size 64m; }};\ncontrols {{ }};\n",
        address.port(),
        stubborn.port()
    ));
    let mut command = Command::new(program);
    command.args(["-f", "-g", "-n", "1", "-c"]).arg(directory.path().join("conf"));
    Front { server: Server::start(command, address, "all zones loaded"), _directory: Some(directory) }
}

pub fn unbound(program: &Path, stubborn: SocketAddr) -> Front {
    let address = free_address();
    // Its own answers for names inside are not what this is about.
    let directory = configured(&format!(
        "server:\n interface: {}@{}\n num-threads: 1\n username: \"\"\n chroot: \"\"\n directory: \"{{at}}\"\n \
         pidfile: \"{{at}}/pid\"\n use-syslog: no\n verbosity: 1\n module-config: \"iterator\"\n \
         do-daemonize: no\n do-not-query-localhost: no\n minimal-responses: no\n unblock-lan-zones: yes\n \
         insecure-lan-zones: yes\n local-zone: \"localhost.\" nodefault\n\
         remote-control:\n control-enable: no\n\
         forward-zone:\n name: \".\"\n forward-addr: {}@{}\n",
        address.ip(),
        address.port(),
        stubborn.ip(),
        stubborn.port()
    ));
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(directory.path().join("conf"));
    Front { server: Server::start(command, address, "start of service"), _directory: Some(directory) }
}

fn kresd(program: &Path, stubborn: SocketAddr, policy: &str) -> Front {
    let address = free_address();
    let directory = configured(&format!(
        "net.listen('{}', {}, {{ kind = 'dns' }})\nmodules.unload('ta_update')\n\
         modules.unload('ta_signal_query')\nmodules.unload('priming')\ntrust_anchors.remove('.')\n\
         cache.size = 16 * MB\n\
         policy.add(policy.all(policy.{policy}({{'{}@{}'}})))\nio.stderr:write('it is ready\\n')\n",
        address.ip(),
        address.port(),
        stubborn.ip(),
        stubborn.port()
    ));
    let mut command = Command::new(program);
    command.arg("-n").arg("-c").arg(directory.path().join("conf")).arg(directory.path());
    Front { server: Server::start(command, address, "it is ready"), _directory: Some(directory) }
}

pub fn kresd_stub(program: &Path, stubborn: SocketAddr) -> Front {
    kresd(program, stubborn, "STUB")
}

pub fn kresd_forward(program: &Path, stubborn: SocketAddr) -> Front {
    kresd(program, stubborn, "FORWARD")
}

pub fn dnsmasq(program: &Path, stubborn: SocketAddr) -> Front {
    let address = free_address();
    let directory = configured(&format!(
        "port={}\nlisten-address={}\nbind-interfaces\nno-resolv\nno-hosts\nserver={}#{}\nall-servers\n\
         cache-size=10000\nno-negcache\nuser=root\npid-file={{at}}/pid\nlog-facility=-\n",
        address.port(),
        address.ip(),
        stubborn.ip(),
        stubborn.port()
    ));
    let mut command = Command::new(program);
    command.arg("-k").arg(format!("--conf-file={}", directory.path().join("conf").display()));
    Front { server: Server::start(command, address, "started"), _directory: Some(directory) }
}

pub fn pdns_recursor(program: &Path, stubborn: SocketAddr) -> Front {
    let address = free_address();
    let directory = configured(&format!(
        "local-address={}\nlocal-port={}\nforward-zones-recurse=.={stubborn}\ndont-query=\ndnssec=off\n\
         threads=1\nhint-file=no\nsecurity-poll-suffix=\nserve-rfc1918=no\nexport-etc-hosts=no\ndaemon=no\n\
         disable-syslog=yes\nloglevel=6\nsocket-dir={at}\n",
        address.ip(),
        address.port(),
        at = "{at}"
    ));
    // It looks for a file of this name.
    fs::rename(directory.path().join("conf"), directory.path().join("recursor.conf")).unwrap();
    let mut command = Command::new(program);
    command.arg(format!("--config-dir={}", directory.path().display()));
    Front { server: Server::start(command, address, "Enabled multiplexer"), _directory: Some(directory) }
}

/// The directory that the Debian package was unpacked in. Installed, it would take /etc/resolv.conf over.
const UNPACKED: &str = "STUBBORN_TEST_RESOLVED";

/// Where a program is; says so if it is not there.
pub fn find(name: &str) -> Option<PathBuf> {
    match name {
        "systemd-resolved" => find_resolved(),
        _ => support_more::installed(&[name]).then(|| support_more::find(name))?,
    }
}

fn find_resolved() -> Option<PathBuf> {
    let unpacked = env::var_os(UNPACKED).map(PathBuf::from);
    let roots = unpacked.into_iter().chain([PathBuf::from("/")]);
    let mut places = roots.flat_map(|root| [root.join("usr/lib/systemd"), root.join("lib/systemd")]);
    let found = places.find_map(|place| Some(place.join("systemd-resolved")).filter(|path| path.is_file()));
    if found.is_none() {
        let test = thread::current();
        eprintln!(
            "SKIPPED {}: systemd-resolved is not installed: apt-get download systemd-resolved, dpkg-deb -x it into a \
             directory, and name that in {UNPACKED}",
            test.name().unwrap()
        );
    }
    found
}

/// Only in namespaces of its own with this /etc: it has one address and one place for its configuration.
pub fn resolved(program: &Path, stubborn: SocketAddr, etc: &Path) -> Front {
    let write = |path: &str, text: &str| fs::write(etc.join(path), text).unwrap();
    // It becomes another user, which need not exist where it is not installed, and then reads all this.
    fs::set_permissions(etc, fs::Permissions::from_mode(0o755)).unwrap();
    write("passwd", "root:x:0:0::/:/bin/sh\nsystemd-resolve:x:994:994::/:/bin/false\n");
    write("group", "root:x:0:\nsystemd-resolve:x:994:\n");
    fs::create_dir_all(etc.join("systemd/resolved.conf.d")).unwrap();
    write(
        "systemd/resolved.conf.d/test.conf",
        &format!(
            "[Resolve]\nDNS={stubborn}\nFallbackDNS=\nDNSSEC=no\nDNSOverTLS=no\nCache=yes\n\
             CacheFromLocalhost=yes\nLLMNR=no\nMulticastDNS=no\nReadEtcHosts=no\nDNSStubListener=yes\n"
        ),
    );
    fs::create_dir("/run/systemd").unwrap();
    // By which it says that it listens.
    let notify = UnixDatagram::bind("/run/notify").unwrap();
    fs::set_permissions("/run/notify", fs::Permissions::from_mode(0o777)).unwrap();
    notify.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut command = Command::new(program);
    command.env("NOTIFY_SOCKET", "/run/notify").env("SYSTEMD_LOG_TARGET", "console");
    if let Some(directory) = env::var_os(UNPACKED) {
        let libraries = ["usr/lib", "lib"].map(|root| {
            let root = Path::new(&directory).join(root);
            format!("{}/{}-linux-gnu/systemd", root.display(), env::consts::ARCH)
        });
        command.env("LD_LIBRARY_PATH", libraries.join(":"));
    }
    let server = Server::start(command, "127.0.0.53:53".parse().unwrap(), "");
    let mut said = vec![0; 4096];
    let mut is_ready = false;
    while !is_ready {
        let length = notify.recv(&mut said).expect("systemd-resolved says that it is ready");
        is_ready = said[..length].windows(7).any(|window| window == b"READY=1");
    }
    Front { server, _directory: None }
}
