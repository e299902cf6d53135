//! Where to listen, and whom to answer.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

/// The `[server]` table, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenSettings {
    /// `listen`: plain DNS, UDP and TCP on each.
    pub listen: Vec<SocketAddr>,
    /// `allow-clients`: who may ask; others get REFUSED.
    pub allow_clients: Vec<IpNet>,
    /// `workers`: threads that serve clients; `None` is "auto", one for each core at most four.
    pub workers: Option<usize>,
    /// `tcp-connections`: TCP connections open at a time.
    pub tcp_connections: usize,
    /// `tcp-connections-per-client`: the same for one client address.
    pub tcp_connections_per_client: usize,
    /// `tcp-idle-timeout`: how long a TCP connection may stay silent (RFC 7766 §6.2.3).
    pub tcp_idle_timeout: Duration,
}

impl Default for ListenSettings {
    fn default() -> Self {
        Self {
            listen: vec![
                SocketAddr::from(([127, 0, 0, 1], 53)),
                SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 53)),
            ],
            allow_clients: group("loopback").into_iter().chain(group("private")).flatten().collect(),
            workers: None,
            tcp_connections: 256,
            tcp_connections_per_client: 32,
            tcp_idle_timeout: Duration::from_secs(10),
        }
    }
}

/// The networks behind a name of `allow-clients`.
pub fn group(name: &str) -> Option<Vec<IpNet>> {
    let networks: &[&str] = match name {
        "loopback" => &["127.0.0.0/8", "::1/128"],
        "private" => &[
            "10.0.0.0/8",
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",
            "169.254.0.0/16",
            "fc00::/7",
            "fe80::/10",
        ],
        "any" => &["0.0.0.0/0", "::/0"],
        _ => return None,
    };
    Some(networks.iter().filter_map(|net| net.parse().ok()).collect())
}
