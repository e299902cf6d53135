//! The servers that systemd-resolved has for single interfaces: from systemd-networkd, and from programs that told it, such
//! as NetworkManager or a VPN.

use super::Root;

/// An interface with servers of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name; its number where it has gone.
    pub name: String,
    /// The servers, as they are written.
    pub servers: Vec<String>,
    /// The domains for which they are asked before all others, without `~`; `.` is every name.
    pub domains: Vec<String>,
    /// NetworkManager manages the interface, and told systemd-resolved.
    pub managed: bool,
}

impl Link {
    /// Whether it is asked for every name, whatever other servers there are.
    pub fn takes_all(&self) -> bool {
        !self.servers.is_empty() && self.domains.iter().any(|domain| domain == ".")
    }
}

/// Where they are written down. Both say not to be parsed; there is nothing else to read
/// without D-Bus, and what is not found here is not known, which is all that depends on it.
const PLACES: [&str; 2] = ["/run/systemd/resolve/netif", "/run/systemd/netif/links"];

/// All of them.
pub fn links(root: &Root) -> Vec<Link> {
    let mut links = Vec::new();
    for directory in PLACES {
        for number in root.names(directory) {
            let text = root.text(format!("{directory}/{number}")).unwrap_or_default();
            let servers = words(&text, &["SERVERS=", "DNS="]);
            let domains = words(&text, &["DOMAINS=", "ROUTE_DOMAINS="]);
            let domains: Vec<String> = domains
                .iter()
                .map(|domain| domain.trim_start_matches('~'))
                .map(|domain| if domain.is_empty() { "." } else { domain }.to_owned())
                .collect();
            if !servers.is_empty() {
                let state = root.text(format!("/run/NetworkManager/devices/{number}"));
                let managed = state.is_some_and(|text| text.lines().any(|line| line == "managed=true"));
                links.push(Link { name: name(root, &number), servers, domains, managed });
            }
        }
    }
    links
}

fn words(text: &str, keys: &[&str]) -> Vec<String> {
    let values = text.lines().filter_map(|line| keys.iter().find_map(|key| line.strip_prefix(key)));
    values.flat_map(|value| value.trim_matches('"').split_whitespace()).map(str::to_owned).collect()
}

fn name(root: &Root, number: &str) -> String {
    let has_number = |name: &&String| {
        root.text(format!("/sys/class/net/{name}/ifindex")).is_some_and(|text| text.trim() == number)
    };
    root.names("/sys/class/net").iter().find(has_number).cloned().unwrap_or_else(|| number.to_owned())
}
