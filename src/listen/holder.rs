//! Which program holds a port: for the message that a port is busy.

use std::fs;
use std::net::{IpAddr, SocketAddr};

/// Names the process that is bound to `address`'s port over UDP or TCP, as far as `/proc` shows it to us.
pub(super) fn holder_of(address: SocketAddr) -> Option<String> {
    let (name, pid) = process_at(address)?;
    Some(format!("{name} (process {pid})"))
}

/// Whether `/proc` shows that another program than stubborn has `address`. A service manager may hold it for stubborn.
pub fn is_held_by_another(address: SocketAddr) -> bool {
    process_at(address).is_some_and(|(name, pid)| !name.starts_with("stubborn") && pid != "1")
}

fn process_at(address: SocketAddr) -> Option<(String, String)> {
    let inodes: Vec<String> =
        ["udp", "udp6", "tcp", "tcp6"].iter().flat_map(|table| sockets_at(table, address)).collect();
    if inodes.is_empty() {
        return None;
    }
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid = entry
            .file_name()
            .into_string()
            .ok()
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
        let holds = fs::read_dir(entry.path().join("fd")).ok()?.flatten().any(|fd| {
            fs::read_link(fd.path()).is_ok_and(|target| {
                let target = target.to_string_lossy();
                inodes.iter().any(|inode| *target == format!("socket:[{inode}]"))
            })
        });
        let name = fs::read_to_string(entry.path().join("comm")).ok().filter(|_| holds)?;
        Some((name.trim().to_owned(), pid))
    })
}

/// The inodes of sockets in `/proc/net/TABLE` that keep `address` from being bound.
fn sockets_at(table: &str, address: SocketAddr) -> Vec<String> {
    let Ok(text) = fs::read_to_string(format!("/proc/net/{table}")) else { return Vec::new() };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (ip, port) = fields.get(1)?.split_once(':')?;
            let port = u16::from_str_radix(port, 16).ok()?;
            let ip = parse_hex(ip)?;
            let clashes = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
            // A TCP socket that only has a connection from this port (state other than LISTEN, 0A) is not a holder.
            let holds = !table.starts_with("tcp") || fields.get(3) == Some(&"0A");
            (port == address.port() && clashes && holds).then(|| fields.get(9).map(ToString::to_string))?
        })
        .collect()
}

/// An address as `/proc/net` writes it: 32-bit words in the machine's byte order.
fn parse_hex(text: &str) -> Option<IpAddr> {
    let words: Vec<u32> = text
        .as_bytes()
        .chunks(8)
        .filter_map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        .collect();
    let octets: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_busy_port_is_named() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let holder = holder_of(socket.local_addr().unwrap()).unwrap();
        assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
    }
}
