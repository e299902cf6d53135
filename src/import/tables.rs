//! Settings that are alike to many formats: why they need nothing here, or are left.

use super::draft::{Draft, Setting};

pub(super) const BLOCKING: &str = "stubborn has no lists of blocked names: leave blocking to the program that has them, and let one ask the other";
pub(super) const DHCP: &str = "DHCP stays with the program that serves it; a [[route]] for the domain asks that program for the names that it gave";
pub(super) const SERVICE: &str = "how the service runs is its unit's to say";
pub(super) const DNSSEC: &str = "stubborn does not validate; it passes signatures on to those who do";
pub(super) const RECORDS: &str = "[[local]] names have addresses only: keep a server for this record, and send its name there with a [[route]]";
/// Servers were asked by way of another machine.
pub(super) const HIDDEN: &str =
    "servers did not see where the queries came from: stubborn asks them directly";
pub(super) const INTERFACES: &str =
    "stubborn listens on addresses: write those of the interface into `listen`";
pub(super) const NOT_NEEDED: &str = "stubborn does without it";
pub(super) const OFF: &str = "off, the same as here";
pub(super) const DOTLESS: &str = "always so: names without a dot are not asked outside";
pub(super) const ALWAYS: &str = "always so";
pub(super) const LOG: &str = "the log has a line for each query if `queries` in [log] says so";
pub(super) const DNSBL: &str = "dnsbl";

