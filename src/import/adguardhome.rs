//! AdGuardHome.yaml: what is below `dns`, and the rewrites below `filtering`.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::ImportError;
use super::draft::{Draft, Setting, reverse_zones, with_port};
use super::tables::{ADGUARD, ADGUARD_TABLES, BLOCKING, RECORDS, decide};
use super::yaml::{self, Node};

const UNGUARDED: &str = "AdGuard Home has no protection of its own against rebinding; here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";

/// Networks whose reverse names are asked of `local_ptr_upstreams`.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// A setting below `dns`, with the whole of `dns` beside it.
struct Dns<'a> {
    file: &'a Arc<str>,
    all: &'a Node,
}

type Take = fn(&Dns<'_>, &mut Draft, &Setting, &Node);

/// The settings whose value matters.
const TAKEN: &[(&str, Take)] = &[
    ("bind_hosts", |dns, draft, _, node| dns.each(node, |from, host| dns.listen(draft, from, host))),
    ("bind_host", |dns, draft, from, node| {
        if let Some(host) = node.text() {
            dns.listen(draft, from, host);
        }
    }),
    ("port", |_, draft, from, _| draft.needless(from, "it stands with the addresses of `listen`")),
    ("upstream_dns", |dns, draft, _, node| dns.each(node, |from, line| upstream(draft, from, line))),
    ("fallback_dns", |dns, draft, _, node| dns.each(node, |from, line| upstream(draft, from, line))),
    ("local_ptr_upstreams", |dns, draft, from, node| dns.reverse(draft, from, node)),
    ("upstream_timeout", |_, draft, from, node| {
        draft.text(from, "upstream", "timeout", node.text().unwrap_or_default())
    }),
    ("allowed_clients", |dns, draft, _, node| {
        dns.each(node, |from, client| draft.list(from, "server", "allow-clients", client));
    }),
    ("cache_size", |_, draft, from, node| {
        let octets = node.text().unwrap_or_default();
        draft.text(
            from,
            "cache",
            "size",
            &if octets == "0" { octets.to_owned() } else { format!("{octets}B") },
        );
    }),
    ("cache_ttl_max", |_, draft, from, node| {
        // Zero is no limit there.
        match node.text() {
            Some("0") | None => draft.needless(from, "TTLs are cut to a day by default"),
            Some(seconds) => draft.seconds(from, "cache", "max-ttl", seconds),
        }
    }),
    ("dns64_prefixes", |dns, draft, _, node| {
        dns.each(node, |from, prefix| draft.list(from, "guard", "nat64", prefix));
    }),
    ("rewrites", |dns, draft, _, node| rewrites(dns.file, draft, node)),
];

pub(super) fn read(texts: &[(Arc<str>, &str)], draft: &mut Draft) -> Result<(), ImportError> {
    draft.remarks.push(UNGUARDED);
    for (file, text) in texts {
        let Some(top) = yaml::parse(file, text)? else { continue };
        for (key, node) in top.entries() {
            let from = setting(file, key, node);
            match key.as_str() {
                "dns" => Dns { file, all: node }.read(draft),
                "filtering" => filtering(file, draft, node),
                _ if decide(ADGUARD_TABLES, key, &from, draft) => {}
                _ => draft.unknown(&from),
            }
        }
        if top.entries().is_empty() {
            draft.unknown(&Setting::new(file, top.line, "no keys and values"));
        }
    }
    Ok(())
}

/// A key as a comment shows it. Only plain values are shown: others may hold a password.
fn setting(file: &Arc<str>, key: &str, node: &Node) -> Setting {
    let text = match (node.text(), node.items().len(), node.entries().len()) {
        (Some(text), ..) => format!("{key}: {text}"),
        (None, 0, 0) => format!("{key}:"),
        (None, items, entries) => format!("{key}: ({} entries)", items + entries),
    };
    Setting::new(file, node.line, &text)
}

impl Dns<'_> {
    fn read(&self, draft: &mut Draft) {
        for (key, node) in self.all.entries() {
            let from = setting(self.file, key, node);
            if let Some((_, take)) = TAKEN.iter().find(|(known, _)| known == key) {
                take(self, draft, &from, node);
            } else if node.is_nothing() {
                // It writes all it knows: what is off or empty says nothing.
                draft.needless(&from, "off, as here");
            } else if !decide(ADGUARD, key, &from, draft) {
                draft.unknown(&from);
            }
        }
    }

    /// Each text of a list, with its own line.
    fn each(&self, node: &Node, mut take: impl FnMut(&Setting, &str)) {
        for item in node.items() {
            let text = item.text().unwrap_or_default();
            take(&Setting::new(self.file, item.line, text), text);
        }
    }

    fn listen(&self, draft: &mut Draft, from: &Setting, host: &str) {
        let port = self.all.get("port").and_then(Node::text);
        draft.list(from, "server", "listen", with_port(host, port));
        if host == "0.0.0.0" {
            // It listens on both families then.
            draft.list(from, "server", "listen", with_port("::", port));
        }
    }

    fn reverse(&self, draft: &mut Draft, from: &Setting, node: &Node) {
        if self.all.get("use_private_ptr_resolvers").and_then(Node::text) == Some("false") {
            return draft.needless(from, "off, as here");
        }
        self.each(node, |from, server| {
            let networks = PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok());
            for zone in networks.filter_map(reverse_zones).flatten() {
                draft.route(from, &zone, plain(server));
            }
        });
    }
}

