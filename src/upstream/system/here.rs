//! What "this daemon" is: the sockets we answer on, and what reaches them.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// Docker's own server, at the same address in every container. Rules of the container's firewall take what is sent there
/// to dockerd, on a port of its own, so that it never reaches a socket that listens on every address.
const DOCKER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), 53);

/// Files that Docker and Podman put into every container.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Set by other programs that make containers (<https://systemd.io/CONTAINER_INTERFACE>).
const CONTAINER_VARIABLE: &str = "container";

/// What decides whether a server is this daemon.
#[derive(Debug, Clone, Copy)]
pub struct Here<'a> {
    /// The sockets we answer on.
    pub listening: &'a [SocketAddr],
    /// The addresses of this host.
    pub own: &'a [IpAddr],
    /// This is a container, where the address of Docker's server leads elsewhere.
    pub in_container: bool,
}

impl Here<'_> {
    /// Whether what is sent to `server` arrives at one of our sockets.
    pub(super) fn is_ours(&self, server: SocketAddr) -> bool {
        let ip = reached(server.ip());
        let is_elsewhere = self.in_container && SocketAddr::new(ip, server.port()) == DOCKER;
        self.listening.iter().filter(|socket| socket.port() == server.port()).any(|socket| {
            match socket.ip().to_canonical() {
                IpAddr::V4(Ipv4Addr::UNSPECIFIED) => {
                    !is_elsewhere && ip.is_ipv4() && (ip.is_loopback() || self.has(ip))
                }
                // A wildcard of IPv6 takes IPv4 as well unless IPV6_V6ONLY is set (ipv6(7)). Where it is, calling an IPv4
                // server ours costs a server; the other way round it costs a loop.
                IpAddr::V6(Ipv6Addr::UNSPECIFIED) => !is_elsewhere && (ip.is_loopback() || self.has(ip)),
                exact => exact == ip && same_link(*socket, server),
            }
        })
    }

    fn has(&self, ip: IpAddr) -> bool {
        self.own.iter().any(|own| own.to_canonical() == ip)
    }
}

/// Where a packet to `ip` arrives: one to the unspecified address goes to loopback.
fn reached(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        other => other,
    }
}

/// fe80::1 of one link is another host than fe80::1 of the next; a missing scope may be any.
fn same_link(a: SocketAddr, b: SocketAddr) -> bool {
    match (a, b) {
        (SocketAddr::V6(a), SocketAddr::V6(b)) => {
            a.scope_id() == b.scope_id() || a.scope_id() == 0 || b.scope_id() == 0
        }
        _ => true,
    }
}

/// Whether the address is that of Docker's server, which may be another program even where we listen on every address.
pub fn may_be_docker(address: SocketAddr) -> bool {
    address == DOCKER
}

/// Whether this program runs in a container.
pub fn in_container() -> bool {
    let variable = std::env::var_os(CONTAINER_VARIABLE);
    is_container(|path| Path::new(path).exists(), variable.as_deref())
}

fn is_container(exists: impl Fn(&str) -> bool, variable: Option<&OsStr>) -> bool {
    variable.is_some_and(|value| !value.is_empty()) || CONTAINER_FILES.into_iter().any(exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_known_by_its_files_or_its_environment() {
        for (files, variable, expected) in [
            (&[][..], None, false),
            (&["/.dockerenv"], None, true),
            (&["/run/.containerenv"], None, true),
            (&["/etc/hostname", "/run/systemd"], None, false),
            (&[], Some("podman"), true),
            (&[], Some("systemd-nspawn"), true),
            (&[], Some(""), false),
            (&["/.dockerenv"], Some(""), true),
        ] {
            let found = is_container(|path| files.contains(&path), variable.map(OsStr::new));
            assert_eq!(found, expected, "{files:?} {variable:?}");
        }
    }

    #[test]
    fn docker_s_server_is_ours_where_we_listen_on_its_address_or_there_is_no_docker() {
        const ANY: &[&str] = &["0.0.0.0:53", "[::]:53"];
        for (server, listening, in_container, expected) in [
            ("127.0.0.11:53", ANY, true, false),
            ("127.0.0.11:53", ANY, false, true),
            ("127.0.0.11:53", &["0.0.0.0:53"], true, false),
            ("127.0.0.11:53", &["[::]:53"], true, false),
            ("127.0.0.11:53", &["[::]:53"], false, true),
            ("[::ffff:127.0.0.11]:53", ANY, true, false),
            ("[::ffff:127.0.0.11]:53", ANY, false, true),
            ("127.0.0.11:53", &["127.0.0.11:53"], true, true),
            ("127.0.0.11:53", &["0.0.0.0:53", "127.0.0.11:53"], true, true),
            ("127.0.0.11:53", &["127.0.0.1:53"], false, false),
            // Docker's rules are for port 53 only.
            ("127.0.0.11:5353", &["0.0.0.0:5353"], true, true),
            ("127.0.0.1:53", ANY, true, true),
            ("127.0.0.12:53", ANY, true, true),
            ("0.0.0.0:53", ANY, true, true),
            ("[::1]:53", ANY, true, true),
            ("172.17.0.2:53", ANY, true, true),
        ] {
            let sockets: Vec<SocketAddr> = listening.iter().map(|text| text.parse().unwrap()).collect();
            let own = ["172.17.0.2".parse().unwrap()];
            let here = Here { listening: &sockets, own: &own, in_container };
            assert_eq!(
                here.is_ours(server.parse().unwrap()),
                expected,
                "{server} {listening:?} {in_container}"
            );
        }
    }
}