/// What a setting comes to, whatever its value.
#[derive(Debug, Clone, Copy)]
pub(super) enum Fate {
    /// It needs nothing here.
    Needless(&'static str),
    /// It is left.
    Left(&'static str),
    /// It is left, with a loss of privacy.
    Private(&'static str),
    /// It is left: clients were served over an encrypted connection.
    Served,
}
use Fate::{Left, Needless, Private};

/// Looks a setting up and says what comes of it; `false` where the table does not have it.
pub(super) fn decide(table: &[(&str, Fate)], name: &str, from: &Setting, draft: &mut Draft) -> bool {
    match fate(table, name) {
        Some(Needless(why)) => draft.needless(from, why),
        Some(Left(why)) => draft.leave(from, why),
        Some(Private(why)) => draft.lose_privacy(from, why),
        Some(Fate::Served) => draft.lose_service(from),
        None => return false,
    }
    true
}

/// A setting that is off. If it is always on here, that is a difference.
pub(super) fn off(table: &[(&str, Fate)], name: &str, from: &Setting, draft: &mut Draft) {
    match fate(table, name) {
        Some(Needless(why)) if why != NOT_NEEDED => {
            draft.leave(from, format!("it was off there. Here: {why}"))
        }
        _ => draft.needless(from, OFF),
    }
}

/// What the table says about a setting.
pub(super) fn fate(table: &[(&str, Fate)], name: &str) -> Option<Fate> {
    let matches = |(known, _): &&(&str, Fate)| match (known.strip_suffix('*'), known.strip_prefix('*')) {
        (Some(start), _) => name.starts_with(start),
        (None, Some(end)) => name.ends_with(end),
        (None, None) => *known == name,
    };
    table.iter().find(matches).map(|(_, fate)| *fate)
}

/// dnsmasq's settings whose value does not matter.
pub(super) const DNSMASQ: &[(&str, Fate)] = &[
    ("domain-needed", Needless(DOTLESS)),
    ("bogus-priv", Needless("always so: reverse names of inside addresses are not asked outside (RFC 6303)")),
    ("no-poll", Needless("files are watched")),
    ("strict-order", Needless("always so: servers are asked in their order")),
    ("bind-interfaces", Needless("always so: it listens on the addresses it is told")),
    ("bind-dynamic", Needless("always so: it listens on the addresses it is told")),
    ("local-service", Needless("`allow-clients` is loopback and private networks by default")),
    ("dns-loop-detect", Needless("a server that is stubborn itself is an error")),
    ("edns-packet-max", Needless("1232 octets, as is advised since 2020")),
    ("dns-forward-max", Needless(NOT_NEEDED)),
    ("localise-queries", Left("an answer is the same for all clients")),
    ("all-servers", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("fast-dns-retry", Needless("a question is sent again when a server is slow")),
    ("min-port", Needless("ports are drawn by the kernel")),
    ("max-port", Needless("ports are drawn by the kernel")),
    ("query-port", Left("ports are drawn by the kernel, so that answers are hard to forge")),
    ("interface", Left(INTERFACES)),
    ("except-interface", Left(INTERFACES)),
    ("no-dhcp*", Left(DHCP)),
    ("bridge-interface", Left(DHCP)),
    ("shared-network", Left(DHCP)),
    ("dynamic-host", Left("an address that changes is not followed; write [[local]] names")),
    ("cache-rr", Needless("records of all types are kept in the cache")),
    ("no-ident", Needless("stubborn does not tell its name")),
    ("no-round-robin", Needless("records stay in the order of the server")),
    ("connmark-*", Left(NOT_NEEDED)),
    ("dump*", Left(SERVICE)),
    ("auth-*", Left("stubborn is not an authoritative server")),
    ("synth-domain", Left("names are not made of addresses; write [[local]] names")),
    ("interface-name", Left(RECORDS)),
    ("txt-record", Left(RECORDS)),
    ("srv-host", Left(RECORDS)),
    ("mx-*", Left(RECORDS)),
    ("localmx", Left(RECORDS)),
    ("selfmx", Left(RECORDS)),
    ("naptr-record", Left(RECORDS)),
    ("caa-record", Left(RECORDS)),
    ("dns-rr", Left(RECORDS)),
    ("alias", Left("addresses in answers are removed or kept, never replaced")),
    ("bogus-nxdomain", Left("addresses in answers are removed or left: `block` in [guard] removes them")),
    ("ignore-address", Left("addresses in answers are removed or left: `block` in [guard] removes them")),
    ("filter-*", Left("records of a type are not filtered")),
    ("filterwin2k", Left("records of a type are not filtered")),
    ("dnssec*", Left(DNSSEC)),
    ("trust-anchor", Left(DNSSEC)),
    ("proxy-dnssec", Needless("the AD bit of a server is passed on where nothing was removed")),
    ("add-mac", Left("servers are told nothing about the client")),
    ("strip-mac", Needless(ALWAYS)),
    ("add-subnet", Left("servers are told nothing about the client")),
    ("strip-subnet", Needless(ALWAYS)),
    ("add-cpe-id", Left("servers are told nothing about the client")),
    ("umbrella", Left("servers are told nothing about the client")),
    ("log-async", Needless("the log never holds an answer up")),
    ("log-facility", Left(SERVICE)),
    ("log-debug", Left(SERVICE)),
    ("log-dhcp", Left(DHCP)),
    ("quiet-*", Left(DHCP)),
    ("dhcp*", Left(DHCP)),
    ("tag-if", Left(DHCP)),
    ("bootp-dynamic", Left(DHCP)),
    ("read-ethers", Left(DHCP)),
    ("no-ping", Left(DHCP)),
    ("script-*", Left(DHCP)),
    ("leasefile-ro", Left(DHCP)),
    ("enable-ra", Left("router advertisements stay with the program that sends them")),
    ("ra-param", Left("router advertisements stay with the program that sends them")),
    ("enable-tftp", Left("TFTP stays with the program that serves it")),
    ("tftp-*", Left("TFTP stays with the program that serves it")),
    ("pxe-*", Left(DHCP)),
    ("enable-dbus", Left(SERVICE)),
    ("enable-ubus", Left(SERVICE)),
    ("user", Left(SERVICE)),
    ("group", Left(SERVICE)),
    ("pid-file", Left(SERVICE)),
    ("keep-in-foreground", Left(SERVICE)),
    ("no-daemon", Left(SERVICE)),
    ("conntrack", Left(NOT_NEEDED)),
    ("ipset", Left("addresses in answers are not added to firewall sets")),
    ("nftset", Left("addresses in answers are not added to firewall sets")),
    ("local-ttl", Left("local names have a TTL of their own")),
    ("min-cache-ttl", Left("TTLs are cut, never stretched")),
    ("max-ttl", Left("TTLs for clients are those of the cache: `max-ttl` in [cache]")),
    ("neg-ttl", Left("negative answers are kept as long as they say (RFC 2308)")),
    ("use-stale-cache", Needless("`serve-stale` in [cache] is an hour by default")),
    ("port-limit", Needless("ports are drawn by the kernel")),
    ("clear-on-reload", Needless("a reload holds for what is cached too")),
    ("hostsdir", Left("hosts files are named one by one: `hosts-files` in [names]")),
    ("conf-*", Left("other files are not read: list them all after `stubborn import dnsmasq`")),
    ("servers-file", Left("other files are not read: list them all after `stubborn import dnsmasq`")),
    ("test", Needless(NOT_NEEDED)),
];

/// Unbound's settings of `server:` whose value does not matter.
pub(super) const UNBOUND: &[(&str, Fate)] = &[
    ("do-daemonize", Needless(NOT_NEEDED)),
    ("do-not-query-*", Left("servers are asked as written: check that none of them must not be asked")),
    ("do-*", Needless("it answers and asks over UDP and TCP, IPv4 and IPv6")),
    ("hide-*", Needless("stubborn does not tell its name")),
    ("identity", Needless("stubborn does not tell its name")),
    ("version", Needless("stubborn does not tell its name")),
    ("harden-*", Needless("replies are read strictly and written anew; zones are not resolved here")),
    ("qname-minimisation*", Needless("zones are not resolved here, so there is nothing to minimise")),
    ("use-caps-for-id", Needless("always so")),
    ("caps-exempt", Needless("a server that folds letter case is found out")),
    ("minimal-responses", Needless(ALWAYS)),
    ("rrset-roundrobin", Left("records stay in the order of the server")),
    ("root-hints", Needless("zones are not resolved here")),
    ("target-fetch-policy", Needless("zones are not resolved here")),
    ("infra-*", Needless("servers that do not answer are avoided by themselves")),
    ("edns-buffer-size", Needless("1232 octets")),
    ("max-udp-size", Needless("1232 octets")),
    ("so-*", Needless(NOT_NEEDED)),
    ("outgoing-*", Left("ports and source addresses are drawn by the kernel")),
    ("ip-*", Left(SERVICE)),
    ("msg-cache-*", Needless("there is one cache, as large as `rrset-cache-size`")),
    ("rrset-cache-slabs", Needless(NOT_NEEDED)),
    ("key-cache-*", Left(DNSSEC)),
    ("neg-cache-size", Needless("there is one cache")),
    ("cache-min-ttl", Left("TTLs are cut, never stretched")),
    ("num-queries-per-thread", Needless(NOT_NEEDED)),
    ("jostle-timeout", Needless(NOT_NEEDED)),
    ("delay-close", Needless(NOT_NEEDED)),
    ("unwanted-reply-threshold", Needless("a reply that does not fit is dropped")),
    ("prefetch-key", Left(DNSSEC)),
    ("deny-any", Needless("always so (RFC 8482)")),
    ("aggressive-nsec", Left(DNSSEC)),
    ("module-config", Left(DNSSEC)),
    ("auto-trust-anchor-file", Left(DNSSEC)),
    ("trust-*", Left(DNSSEC)),
    ("val-*", Left(DNSSEC)),
    ("root-key-*", Left(DNSSEC)),
    ("domain-insecure", Needless("stubborn does not validate")),
    ("disable-dnssec-lame-check", Needless("stubborn does not validate")),
    ("verbosity", Left("the log's `level` in [log] is info by default")),
    ("log-*", Left(SERVICE)),
    ("logfile", Left(SERVICE)),
    ("use-syslog", Left(SERVICE)),
    ("use-systemd", Left(SERVICE)),
    ("username", Left(SERVICE)),
    ("chroot", Left(SERVICE)),
    ("directory", Left(SERVICE)),
    ("pidfile", Left(SERVICE)),
    ("statistics-*", Left(SERVICE)),
    ("extended-statistics", Left(SERVICE)),
    ("shm-*", Left(SERVICE)),
    ("tls-cert-bundle", Needless(NOT_NEEDED)),
    ("tls-system-cert", Needless(NOT_NEEDED)),
    ("tls-*", Left("stubborn serves plain DNS only")),
    ("https-port", Left("stubborn serves plain DNS only")),
    ("http-*", Left("stubborn serves plain DNS only")),
    ("unblock-lan-zones", Left("zones for inside names are sent to their server by a [[route]]")),
    ("insecure-lan-zones", Needless("stubborn does not validate")),
    ("serve-expired-*", Left("stale answers are given if no server answers: `serve-stale` in [cache]")),
    ("ratelimit*", Left("the rate of queries is not limited")),
    ("prefer-ip*", Left("servers are asked in the order in which they are written")),
    ("tcp-upstream", Left("UDP is asked first, and TCP if UDP is not enough")),
    ("udp-*", Needless(NOT_NEEDED)),
    ("tcp-*", Needless(NOT_NEEDED)),
    ("max-*", Needless(NOT_NEEDED)),
    ("stream-wait-size", Needless(NOT_NEEDED)),
    ("msg-buffer-size", Needless(NOT_NEEDED)),
    ("outbound-msg-retry", Needless("a question is sent again when a server is slow")),
    ("iter-scrub-*", Needless("replies are read strictly and written anew")),
    ("unknown-server-time-limit", Needless("`timeout` in [upstream] is how long a server may take")),
    ("discard-timeout", Needless(NOT_NEEDED)),
    ("fast-server-*", Left("servers are asked in the order in which they are written")),
    ("wait-limit*", Left("the rate of queries is not limited")),
    ("edns-tcp-keepalive*", Needless("`tcp-idle-timeout` in [server] is for every connection")),
    ("nsid", Needless("stubborn does not tell its name")),
    ("ede*", Needless("a removed answer always says why")),
    ("pad-*", Needless("padding is for encrypted DNS")),
    ("proxy-protocol-port", Left("the PROXY protocol is not spoken")),
    ("ipsecmod-*", Left("there are no modules")),
    ("serve-original-ttl", Left("TTLs count down in the cache")),
    ("ignore-cd-flag", Needless("stubborn does not validate")),
    ("zonemd-*", Left(DNSSEC)),
    ("*-holddown", Left(DNSSEC)),
    ("keep-missing", Left(DNSSEC)),
    ("permit-small-holddown", Left(DNSSEC)),
    ("interface-automatic-ports", Left(INTERFACES)),
    ("interface-*", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("define-tag", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    (
        "access-control-*",
        Left("settings are the same for all clients, except the `clients` of an [[exception]]"),
    ),
    ("local-zone-*", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("response-ip*", Left("addresses in answers are removed or left: `block` in [guard] removes them")),
    ("dns64-synthall", Left("IPv6 addresses are not made up")),
    ("dns64-ignore-aaaa", Left("IPv6 addresses are not made up")),
];

/// AdGuard Home's settings of `dns` whose value does not matter where they are set.
pub(super) const ADGUARD: &[(&str, Fate)] = &[
    ("bootstrap_*", Needless("servers are written as addresses, which need no lookup")),
    ("refuse_any", Needless("always so (RFC 8482)")),
    (
        "cache_optimistic_*",
        Needless("stale answers are given if no server answers: `serve-stale` in [cache]"),
    ),
    ("cache_ttl_min", Left("TTLs are cut, never stretched")),
    ("upstream_mode", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("all_servers", Left("servers are asked one after the other, the next as soon as one is slow")),
    ("fastest_*", Left("servers are asked one after the other, the next as soon as one is slow")),
    (
        "private_networks",
        Left("which addresses are inside is in the table of ranges; `block` in [guard] adds more"),
    ),
    ("use_private_ptr_resolvers", Needless("reverse names of inside addresses are not asked outside")),
    ("blocked_hosts", Left(BLOCKING)),
    ("block*", Left(BLOCKING)),
    ("parental_block_host", Left(BLOCKING)),
    ("safebrowsing_*", Left(BLOCKING)),
    ("protection_*", Left(BLOCKING)),
    ("filtering_enabled", Left(BLOCKING)),
    ("bogus_nxdomain", Left("addresses in answers are removed or left: `block` in [guard] removes them")),
    ("aaaa_disabled", Left("records of a type are not filtered")),
    ("enable_dnssec", Left(DNSSEC)),
    ("edns_client_subnet", Left("servers are told nothing about the client")),
    ("use_dns64", Left("IPv6 addresses are not synthesised; those of the network's translator are judged")),
    ("ratelimit*", Left("the rate of queries is not limited")),
    ("max_goroutines", Needless(NOT_NEEDED)),
    ("handle_ddr", Needless("designated resolvers are denied by default")),
    ("pending_requests", Needless("equal questions share one")),
    ("trusted_proxies", Left("stubborn serves plain DNS only")),
    ("serve_*", Left("stubborn serves plain DNS only")),
    ("use_http3_upstreams", Left("servers are asked only in plain DNS")),
    ("anonymize_client_ip", Left(LOG)),
    ("querylog_*", Left(LOG)),
    ("statistics_interval", Left(NOT_NEEDED)),
    ("ipset*", Left("addresses in answers are not added to firewall sets")),
    ("resolve_clients", Needless(NOT_NEEDED)),
    ("local_domain_name", Left("single names are not completed; write the full names as [[local]] names")),
];

/// AdGuard Home's other tables, each left as a whole.
pub(super) const ADGUARD_TABLES: &[(&str, Fate)] = &[
    ("http", Left("there is no web page")),
    ("users", Left("there is no web page")),
    ("auth_*", Left("there is no web page")),
    ("theme", Left("there is no web page")),
    ("language", Left("there is no web page")),
    ("web_session_ttl", Left("there is no web page")),
    ("bind_*", Left("there is no web page")),
    ("debug_pprof", Left(SERVICE)),
    ("http_proxy", Left("servers are asked directly")),
    ("tls", Left("stubborn serves plain DNS only")),
    ("statistics", Left(NOT_NEEDED)),
    ("filters", Left(BLOCKING)),
    ("whitelist_filters", Left(BLOCKING)),
    ("dhcp", Left(DHCP)),
    ("clients", Left("settings are the same for all clients, except the `clients` of an [[exception]]")),
    ("log*", Left(SERVICE)),
    ("verbose", Left(SERVICE)),
    ("os", Left(SERVICE)),
    ("schema_version", Needless(NOT_NEEDED)),
];
