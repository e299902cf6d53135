//! The resolvers. Each is started so that it forwards everything to the daemon and caches the answers.

#![allow(unreachable_pub)]

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::support_more::find;

/// A resolver that only needs a configuration file.
pub struct Program {
    pub name: &'static str,
    /// `{dir}`, `{ip}`, `{port}`, `{to}` and `{to_port}` are filled in.
    config: &'static str,
    /// The same.
    arguments: &'static [&'static str],
}

pub const BIND: Program = Program {
    name: "named",
    config: r#"options {
    directory "{dir}"; pid-file "{dir}/pid"; session-keyfile "{dir}/session";
    listen-on port {port} { {ip}; }; listen-on-v6 { none; };
    forward only; forwarders { {to} port {to_port}; };
    recursion yes; dnssec-validation no; empty-zones-enable no;
};
controls { };
"#,
    arguments: &["-g", "-c", "{dir}/config"],
};

pub const UNBOUND: Program = Program {
    name: "unbound",
    config: r#"server:
    interface: {ip}@{port}
    username: ""
    chroot: ""
    directory: "{dir}"
    pidfile: "{dir}/pid"
    use-syslog: no
    do-not-query-localhost: no
    module-config: "iterator"
remote-control:
    control-enable: no
forward-zone:
    name: "."
    forward-addr: {to}@{to_port}
"#,
    arguments: &["-d", "-c", "{dir}/config"],
};

pub const KNOT_RESOLVER: Program = Program {
    name: "kresd",
    config: r#"net.listen('{ip}', {port}, { kind = 'dns' })
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('priming')
trust_anchors.remove('.')
cache.size = 10 * MB
policy.add(policy.all(policy.FORWARD({'{to}@{to_port}'})))
"#,
    arguments: &["-n", "-c", "{dir}/config", "{dir}"],
};

/// A running resolver; ended when dropped.
pub struct Front {
    child: Child,
    _directory: TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Program {
    pub fn start(&self, listen: SocketAddr, forward_to: SocketAddr) -> Front {
        let directory = TempDir::new().unwrap();
        let fill = |text: &str| {
            text.replace("{dir}", &directory.path().display().to_string())
                .replace("{ip}", &listen.ip().to_string())
                .replace("{port}", &listen.port().to_string())
                .replace("{to}", &forward_to.ip().to_string())
                .replace("{to_port}", &forward_to.port().to_string())
        };
        fs::write(directory.path().join("config"), fill(self.config)).unwrap();
        let mut command = Command::new(find(self.name).unwrap());
        command.args(self.arguments.iter().map(|argument| fill(argument))).current_dir(directory.path());
        Front { child: quiet(&mut command), _directory: directory }
    }
}

fn quiet(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// systemd-resolved, which reads its configuration from /etc and listens on an address of its own: in namespaces only.
pub mod resolved {
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

    use super::{Command, Front, PathBuf, fs, quiet};
    use crate::support_more::namespace::etc;

    pub const ADDRESS: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 53), 53));

    /// The directory that the Debian package was unpacked in. Installed, it would take /etc/resolv.conf over.
    const UNPACKED: &str = "STUBBORN_TEST_RESOLVED";

    /// Where the program is; says so if it is not there.
    pub fn program() -> Option<PathBuf> {
        let unpacked = std::env::var_os(UNPACKED).map_or_else(|| PathBuf::from("/"), PathBuf::from);
        let places =
            ["lib/systemd", "usr/lib/systemd"].map(|place| unpacked.join(place).join("systemd-resolved"));
        let found = places.into_iter().find(|path| path.is_file());
        if found.is_none() {
            let test = std::thread::current();
            eprintln!(
                "SKIPPED {}: systemd-resolved is not installed: apt-get download systemd-resolved, dpkg-deb -x it into a \
                 directory, and name that in {UNPACKED}",
                test.name().unwrap()
            );
        }
        found
    }

    pub fn start(program: &PathBuf, forward_to: SocketAddr) -> Front {
        let users = fs::read_to_string("/etc/passwd").unwrap();
        let groups = fs::read_to_string("/etc/group").unwrap();
        let directory = etc(None);
        // The account that it runs as; its package would create it.
        fs::write(
            directory.path().join("passwd"),
            format!("systemd-resolve:x:990:990::/:/usr/sbin/nologin\n{users}"),
        )
        .unwrap();
        fs::write(directory.path().join("group"), format!("systemd-resolve:x:990:\n{groups}")).unwrap();
        fs::create_dir(directory.path().join("systemd")).unwrap();
        let config = format!(
            "[Resolve]\nDNS={forward_to}\nFallbackDNS=\nDomains=~.\nDNSSEC=no\nCache=yes\nLLMNR=no\nMulticastDNS=no\n"
        );
        fs::write(directory.path().join("systemd/resolved.conf"), config).unwrap();
        fs::create_dir("/run/systemd").unwrap();
        Front { child: quiet(&mut Command::new(program)), _directory: directory }
    }
}
