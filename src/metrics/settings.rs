//! Where metrics can be read, and by whom.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// The `[metrics]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsSettings {
    /// `listen`; none with "off".
    pub listen: Option<SocketAddr>,
    /// `allow-clients`: who may read them; all others are closed.
    pub allow_clients: Vec<IpNet>,
    /// `hosts`: names by which they may be asked for besides `localhost`, in lower case; addresses as they are shown.
    pub hosts: Vec<String>,
}

impl Default for MetricsSettings {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"];
        Self {
            listen: None,
            allow_clients: loopback.iter().filter_map(|net| net.parse().ok()).collect(),
            hosts: Vec::new(),
        }
    }
}

impl MetricsSettings {
    /// Whether `client` may read the metrics.
    pub fn allows(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        self.allow_clients.iter().any(|net| net.contains(&client))
    }

    /// Whether the metrics may be asked for by this host, on a connection that came to `local`.
    ///
    /// A page whose own name leads here says that name (it was rebound): so no name will do that is not listed. An address
    /// is nobody's name; still only loopback ones, the one that was connected to, and listed ones are taken.
    pub(super) fn is_for_us(&self, host: &Host<'_>, local: IpAddr) -> bool {
        match host {
            Host::Address(address) => {
                let address = address.to_canonical();
                let listed = || self.hosts.iter().any(|listed| listed.parse() == Ok(address));
                address.is_loopback() || address == local.to_canonical() || listed()
            }
            Host::Name(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name.eq_ignore_ascii_case("localhost")
                    || self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// The host that a Host field names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

impl<'a> Host<'a> {
    /// Reads `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 3986 §3.2.2): an IPv6 address in brackets, an IPv4 address, or a name
    /// of valid characters; no user, and a valid port.
    pub(super) fn parse(field: &'a str) -> Option<Self> {
        let end = match field.starts_with('[') {
            true => field.find(']')? + 1,
            false => field.find(':').unwrap_or(field.len()),
        };
        let (host, port) = field.split_at_checked(end)?;
        if !port.is_empty() && !port.strip_prefix(':').is_some_and(is_port) {
            return None;
        }
        if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            return address.parse().ok().map(IpAddr::V6).map(Self::Address);
        }
        if let Ok(address) = host.parse() {
            return Some(Self::Address(IpAddr::V4(address)));
        }
        let is_of_names = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&octet);
        (!host.is_empty() && host.bytes().all(is_of_names)).then_some(Self::Name(host))
    }
}

/// An empty port means the scheme's default.
fn is_port(port: &str) -> bool {
    let is_number = port.len() <= 5 && port.bytes().all(|octet| octet.is_ascii_digit());
    port.is_empty() || is_number && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_our_own_address_and_listed_names_are_ours() {
        let settings = MetricsSettings {
            hosts: ["metrics.example", "10.9.8.7"].map(str::to_owned).to_vec(),
            ..MetricsSettings::default()
        };
        for (host, is_ours) in [
            ("localhost", true),
            ("LocalHost:9353", true),
            ("localhost.", true),
            ("127.0.0.1", true),
            ("127.0.0.1:9353", true),
            ("127.9.9.9", true),
            ("[::1]:9353", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("192.0.2.1:9353", true),
            ("192.0.2.2", false),
            ("10.9.8.7", true),
            ("metrics.example", true),
            ("Metrics.Example.:9353", true),
            ("evil.example", false),
            ("evil.example:9353", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("a.localhost", false),
            ("metrics.example.evil", false),
            ("xmetrics.example", false),
            ("", false),
            (":9353", false),
            ("localhost:9353:1", false),
            ("localhost:x", false),
            ("localhost:", true),
            ("localhost:1", true),
            ("localhost:65535", true),
            ("localhost:0", false),
            ("localhost:65536", false),
            ("localhost:999999", false),
            ("localhost:000080", false),
            ("localhost:+80", false),
            ("[::1]:999999", false),
            ("[127.0.0.1]", false),
            ("[127.0.0.1]:9353", false),
            ("[::1%25lo]", false),
            ("[v1.x]", false),
            ("[[::1]]", false),
            ("::1", false),
            ("127.0.0.1]", false),
            ("user@localhost", false),
            ("user:word@localhost", false),
            ("local host", false),
            ("localhost, evil.example", false),
            ("localhost..", false),
            ("bücher", false),
            ("localhost@evil.example", false),
            ("localhost/evil", false),
            ("[::1", false),
            ("[::1]x", false),
            ("[localhost]", false),
            ("0", false),
            ("0.0.0.0", false),
            ("127.1", false),
            ("2130706433", false),
            ("localhost\0", false),
            ("localhost ", false),
        ] {
            let parsed = Host::parse(host);
            let found = parsed.is_some_and(|host| settings.is_for_us(&host, [192, 0, 2, 1].into()));
            assert_eq!(found, is_ours, "{host:?}");
        }
    }
}
