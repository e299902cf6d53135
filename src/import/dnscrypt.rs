//! dnscrypt-proxy.toml, and the files of rules that it names.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::draft::{Draft, Later, Setting};
use super::spelling::{self, host_port};
use super::tables::{BLOCKING, DNSSEC, Fate, HIDDEN, LOG, NOT_NEEDED, OFF, SERVICE, decide, off};
use super::tree::{Node, setting};
use super::{ImportError, toml_tree};
use crate::config::Files;
use Fate::{Left, Needless, Private, Served};

const UNGUARDED: &str = "There was no protection against rebinding (blocked_ips); here it is on. To see first what it would remove, set\n\
     # mode = \"monitor\" in [guard].";
const BY_NAME: &str =
    "an encrypted server, by its name in a public list: stubborn knows servers only by address";
const BY_LIST: &str = "no server is named, so the fastest servers of public lists were asked, encrypted: stubborn asks only those in [upstream]";

/// A file's tree, and access to the files that it names.
struct Proxy<'a> {
    file: &'a Arc<str>,
    top: &'a Node,
    files: &'a dyn Files,
}

type Take = fn(&Proxy<'_>, &mut Draft, &Setting, &Node);

/// Settings whose value matters.
const TAKEN: &[(&str, Take)] = &[
    ("listen_addresses", |proxy, draft, _, node| {
        proxy.each("listen_addresses", node, draft, |from, text, draft| {
            draft.list(from, "server", "listen", listened(text));
        });
    }),
    ("server_names", |proxy, draft, _, node| {
        proxy.each("server_names", node, draft, |from, name, draft| proxy.server(from, name, draft));
    }),
    ("timeout", |_, draft, from, node| {
        draft.text(from, "upstream", "timeout", &format!("{}ms", node.text().unwrap_or_default()));
    }),
    ("forwarding_rules", |proxy, draft, from, node| proxy.rules(draft, from, node, forward)),
    ("cloaking_rules", |proxy, draft, from, node| proxy.rules(draft, from, node, cloak)),
    ("cache", |_, draft, from, node| match node.is_on() {
        true => draft.needless(from, "there is a cache by default"),
        false => draft.text(from, "cache", "size", "0"),
    }),
    ("cache_max_ttl", |_, draft, from, node| {
        draft.seconds(from, "cache", "max-ttl", node.text().unwrap_or_default());
    }),
    ("cache_neg_max_ttl", negative),
    ("cache_neg_ttl", negative),
    ("query_log.file", |_, draft, from, node| match node.is_nothing() {
        true => draft.needless(from, OFF),
        false => draft.text(from, "log", "queries", "with-names"),
    }),
    ("blocked_ips.blocked_ips_file", filter),
    ("ip_blacklist.blacklist_file", filter),
    ("dns64.prefix", |proxy, draft, _, node| {
        proxy.each("dns64.prefix", node, draft, |from, text, draft| {
            draft.list(from, "guard", "nat64", spelling::network(text));
        });
    }),
];

/// Settings whose value does not matter.
const OTHERS: &[(&str, Fate)] = &[
    ("max_clients", Needless(NOT_NEEDED)),
    ("*_servers", Left("the servers in [upstream] are asked, without further conditions")),
    ("disabled_server_names", Left("the servers in [upstream] are asked, without further conditions")),
    ("require_*", Left("the servers in [upstream] are asked, without further conditions")),
    ("lb_*", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("force_tcp", Left("UDP is asked first, and TCP if UDP is not enough")),
    ("http3*", Left("servers are asked only in plain DNS")),
    ("proxy", Private(HIDDEN)),
    ("http_proxy", Private(HIDDEN)),
    ("bootstrap_resolvers", Needless("servers are written as addresses, which need no lookup")),
    ("fallback_resolver*", Needless("servers are written as addresses, which need no lookup")),
    ("ignore_system_dns", Needless("servers are written as addresses, which need no lookup")),
    ("netprobe_*", Needless(NOT_NEEDED)),
    ("offline_mode", Left(NOT_NEEDED)),
    ("keepalive", Needless(NOT_NEEDED)),
    ("cert_*", Needless(NOT_NEEDED)),
    ("dnscrypt_*", Needless(NOT_NEEDED)),
    ("tls_*", Left("servers are asked only in plain DNS")),
    ("edns_client_subnet", Left("servers are told nothing about the client")),
    ("block_ipv6", Left("records of a type are not filtered")),
    ("block_un*", Needless("always so: such names are not asked outside")),
    ("reject_ttl", Left("`block-ttl` in [guard] says how long clients may keep a blocked answer")),
    ("blocked_query_response", Left("`on-block` in [guard] says what a client gets for a blocked answer")),
    ("cloak_ttl", Left("all local names have the same TTL")),
    ("cloak_ptr", Needless("addresses of [[local]] names get their reverse names automatically")),
    ("cache_size", Left("the cache is measured in octets: `size` in [cache] is 16MiB by default")),
    ("cache_min_ttl", Left("TTLs are cut, never stretched")),
    ("cache_neg_min_ttl", Left("TTLs are cut, never stretched")),
    ("captive_portals.*", Left("names that systems look up to find a portal are asked like all others")),
    ("query_log.*", Left(LOG)),
    ("nx_log.*", Left(LOG)),
    ("blocked_names.*", Left(BLOCKING)),
    ("blacklist.*", Left(BLOCKING)),
    ("allowed_names.*", Left(BLOCKING)),
    ("whitelist.*", Left(BLOCKING)),
    ("schedules.*", Left(BLOCKING)),
    ("blocked_ips.*", Left(LOG)),
    ("ip_blacklist.*", Left(LOG)),
    ("allowed_ips.*", Left("write an [[exception]] for each domain that may answer with inside addresses")),
    ("sources.*", Left("lists of servers are not fetched: write servers into [upstream]")),
    ("broken_implementations.*", Needless(NOT_NEEDED)),
    ("anonymized_dns.routes", Private(HIDDEN)),
    ("anonymized_dns.*", Left("servers are asked directly")),
    ("doh_client_x509_auth.*", Left("servers are asked only in plain DNS")),
    ("local_doh.listen_addresses", Served),
    ("local_doh.*", Left("stubborn serves plain DNS only")),
    ("monitoring_ui.*", Left("there is no web page")),
    (
        "dns64.resolver",
        Left("IPv6 addresses are not synthesised; those of the network's translator are judged"),
    ),
    ("enable_hot_reload", Needless("files are watched")),
    ("ip_encryption*", Left(LOG)),
    ("user_name", Left(SERVICE)),
    ("log_*", Left(SERVICE)),
    ("use_syslog", Left(SERVICE)),
    ("require_dnssec", Left(DNSSEC)),
    ("refused_code_in_responses", Left("`on-block` in [guard] says what a client gets for a blocked answer")),
    ("query_meta", Left("servers are told nothing about the client")),
];

pub(super) fn read(
    texts: &[(Arc<str>, &str)],
    files: &dyn Files,
    draft: &mut Draft,
) -> Result<(), ImportError> {
    for (file, text) in texts {
        let top = toml_tree::parse(file, text)?;
        let proxy = Proxy { file, top: &top, files };
        for (path, node) in top.leaves() {
            proxy.one(&path, node, draft);
        }
        proxy.by_list(draft);
    }
    if draft.filter.is_none() {
        draft.remarks.push(UNGUARDED);
    }
    Ok(())
}

impl Proxy<'_> {
    fn one(&self, path: &str, node: &Node, draft: &mut Draft) {
        let from = setting(self.file, path, node);
        if let Some((_, take)) = TAKEN.iter().find(|(known, _)| *known == path) {
            take(self, draft, &from, node);
        } else if path.starts_with("static.") {
            // It is asked only if server_names lists it.
            draft.part();
        } else if node.text() == Some("false") {
            off(OTHERS, path, &from, draft);
        } else if node.is_nothing() {
            draft.needless(&from, OFF);
        } else if !decide(OTHERS, path, &from, draft) {
            draft.unknown(&from);
        }
    }

    fn each(
        &self,
        path: &str,
        node: &Node,
        draft: &mut Draft,
        mut take: impl FnMut(&Setting, &str, &mut Draft),
    ) {
        draft.part();
        for (line, text) in node.texts() {
            take(&Setting::new(self.file, line, &format!("{path}: {text}")), text, draft);
        }
    }

    /// A server by name: its stamp, if the file has it.
    fn server(&self, from: &Setting, name: &str, draft: &mut Draft) {
        let stamp = self.top.get("static").and_then(|servers| servers.get(name)?.get("stamp")?.text());
        match stamp {
            Some(stamp) => draft.list(from, "upstream", "servers", stamp),
            None => {
                draft.lose_privacy(from, BY_NAME);
                draft.orphan(from);
            }
        }
    }

    /// If no server is named, those of lists are asked.
    fn by_list(&self, draft: &mut Draft) {
        let is_named = self.top.get("server_names").is_some_and(|names| !names.is_nothing());
        let Some(sources) = self.top.get("sources").filter(|_| !is_named) else { return };
        let from = setting(self.file, "sources", sources);
        draft.lose_privacy(&from, BY_LIST);
        draft.orphan(&from);
    }

    /// A file of rules next to the configuration, one rule a line.
    fn rules(
        &self,
        draft: &mut Draft,
        from: &Setting,
        node: &Node,
        take: fn(&mut Draft, &Setting, &str, &str),
    ) {
        let named = node.text().unwrap_or_default();
        if named.is_empty() {
            return draft.needless(from, OFF);
        }
        let beside = Path::new(&**self.file).parent().unwrap_or_else(|| Path::new(""));
        let path: PathBuf = beside.join(named);
        let Some(text) = super::named::read(self.files, &path) else {
            return draft.lose(
                from,
                format!("{} cannot be read here: write its rules as [[route]] and [[local]]", path.display()),
            );
        };
        draft.part();
        let file: Arc<str> = path.display().to_string().into();
        for (index, line) in text.lines().enumerate() {
            let rule = line.split('#').next().unwrap_or_default().trim();
            let from = Setting::of(&file, index + 1, "rule", rule);
            match rule.split_once(char::is_whitespace) {
                Some((name, rest)) => take(draft, &from, name, rest.trim()),
                None if rule.is_empty() => {}
                None => draft.leave(&from, "a rule needs a name and a value"),
            }
        }
    }
}

/// `lan 192.168.1.1, 192.168.1.2:5353`
fn forward(draft: &mut Draft, from: &Setting, domain: &str, servers: &str) {
    let domain = domain.trim_start_matches("*.");
    for server in servers.split(',').map(str::trim).filter(|server| !server.is_empty()) {
        match domain {
            "." => draft.list(from, "upstream", "servers", host_port(server)),
            _ if server.starts_with('$') => {
                draft.lose(
                    from,
                    "the servers that the network gives are \"system\", which a [[route]] cannot ask",
                );
            }
            _ => draft.route(from, domain, host_port(server)),
        }
    }
}

/// `nas.lan 192.168.1.10`: the name and all below; `=nas.lan` is the name only.
fn cloak(draft: &mut Draft, from: &Setting, pattern: &str, target: &str) {
    let (bare, names): (&str, &[&str]) = if let Some(exact) = pattern.strip_prefix('=') {
        (exact, &[""])
    } else if let Some(below) = pattern.strip_prefix("*.") {
        (below, &["*."])
    } else {
        (pattern, &["", "*."])
    };
    if bare.contains(['*', '?', '[']) {
        return draft
            .leave(from, "a pattern cannot be a local name: write each name, or \"*.\" and a domain");
    }
    let bare = spelling::name(bare);
    if bare == "localhost" {
        return draft.needless(from, "localhost is always this machine");
    }
    for start in names {
        let name = format!("{start}{bare}");
        match target.parse::<IpAddr>() {
            Ok(_) => draft.local(from, &name, target),
            Err(_) => draft.later(from, Later::Alias { name, target: spelling::name(target) }),
        }
    }
}

fn negative(_: &Proxy<'_>, draft: &mut Draft, from: &Setting, node: &Node) {
    draft.seconds(from, "cache", "negative-max-ttl", node.text().unwrap_or_default());
}

/// A list of addresses that no answer may have. The inside ones are in the table of ranges.
fn filter(_: &Proxy<'_>, draft: &mut Draft, from: &Setting, node: &Node) {
    if node.is_nothing() {
        return draft.needless(from, OFF);
    }
    draft.filter = Some("allowed_ips");
    draft.leave(
        from,
        "inside addresses are removed anyway; write the other networks of the file into `block` in [guard]",
    );
}

/// For dnscrypt-proxy, `:53` means all IPv6 and IPv4 addresses.
fn listened(text: &str) -> String {
    match text.strip_prefix(':') {
        Some(port) => format!("[::]:{port}"),
        None => host_port(text),
    }
}
