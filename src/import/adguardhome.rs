//! AdGuardHome.yaml: what is below `dns`, and the rewrites below `filtering`.

use std::path::Path;
use std::sync::Arc;

use ipnet::IpNet;

use super::ImportError;
use super::draft::{Draft, Later, Setting};
use super::rules;
use super::spelling::{self, Names, host_port, reverse_zones, with_port};
use super::tables::{ADGUARD, ADGUARD_TABLES, BLOCKING, OFF, decide, off};
use super::tree::{Node, setting};
use super::yaml;
use crate::config::Files;

const UNGUARDED: &str = "AdGuard Home has no protection of its own against rebinding; here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";

/// Networks whose reverse names are asked of `local_ptr_upstreams`.
const PRIVATE: [&str; 4] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// The networks of clients that may ask by default, in addition to this machine.
const CLIENTS: [&str; 7] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "fc00::/7",
    "fe80::/10",
];

/// A setting below `dns`, with the whole of `dns` beside it.
struct Dns<'a> {
    file: &'a Arc<str>,
    all: &'a Node,
    files: &'a dyn Files,
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
    ("port", |_, draft, from, _| draft.needless(from, "it is part of the addresses in `listen`")),
    ("upstream_dns", |dns, draft, from, node| dns.upstreams(draft, from, node)),
    ("upstream_dns_file", |dns, draft, from, node| {
        dns.upstream_file(draft, from, node.text().unwrap_or_default())
    }),
    ("fallback_dns", |dns, draft, _, node| dns.each(node, |from, line| upstream(draft, from, line))),
    ("local_ptr_upstreams", |dns, draft, from, node| dns.reverse(draft, from, node)),
    ("upstream_timeout", |_, draft, from, node| {
        draft.text(from, "upstream", "timeout", node.text().unwrap_or_default())
    }),
    ("allowed_clients", |dns, draft, from, node| {
        if !node.items().is_empty() {
            // Other clients may not ask, even if no named client could be carried over.
            draft.list(from, "server", "allow-clients", "loopback");
        }
        dns.each(node, |from, client| draft.list(from, "server", "allow-clients", spelling::network(client)));
    }),
    ("hostsfile_enabled", |_, draft, from, node| match node.is_on() {
        true => draft.needless(from, "/etc/hosts is read by default"),
        false => draft.key(from, "names", "hosts-files", "[]"),
    }),
    ("cache_enabled", |_, draft, from, node| match node.is_on() {
        true => draft.needless(from, "there is a cache by default"),
        false => draft.text(from, "cache", "size", "0"),
    }),
    ("cache_optimistic", |_, draft, from, node| match node.is_on() {
        true => {
            draft.needless(from, "stale answers are given if no server answers: `serve-stale` in [cache]")
        }
        false => draft.text(from, "cache", "serve-stale", "0"),
    }),
    ("disallowed_clients", |dns, draft, from, node| dns.disallowed(draft, from, node)),
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
        // Zero means without a limit there.
        match node.text() {
            Some("0") | None => draft.needless(from, "TTLs are cut to a day by default"),
            Some(seconds) => draft.seconds(from, "cache", "max-ttl", seconds),
        }
    }),
    ("dns64_prefixes", |dns, draft, _, node| {
        dns.each(node, |from, prefix| draft.list(from, "guard", "nat64", prefix));
    }),
    ("rewrites", |dns, draft, _, node| rewrites(dns.file, draft, node)),
    ("querylog_enabled", |_, draft, from, node| querylog(draft, from, node)),
];

pub(super) fn read(
    texts: &[(Arc<str>, &str)],
    files: &dyn Files,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    for (file, text) in texts {
        let Some(top) = yaml::parse(file, text)? else { continue };
        for (key, node) in top.entries() {
            let from = setting(file, key, node);
            match key.as_str() {
                "dns" => Dns { file, all: node, files }.read(draft),
                "filtering" => filtering(file, draft, node),
                "user_rules" => {
                    let is_off = is_filtering_off(&top);
                    for rule in node.items() {
                        let text = rule.text().unwrap_or_default();
                        let from = Setting::new(file, rule.line, &format!("user_rules: {text}"));
                        rules::rule(draft, &from, text, is_off);
                    }
                }
                "querylog" => {
                    let enabled = node.get("enabled").unwrap_or(node);
                    querylog(draft, &setting(file, "querylog: enabled", enabled), enabled);
                    let others =
                        node.entries().iter().filter(|(key, node)| key != "enabled" && !node.is_nothing());
                    for (key, node) in others {
                        let why = "the log has one line for each query: what is kept, and how long, is decided where the log is kept";
                        draft.leave(&setting(file, &format!("querylog: {key}"), node), why);
                    }
                }
                "clients" => clients(file, draft, &from, node),
                "tls" if node.get("enabled").is_some_and(Node::is_on) => draft.lose_service(&from),
                "filters" => {
                    decide(ADGUARD_TABLES, key, &from, draft);
                    filters(file, draft, node);
                }
                _ if decide(ADGUARD_TABLES, key, &from, draft) => {}
                _ => draft.unknown(&from),
            }
        }
        if top.entries().is_empty() {
            draft.unknown(&Setting::new(file, top.line, "no keys and values"));
        }
    }
    if draft.filter.is_none() {
        draft.remarks.push(UNGUARDED);
    }
    Ok(())
}