/// A line of `upstream_dns`: a server, or `[/a/b/]server server` for the domains a and b.
fn upstream(draft: &mut Draft, from: &Setting, line: &str) {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return draft.needless(from, "a comment");
    }
    let Some((domains, servers)) = line.strip_prefix("[/").and_then(|line| line.split_once("/]")) else {
        return draft.list(from, "upstream", "servers", plain(line));
    };
    for domain in domains.split('/') {
        match (domain, servers.trim()) {
            ("", _) => draft.needless(from, "single names are not asked outside"),
            (_, "#" | "") => {
                draft.leave(from, "a domain within another's [[route]] cannot go to the default servers")
            }
            (domain, servers) => {
                servers.split_whitespace().for_each(|server| draft.route(from, domain, plain(server)))
            }
        }
    }
}

/// A server, without the word for what is plain DNS anyway.
fn plain(server: &str) -> String {
    server.strip_prefix("udp://").unwrap_or(server).to_owned()
}

fn filtering(file: &Arc<str>, draft: &mut Draft, node: &Node) {
    let are_on = node.get("rewrites_enabled").and_then(Node::text) != Some("false");
    for (key, node) in node.entries() {
        let from = setting(file, key, node);
        match key.as_str() {
            "rewrites" if are_on => rewrites(file, draft, node),
            "rewrites_enabled" => draft.needless(&from, "always so"),
            _ if node.is_nothing() => draft.needless(&from, "off, as here"),
            "rewrites" => draft.leave(&from, "they were switched off"),
            _ => draft.leave(&from, BLOCKING),
        }
    }
}

/// `domain` and `answer`, an address; `*.` in front of the domain is for the names below it.
fn rewrites(file: &Arc<str>, draft: &mut Draft, node: &Node) {
    for rewrite in node.items() {
        let text = |key: &str| rewrite.get(key).and_then(Node::text).unwrap_or_default();
        let (domain, answer) = (text("domain"), text("answer"));
        let from = Setting::new(file, rewrite.line, &format!("{domain} -> {answer}"));
        if text("enabled") == "false" {
            draft.leave(&from, "it was switched off");
        } else if answer.parse::<IpAddr>().is_ok() {
            draft.local(&from, domain, answer);
        } else {
            draft.leave(&from, RECORDS);
        }
    }
}
