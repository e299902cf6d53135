//! Who has a port, by the kernel's tables of sockets and the descriptors of processes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::processes::process;
use super::{Process, Root};

/// How it is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

/// A socket that waits for anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Where it is bound.
    pub address: SocketAddr,
    /// How it is spoken to.
    pub transport: Transport,
    /// Whose it is: several where it was handed on, as systemd does with a service's; none where this user may not know.
    pub processes: Vec<Process>,
}

impl Holder {
    /// Whether what is sent to `ip` may arrive at it.
    pub fn receives(&self, ip: IpAddr) -> bool {
        match self.address.ip().to_canonical() {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED) => ip.is_ipv4(),
            // It takes IPv4 as well, unless it was told not to, which cannot be seen.
            IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
            exact => exact == ip,
        }
    }
}

/// The kernel's tables, and the state of a socket there that waits for anybody.
const TABLES: [(&str, Transport, &str); 4] = [
    ("/proc/net/udp", Transport::Udp, "07"),
    ("/proc/net/udp6", Transport::Udp, "07"),
    ("/proc/net/tcp", Transport::Tcp, "0A"),
    ("/proc/net/tcp6", Transport::Tcp, "0A"),
];

/// Everybody at `port`. Whose a socket is, root is told; others are told of their own only.
pub fn holders(root: &Root, port: u16) -> Vec<Holder> {
    let mut found: Vec<(u64, Holder)> = Vec::new();
    for (table, transport, waiting) in TABLES {
        let text = root.text(table).unwrap_or_default();
        let sockets = text.lines().skip(1).filter_map(|line| socket(line, waiting));
        let sockets = sockets.filter(|(address, _)| address.port() == port);
        found.extend(
            sockets.map(|(address, inode)| (inode, Holder { address, transport, processes: Vec::new() })),
        );
    }
    if found.is_empty() {
        return Vec::new();
    }
    for pid in root.names("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok()) {
        let descriptors = format!("/proc/{pid}/fd");
        for descriptor in root.names(&descriptors) {
            let Ok(target) = std::fs::read_link(root.at(&descriptors).join(descriptor)) else { continue };
            let Some(inode) = inode(&target.to_string_lossy()) else { continue };
            for (_, holder) in found.iter_mut().filter(|(other, _)| *other == inode) {
                if holder.processes.iter().all(|other| other.pid != pid) {
                    holder.processes.extend(process(root, pid));
                }
            }
        }
    }
    found.into_iter().map(|(_, holder)| holder).collect()
}

/// `socket:[12345]`
fn inode(target: &str) -> Option<u64> {
    target.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Address and inode of a socket in that state (proc(5)).
fn socket(line: &str, waiting: &str) -> Option<(SocketAddr, u64)> {
    let mut words = line.split_whitespace();
    let address = words.nth(1)?;
    let state = words.nth(1)?;
    let inode = words.nth(5)?.parse().ok()?;
    if state != waiting {
        return None;
    }
    let (ip, port) = address.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(address_of(ip)?, port), inode))
}

/// The kernel writes each four octets as a number of its own, in the machine's order.
fn address_of(text: &str) -> Option<IpAddr> {
    let word = |index: usize| -> Option<[u8; 4]> {
        let digits = text.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => word(0).map(|octets| Ipv4Addr::from(octets).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let octets: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(octets)))
        }
        _ => None,
    }
}
