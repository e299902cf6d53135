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

    /// Whether the metrics may be asked for by this value of a Host field, on a connection that came to `local`.
    ///
    /// A page whose own name leads here says that name (it was rebound): so no name will do that is not listed. An address
    /// is nobody's name; still only loopback ones, the one that was connected to, and listed ones are taken.
    pub fn is_for_us(&self, host: &str, local: IpAddr) -> bool {
        let Some(host) = without_port(host) else { return false };
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = address.parse::<IpAddr>() {
            let address = address.to_canonical();
            let listed = || self.hosts.iter().any(|listed| listed.parse() == Ok(address));
            return address.is_loopback() || address == local.to_canonical() || listed();
        }
        let name = host.strip_suffix('.').unwrap_or(host);
        name.eq_ignore_ascii_case("localhost")
            || self.hosts.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }
}

/// RFC 9110 §7.2: `uri-host [ ":" port ]`.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.starts_with('[') {
        true => host.find(']')? + 1,
        false => host.find(':').unwrap_or(host.len()),
    };
    let (host, port) = host.split_at_checked(end)?;
    let is_port = port.strip_prefix(':').is_some_and(|port| port.bytes().all(|octet| octet.is_ascii_digit()));
    (!host.is_empty() && (port.is_empty() || is_port)).then_some(host)
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
            assert_eq!(settings.is_for_us(host, [192, 0, 2, 1].into()), is_ours, "{host:?}");
        }
    }
}
