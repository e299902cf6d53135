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
    /// NetworkManager has set the interface up, and tells systemd-resolved.
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
const PLACES: [&str; 2] = [TOLD, "/run/systemd/netif/links"];
const TOLD: &str = "/run/systemd/resolve/netif";

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
                let managed = directory == TOLD && is_managed(root, &number);
                links.push(Link { name: name(root, &number), servers, domains, managed });
            }
        }
    }
    links
}

/// An interface that somebody else has set up NetworkManager knows as well, by a profile that it makes up.
fn is_managed(root: &Root, number: &str) -> bool {
    let state = root.text(format!("/run/NetworkManager/devices/{number}")).unwrap_or_default();
    let Some(profile) = state.lines().find_map(|line| line.strip_prefix("connection-uuid=")) else {
        return false;
    };
    let profiles = "/run/NetworkManager/system-connections";
    let texts = root.names(profiles).into_iter().filter_map(|name| root.text(format!("{profiles}/{name}")));
    !texts.into_iter().any(|text| text.contains(profile) && text.contains("external=true"))
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