/// A list of rules against rebinding is a filter. Rules with @@ are exceptions from it.
fn filters(file: &Arc<str>, draft: &mut Draft, node: &Node) {
    for filter in node.items().iter().filter(|filter| filter.get("enabled").is_none_or(Node::is_on)) {
        let texts = ["url", "name"].map(|key| filter.get(key).and_then(Node::text).unwrap_or_default());
        if texts.iter().any(|text| text.to_ascii_lowercase().contains("rebind")) {
            draft.filter = Some(rules::EXCEPTION);
            draft.needless(&Setting::new(file, filter.line, texts.concat().as_str()), "always so");
        }
    }
}

/// Whether rules have no effect.
fn is_filtering_off(top: &Node) -> bool {
    let is_off = |table: &str, key: &str| {
        top.get(table).and_then(|table| table.get(key)).and_then(Node::text) == Some("false")
    };
    ["dns", "filtering"]
        .iter()
        .any(|table| is_off(table, "filtering_enabled") || is_off(table, "protection_enabled"))
}

fn querylog(draft: &mut Draft, from: &Setting, node: &Node) {
    match node.text() {
        Some("true") => draft.text(from, "log", "queries", "with-names"),
        _ => draft.needless(from, OFF),
    }
}

/// Settings for single clients; servers of their own are lost.
fn clients(file: &Arc<str>, draft: &mut Draft, from: &Setting, node: &Node) {
    decide(ADGUARD_TABLES, "clients", from, draft);
    for client in node.get("persistent").unwrap_or(node).items() {
        let Some(upstreams) = client.get("upstreams").filter(|upstreams| !upstreams.is_nothing()) else {
            continue;
        };
        for server in upstreams.items() {
            let text = server.text().unwrap_or_default();
            let from = Setting::of(file, server.line, "clients", text);
            draft.lose(&from, "it was for one client: all clients have the same servers here");
        }
    }
}

