//! resolv.conf(5), read by hickory's parser.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use hickory_resolver::config::ResolverConfig;

use super::{Found, Skip};
use crate::dns::Name;
use crate::files;

/// The most that is read of a file.
pub(super) const MAX_SIZE: u64 = 64 << 10;

/// The port of every server in a resolv.conf.
const PORT: u16 = 53;

pub(super) struct Parsed {
    /// Each server, and why it cannot be asked if that is plain already.
    pub(super) servers: Vec<(SocketAddr, Option<Skip>)>,
    pub(super) search: Vec<Name>,
}

fn parsed(config: &ResolverConfig, mut zones: Zones) -> Parsed {
    let servers = config.name_servers().iter().map(|server| zones.complete(server.ip)).collect();
    let search = config.search().iter().filter_map(|name| Name::from_text(&name.to_ascii()).ok()).collect();
    Parsed { servers, search }
}

/// The interfaces of scoped IPv6 servers: hickory's parser refuses an interface name with `-` or `.` in it (`br-lan`,
/// `eth0.2`) and drops all others, so they are taken out of the text before and put to the addresses after.
#[derive(Default)]
struct Zones(Vec<(IpAddr, Option<String>)>);

impl Zones {
    fn complete(&mut self, ip: IpAddr) -> (SocketAddr, Option<Skip>) {
        let known = self.0.iter().position(|(scoped, _)| *scoped == ip);
        let zone = known.and_then(|index| self.0.remove(index).1);
        match (SocketAddr::new(ip, PORT), zone) {
            (SocketAddr::V6(mut address), Some(zone)) => match interface(&address.ip().to_string(), &zone) {
                Some(number) => {
                    address.set_scope_id(number);
                    (address.into(), None)
                }
                None => (address.into(), Some(Skip::UnknownInterface)),
            },
            (SocketAddr::V6(address), None) if address.ip().is_unicast_link_local() => {
                (address.into(), Some(Skip::NoInterface))
            }
            (address, _) => (address, None),
        }
    }
}

/// The number of an interface. getaddrinfo(3) knows it without `unsafe`; given a numeric address it asks no server.
fn interface(ip: &str, zone: &str) -> Option<u32> {
    use std::net::ToSocketAddrs;
    if let Ok(number) = zone.parse() {
        return Some(number);
    }
    (format!("{ip}%{zone}").as_str(), PORT).to_socket_addrs().ok()?.find_map(|address| match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => Some(v6.scope_id()),
        _ => None,
    })
}

#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
pub(super) fn read(path: &Path) -> Result<Parsed, Found> {
    use hickory_resolver::system_conf::parse_resolv_conf;
    use std::io::ErrorKind;

    let octets = files::read(path, MAX_SIZE).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Found::Missing,
        ErrorKind::FileTooLarge => Found::TooLarge,
        ErrorKind::InvalidInput => Found::NotAFile,
        kind => Found::Unreadable(kind),
    })?;
    let (text, zones) = without_zones(&String::from_utf8_lossy(&octets));
    // One search domain that is no name makes hickory refuse the file; the servers are worth more than the search list.
    let servers_only =
        || -> String { text.lines().filter(|line| is_server(line)).flat_map(|l| [l, "\n"]).collect() };
    let config = parse_resolv_conf(&text).or_else(|_| parse_resolv_conf(servers_only()));
    config.map(|(config, _)| parsed(&config, zones)).map_err(|_| Found::NoServer)
}

#[cfg(not(all(unix, not(any(target_os = "android", target_vendor = "apple")))))]
pub(super) fn read(_: &Path) -> Result<Parsed, Found> {
    let config = hickory_resolver::system_conf::read_system_conf();
    config.map(|(config, _)| parsed(&config, Zones::default())).map_err(|_| Found::NoServer)
}

#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
fn is_server(line: &str) -> bool {
    line.split_whitespace().next() == Some("nameserver")
}

#[cfg(all(unix, not(any(target_os = "android", target_vendor = "apple"))))]
fn without_zones(text: &str) -> (String, Zones) {
    let mut plain = String::with_capacity(text.len());
    let mut zones = Zones::default();
    for line in text.lines() {
        let scoped = line.split_whitespace().nth(1).and_then(|server| server.split_once('%'));
        match scoped {
            Some((address, zone)) if is_server(line) => {
                plain.extend(["nameserver ", address]);
                zones.0.extend(address.parse().map(|ip| (ip, Some(zone.to_owned()))));
            }
            _ => {
                plain.push_str(line);
                if let Some(Ok(ip)) =
                    line.split_whitespace().nth(1).map(str::parse).filter(|_| is_server(line))
                {
                    zones.0.push((ip, None));
                }
            }
        }
        plain.push('\n');
    }
    (plain, zones)
}
