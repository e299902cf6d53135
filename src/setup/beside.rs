//! The files of dnsmasq and Pi-hole with stubborn as their upstream, and stubborn's own with two of its keys set: texts in,
//! texts out. What was asked before is returned in the form of `[upstream] servers`.

use toml_edit::{Array, DocumentMut, Item, Table, Value, value};

/// A text as it is to be, and the servers that were asked before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Changed {
    pub(super) text: String,
    pub(super) servers: Vec<String>,
}

/// dnsmasq's lines with the servers for all names commented out; those for single domains stay.
pub(super) fn without_servers(text: &str) -> Changed {
    let mut changed = Changed::default();
    for line in text.split_inclusive('\n') {
        if let Some(server) = setting(line, "server").filter(|server| !server.starts_with('/')) {
            changed.servers.extend(endpoint(server));
            changed.text.push_str("# stubborn setup: ");
        }
        changed.text.push_str(line);
    }
    changed
}

/// The value of a dnsmasq setting, if the line is one.
pub(super) fn setting<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (found, value) = line.split_once('=')?;
    (found.trim() == key)
        .then_some(value.split('#').next().map_or(value, |bare| {
            // `#` stands before a port too; a comment has a blank before it.
            if bare.ends_with([' ', '\t']) { bare } else { value }
        }))
        .map(str::trim)
}

/// `setupVars.conf` of Pi-hole before version 6.
pub(super) fn setup_vars(text: &str, target: &str) -> Changed {
    let mut changed = Changed::default();
    for line in text.split_inclusive('\n') {
        match line.strip_prefix("PIHOLE_DNS_").and_then(|rest| rest.split_once('=')) {
            Some((_, server)) => changed.servers.extend(endpoint(server.trim())),
            None => changed.text.push_str(line),
        }
    }
    if !changed.text.is_empty() && !changed.text.ends_with('\n') {
        changed.text.push('\n');
    }
    changed.text.push_str(&format!("PIHOLE_DNS_1={target}\n"));
    changed
}

/// The upstreams in the `pihole.toml` of Pi-hole from version 6 on, as they are written.
pub(super) fn pihole_upstreams(text: &str) -> Result<Vec<String>, String> {
    let document: DocumentMut = text.parse().map_err(|_| "it is not TOML".to_owned())?;
    let list = document.get("dns").and_then(|dns| dns.get("upstreams")).and_then(Item::as_array);
    Ok(list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// A TOML file with `[table] key` a list of these; comments and order stay.
pub(super) fn with_list(text: &str, table: &str, key: &str, values: &[String]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|_| "it is not TOML".to_owned())?;
    let list: Array = values.iter().map(String::as_str).collect();
    let item = document.entry(table).or_insert_with(|| Item::Table(Table::new()));
    let keys = item.as_table_like_mut().ok_or_else(|| format!("its `{table}` is not a table"))?;
    match keys.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) => {
            let decor = old.decor().clone();
            *old = Value::Array(list);
            *old.decor_mut() = decor;
        }
        None => {
            keys.insert(key, value(list));
        }
    }
    Ok(document.to_string())
}

/// dnsmasq's `ADDRESS[#PORT][@INTERFACE]` as stubborn writes a server; nothing of what is not an address.
pub(super) fn endpoint(text: &str) -> Option<String> {
    let text = text.split('@').next().unwrap_or(text);
    let (ip, port) = text.split_once('#').unwrap_or((text, "53"));
    let ip: std::net::IpAddr = ip.parse().ok()?;
    let port: u16 = port.parse().ok()?;
    Some(if port == 53 { ip.to_string() } else { std::net::SocketAddr::new(ip, port).to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_for_all_names_go_and_those_for_domains_stay() {
        let text = "# a\nserver=9.9.9.9\n server = 1.1.1.1#5353@eth0 # b\nserver=/corp.example/10.0.0.53\n\
                    server=//\nserver=2620:fe::fe\nserver=dns.example\nlocal=/lan/\nserver-x=1";
        let changed = without_servers(text);
        assert_eq!(changed.servers, ["9.9.9.9", "1.1.1.1:5353", "2620:fe::fe"]);
        let kept: Vec<&str> = changed.text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(kept, ["server=/corp.example/10.0.0.53", "server=//", "local=/lan/", "server-x=1"]);
        assert_eq!(changed.text.replace("# stubborn setup: ", ""), text);
    }

    #[test]
    fn pi_hole_asks_stubborn_and_nobody_else() {
        let old = "PIHOLE_INTERFACE=eth0\nPIHOLE_DNS_1=8.8.8.8\nPIHOLE_DNS_2=2001:4860::1#5300\nDNSSEC=false";
        let changed = setup_vars(old, "127.0.0.1#5335");
        assert_eq!(changed.text, "PIHOLE_INTERFACE=eth0\nDNSSEC=false\nPIHOLE_DNS_1=127.0.0.1#5335\n");
        assert_eq!(changed.servers, ["8.8.8.8", "[2001:4860::1]:5300"]);

        let old = "[dns]\n  # Array of upstreams\n  upstreams = [\n    \"8.8.8.8\",\n    \"8.8.4.4#53\"\n  ] ### CHANGED\n";
        assert_eq!(pihole_upstreams(old).unwrap(), ["8.8.8.8", "8.8.4.4#53"]);
        assert!(pihole_upstreams("[dns").is_err() && pihole_upstreams("dns = 1").unwrap().is_empty());
    }

    #[test]
    fn a_list_is_set_where_it_is_and_where_it_is_not() {
        let list = ["127.0.0.1:5335".to_owned()];
        for (old, new) in [
            ("", "[server]\nlisten = [\"127.0.0.1:5335\"]\n"),
            (
                "# a\n[guard]\nmode = \"enforce\"\n",
                "# a\n[guard]\nmode = \"enforce\"\n\n[server]\nlisten = [\"127.0.0.1:5335\"]\n",
            ),
            (
                "[server]\nlisten = [\"127.0.0.1\"] # b\nworkers = 1\n",
                "[server]\nlisten = [\"127.0.0.1:5335\"] # b\nworkers = 1\n",
            ),
        ] {
            assert_eq!(with_list(old, "server", "listen", &list).unwrap(), new);
        }
    }
}