impl Dns<'_> {
    fn read(&self, draft: &mut Draft) {
        for (key, node) in self.all.entries() {
            let from = setting(self.file, key, node);
            if let Some((_, take)) = TAKEN.iter().find(|(known, _)| known == key) {
                take(self, draft, &from, node);
            } else if node.text() == Some("false") {
                off(ADGUARD, key, &from, draft);
            } else if node.is_nothing() {
                // AdGuard Home writes all its settings: an empty one means nothing.
                draft.needless(&from, OFF);
            } else if !decide(ADGUARD, key, &from, draft) {
                draft.unknown(&from);
            }
        }
    }

    /// Each text of a list, with its own line.
    fn each(&self, node: &Node, mut take: impl FnMut(&Setting, &str)) {
        for item in node.items() {
            let text = item.text().unwrap_or_default();
            take(&Setting::of(self.file, item.line, "dns", text), text);
        }
    }

    /// The servers. Those of a file replace them; if none is named, there is a default.
    fn upstreams(&self, draft: &mut Draft, from: &Setting, node: &Node) {
        let file = self.all.get("upstream_dns_file").and_then(Node::text).unwrap_or_default();
        if !file.is_empty() {
            return draft.needless(from, "the servers of upstream_dns_file replaced it");
        }
        if node.items().is_empty() {
            // The default server, which the configuration's reader judges.
            return draft.list(from, "upstream", "servers", DEFAULT_SERVER);
        }
        self.each(node, |from, line| upstream(draft, from, line));
    }

    fn upstream_file(&self, draft: &mut Draft, from: &Setting, path: &str) {
        if path.is_empty() {
            return draft.needless(from, OFF);
        }
        let Some(text) = super::named::read(self.files, Path::new(path)) else {
            draft.orphan(from);
            return draft.lose(from, "the file cannot be read here: write its servers into [upstream]");
        };
        draft.part();
        let file: Arc<str> = path.into();
        for (index, line) in text.lines().enumerate() {
            upstream(draft, &Setting::of(&file, index + 1, "upstream", line), line);
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

    /// Takes the clients that may not ask out of the networks that may ask by default.
    fn disallowed(&self, draft: &mut Draft, from: &Setting, node: &Node) {
        if node.items().is_empty()
            || self.all.get("allowed_clients").is_some_and(|allowed| !allowed.is_nothing())
        {
            return draft.needless(from, "clients outside `allow-clients` get REFUSED");
        }
        draft.part();
        let mut denied = Vec::new();
        self.each(node, |from, client| match spelling::parsed_network(client) {
            Some(network) => denied.push(network),
            None => {
                draft.leave(from, "clients are known only by address: take this one out of `allow-clients`")
            }
        });
        if denied.is_empty() {
            return;
        }
        draft.list(from, "server", "allow-clients", "loopback");
        let private = CLIENTS.iter().filter_map(|network| network.parse::<IpNet>().ok());
        for part in private.flat_map(|network| spelling::without(network, &denied)) {
            draft.list(from, "server", "allow-clients", part.to_string());
        }
    }

    fn reverse(&self, draft: &mut Draft, from: &Setting, node: &Node) {
        if self.all.get("use_private_ptr_resolvers").and_then(Node::text) == Some("false") {
            return draft.needless(from, OFF);
        }
        self.each(node, |from, server| {
            let networks = PRIVATE.iter().filter_map(|network| network.parse::<IpNet>().ok());
            for zone in networks.filter_map(reverse_zones).flatten() {
                draft.route(from, &zone, plain(server));
            }
        });
    }
}

/// The server that AdGuard Home asks if none is named.
const DEFAULT_SERVER: &str = "https://dns10.quad9.net/dns-query";
const BELOW_ONLY: &str =
    "also carried over for the domain itself: a domain always includes itself and everything below";

/// A line of `upstream_dns`: a server, or `[/a/b/]server server` for the domains a and b.
fn upstream(draft: &mut Draft, from: &Setting, line: &str) {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return draft.needless(from, "a comment");
    }
    let Some((domains, servers)) = line.strip_prefix("[/").and_then(|line| line.split_once("/]")) else {
        return draft.list(from, "upstream", "servers", plain(line));
    };
    let servers = servers.trim();
    for domain in domains.split('/') {
        let names = Names::of(domain);
        match (names, servers) {
            (Names::Dotless | Names::All, "#" | "") => {
                draft.needless(from, "names without a dot are not asked outside")
            }
            (Names::Dotless, _) => draft.lose(
                from,
                "nobody is asked for names without a dot: write a [[route]] for each that the server knows, such as domain = \"nas\"",
            ),
            (Names::All, servers) => {
                servers.split_whitespace().for_each(|server| draft.list(from, "upstream", "servers", plain(server)));
            }
            (Names::Of(domain) | Names::Below(domain), "#" | "") => {
                draft.later(from, Later::ToDefault { domain });
            }
            (Names::Of(domain), servers) => {
                servers.split_whitespace().for_each(|server| draft.route(from, &domain, plain(server)));
            }
            (Names::Below(domain), servers) => {
                servers.split_whitespace().for_each(|server| draft.route(from, &domain, plain(server)));
                draft.leave(from, BELOW_ONLY);
            }
        }
    }
}

/// A server, without the schemes that mean plain DNS.
fn plain(server: &str) -> String {
    let schemes = ["udp://", "tcp://", "UDP://", "TCP://"];
    let bare = schemes.iter().find_map(|scheme| server.strip_prefix(scheme)).unwrap_or(server);
    host_port(bare)
}

fn filtering(file: &Arc<str>, draft: &mut Draft, node: &Node) {
    let are_on = node.get("rewrites_enabled").and_then(Node::text) != Some("false");
    for (key, node) in node.entries() {
        let from = setting(file, key, node);
        match key.as_str() {
            "rewrites" if are_on => rewrites(file, draft, node),
            "rewrites_enabled" => draft.needless(&from, "always so"),
            _ if node.is_nothing() => draft.needless(&from, OFF),
            "rewrites" => draft.leave(&from, "they were switched off"),
            _ => draft.leave(&from, BLOCKING),
        }
    }
}

/// `domain` and `answer`, an address or a name; `*.` in front of the domain is for the names below it.
fn rewrites(file: &Arc<str>, draft: &mut Draft, node: &Node) {
    for rewrite in node.items() {
        let text = |key: &str| rewrite.get(key).and_then(Node::text).unwrap_or_default();
        let (domain, answer) = (text("domain"), text("answer"));
        let from = Setting::of(file, rewrite.line, "rewrites", &format!("{domain} -> {answer}"));
        if text("enabled") == "false" {
            draft.leave(&from, "it was switched off");
            continue;
        }
        rules::rewrite(draft, &from, domain, answer);
    }
}
