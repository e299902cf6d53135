//! The tables that stand once: `[server]`, `[upstream]`, `[guard]`, `[names]`, `[network]`, `[cache]`, `[log]`,
//! `[control]`, `[metrics]`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use toml::de::DeValue;

use super::error::{Wrong, quoted};
use super::table::{Table, set};
use super::{doubts, foreign, servers, units, values};
use crate::cache::CacheSettings;
use crate::control::{ControlSettings, LONGEST_SOCKET};
use crate::listen::ListenSettings;
use crate::metrics::MetricsSettings;
use crate::policy::{GuardSettings, Mode, OnBlock, Origin, Profile};
use crate::resolve::{NamesSettings, NetworkSettings};
use crate::telemetry::{Format, Level, LogSettings, QueryLog};
use crate::upstream::{Endpoint, Server, UpstreamSettings, may_be_docker};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

pub(super) const MODES: &[(&str, Mode)] = &[("enforce", Mode::Enforce), ("monitor", Mode::Monitor)];
pub(super) const PROFILES: &[(&str, Profile)] =
    &[("standard", Profile::Standard), ("strict", Profile::Strict)];
pub(super) const ON_BLOCK: &[(&str, OnBlock)] =
    &[("nodata", OnBlock::Nodata), ("nxdomain", OnBlock::Nxdomain), ("refused", OnBlock::Refused)];
pub(super) const LEVELS: &[(&str, Level)] = &[
    ("error", Level::Error),
    ("warn", Level::Warn),
    ("info", Level::Info),
    ("debug", Level::Debug),
    ("trace", Level::Trace),
];
pub(super) const FORMATS: &[(&str, Format)] =
    &[("text", Format::Text), ("json", Format::Json), ("journald", Format::Journald)];

pub(super) const QUERY_LOGS: &[(&str, QueryLog)] =
    &[("off", QueryLog::Off), ("without-names", QueryLog::WithoutNames), ("with-names", QueryLog::WithNames)];

pub(super) fn server(table: &Table<'_>) -> ListenSettings {
    let mut settings = ListenSettings::default();
    let help = "write at least one address, such as \"127.0.0.1:53\"";
    if let Some(listen) = table.list("listen", help, values::listen) {
        let mut seen = HashSet::new();
        for (address, span) in &listen {
            // Port 0 is any free port, another one each time.
            if address.port() != 0 && !seen.insert(address) {
                let wrong =
                    Wrong::new(format!("\"{address}\" is listed twice")).help("remove one of the two");
                table.page.error(span, "server.listen", wrong);
            }
        }
        table.doubt("listen", foreign::swallowed_port);
        settings.listen = listen.into_iter().map(|(address, _)| address).collect();
    }
    let help = "write who may ask: \"loopback\", \"private\", \"any\" or networks";
    if let Some(clients) = table.list("allow-clients", help, values::clients) {
        settings.allow_clients = clients.into_iter().flat_map(|(networks, _)| networks).collect();
    }
    doubts::open_to_all(table, &settings.listen, &settings.allow_clients, "ask");
    if let Some(workers) = table.get("workers") {
        settings.workers = match workers.as_text() {
            Some("auto") => None,
            Some(other) => {
                workers.wrong(
                    Wrong::new(format!("{} is not a number of workers", quoted(other)))
                        .help("write \"auto\" or a number from 1 to 64, without quotes"),
                );
                None
            }
            None => workers.number(1..=64),
        };
    }
    let number = |key, range| table.get(key).and_then(|value| value.number(range));
    set(&mut settings.tcp_connections, number("tcp-connections", 1..=65_536));
    set(&mut settings.tcp_connections_per_client, number("tcp-connections-per-client", 1..=65_536));
    let all = settings.tcp_connections;
    if let Some(value) = table.get("tcp-connections-per-client")
        && settings.tcp_connections_per_client > all
    {
        value.warn(Wrong::new(format!("more than all clients may have together, which is {all}")));
    }
    let idle =
        values::duration(SECOND..=10 * 60 * SECOND, "idle connections are closed to make room for others");
    set(&mut settings.tcp_idle_timeout, table.text("tcp-idle-timeout", idle));
    settings
}

pub(super) fn upstream(table: &Table<'_>, listen: &[SocketAddr]) -> UpstreamSettings {
    let mut settings = UpstreamSettings::default();
    let help = "write at least one server, such as \"9.9.9.9\", or \"system\" for those of resolv.conf";
    let servers = table.list("servers", help, |text| {
        let server = servers::server(text)?;
        if let Server::At(endpoint) = server {
            refuse_loop(endpoint, listen)?;
        }
        Ok(server)
    });
    table.doubt("servers", servers::doubt);
    if let Some(servers) = servers {
        settings.servers.clear();
        for (server, span) in servers {
            if settings.servers.contains(&server) {
                let wrong = Wrong::new("this server is listed twice").help("remove one of the two");
                table.page.error(&span, "upstream.servers", wrong);
            }
            settings.servers.push(server);
        }
    }
    let range = Duration::from_millis(100)..=30 * SECOND;
    let timeout = values::duration(range, "it is how long one server may take before the next is asked");
    set(&mut settings.timeout, table.text("timeout", timeout));
    settings
}

/// A server at an address listened on is ourselves. What only the machine can tell is found out when its servers are.
pub(super) fn refuse_loop(server: Endpoint, listen: &[SocketAddr]) -> Result<(), Wrong> {
    let address = server.address();
    let own = listen.iter().find(|own| {
        let any = own.ip().is_unspecified() && address.ip().is_loopback() && !may_be_docker(address);
        own.port() == address.port() && (own.ip() == address.ip() || any)
    });
    match own {
        Some(own) => Err(Wrong::new(format!("\"{server}\" is this daemon itself, which listens on {own}"))
            .help("write another server, or listen on another address or port")),
        None => Ok(()),
    }
}

pub(super) fn guard(table: &Table<'_>) -> GuardSettings {
    let mut settings = GuardSettings::default();
    set(&mut settings.mode, table.text("mode", values::choice("mode", MODES)));
    set(&mut settings.profile, table.text("profile", values::choice("profile", PROFILES)));
    set(&mut settings.on_block, table.text("on-block", values::choice("reply for a block", ON_BLOCK)));
    let ttl = values::ttl(SECOND..=HOUR, "a client that was blocked keeps that answer so long");
    set(&mut settings.block_ttl, table.text("block-ttl", ttl));
    set(&mut settings.own_addresses, table.flag("own-addresses"));
    if let Some(networks) = table.list_or_none("block", blocked) {
        let all: Vec<IpNet> = networks.iter().map(|(network, _)| *network).collect();
        table
            .get("block")
            .zip(doubts::blocked(&all))
            .into_iter()
            .for_each(|(value, wrong)| value.warn(wrong));
        settings.block =
            networks.into_iter().map(|(network, span)| (network, table.page.origin(&span))).collect();
    }
    table.doubt("unblock", |text| doubts::unblocked(&unblocked(text).ok()?));
    if let Some(networks) = table.list_or_none("unblock", unblocked) {
        let with_origin = |(networks, span): (Vec<IpNet>, _)| -> Vec<(IpNet, Origin)> {
            let origin = table.page.origin(&span);
            networks.into_iter().map(|network| (network, origin.clone())).collect()
        };
        settings.unblock = networks.into_iter().flat_map(with_origin).collect();
    }
    if let Some(prefixes) = table.list_or_none("nat64", values::nat64) {
        settings.nat64 = prefixes.into_iter().map(|(prefix, _)| prefix).collect();
    }
    settings
}

fn blocked(text: &str) -> Result<IpNet, Wrong> {
    let network = values::network(text)?;
    if network.prefix_len() == 0 {
        return Err(Wrong::new(format!("{} is every address there is", quoted(text)))
            .help("no answer would be left; write the networks that are meant"));
    }
    Ok(network)
}

/// A network, or the name of a range of the table.
fn unblocked(text: &str) -> Result<Vec<IpNet>, Wrong> {
    if let Some(networks) = crate::policy::range_named(text) {
        return Ok(networks);
    }
    if text.chars().any(|c| c.is_ascii_alphabetic()) && !text.contains([':', '/']) {
        return Err(values::unknown_word(text, "range", crate::policy::range_names()));
    }
    let network = values::network(text)?;
    let least = match network {
        IpNet::V4(_) => 4,
        IpNet::V6(_) => 7,
    };
    if network.prefix_len() < least {
        return Err(Wrong::new(format!("{} is nearly everything", quoted(text)))
            .help("to report without blocking, set mode = \"monitor\""));
    }
    Ok(vec![network])
}

pub(super) fn names(table: &Table<'_>) -> NamesSettings {
    let mut settings = NamesSettings::default();
    if let Some(files) = table.list_or_none("hosts-files", hosts_file) {
        settings.hosts_files = files.into_iter().map(|(file, _)| file).collect();
    }
    set(&mut settings.firefox_canary, table.flag("firefox-canary"));
    set(&mut settings.private_relay, table.flag("private-relay"));
    set(&mut settings.designated_resolver, table.flag("designated-resolver"));
    settings
}

pub(super) fn network(table: &Table<'_>) -> NetworkSettings {
    let mut settings = NetworkSettings::default();
    set(&mut settings.home_names, table.flag("home-names"));
    settings
}

fn hosts_file(text: &str) -> Result<PathBuf, Wrong> {
    let path = Path::new(text);
    if path.is_absolute() && !text.contains('\0') {
        return Ok(path.to_owned());
    }
    Err(Wrong::new(format!("{} is not a full path", quoted(text)))
        .help("write the path from the root, such as \"/etc/hosts\""))
}

pub(super) fn cache(table: &Table<'_>) -> CacheSettings {
    let mut settings = CacheSettings::default();
    set(&mut settings.size, table.text("size", cache_size));
    let why = "longer TTLs are cut to this";
    set(&mut settings.max_ttl, table.text("max-ttl", values::ttl(Duration::ZERO..=7 * DAY, why)));
    let why = "RFC 2308 advises hours, not days, for negative answers";
    set(
        &mut settings.negative_max_ttl,
        table.text("negative-max-ttl", values::ttl(Duration::ZERO..=DAY, why)),
    );
    let why = "RFC 8767 advises one to three days; 0 never gives a stale answer";
    set(&mut settings.serve_stale, table.text("serve-stale", values::ttl(Duration::ZERO..=7 * DAY, why)));
    set(&mut settings.prefetch, table.flag("prefetch"));
    settings
}

fn cache_size(text: &str) -> Result<u64, Wrong> {
    const LEAST: u64 = 64 << 10;
    const MOST: u64 = 64 << 30;
    let size = units::size(text)?;
    if size == 0 || (LEAST..=MOST).contains(&size) {
        return Ok(size);
    }
    let (least, most) = (units::show_size(LEAST), units::show_size(MOST));
    Err(Wrong::new(format!("{} is out of range", quoted(text)))
        .help(format!("write {least} to {most}, or \"0\" to keep nothing")))
}

pub(super) fn log(table: &Table<'_>) -> LogSettings {
    let mut settings = LogSettings::default();
    set(&mut settings.level, table.text("level", level));
    set(&mut settings.format, table.text("format", values::choice("log format", FORMATS)));
    set(&mut settings.queries, table.text("queries", values::choice("setting of the query log", QUERY_LOGS)));
    settings
}

pub(super) fn level(text: &str) -> Result<Level, Wrong> {
    values::choice("log level", LEVELS)(text)
}

pub(super) fn control(table: &Table<'_>) -> ControlSettings {
    let mut settings = ControlSettings::default();
    set(&mut settings.socket, table.text("socket", socket));
    settings
}

/// A path, or "off" for none.
pub(super) fn socket(text: &str) -> Result<Option<PathBuf>, Wrong> {
    if text == "off" {
        return Ok(None);
    }
    let help = "write the path from the root, such as \"/run/stubborn/control.sock\", or \"off\"";
    if !text.starts_with('/') || text.ends_with('/') || text.contains('\0') {
        return Err(Wrong::new(format!("{} is not a full path of a file", quoted(text))).help(help));
    }
    if text.len() > LONGEST_SOCKET {
        return Err(Wrong::new(format!("{} is too long for a socket", quoted(text)))
            .help(format!("the path of a socket has at most {LONGEST_SOCKET} octets")));
    }
    Ok(Some(PathBuf::from(text)))
}

pub(super) fn metrics(table: &Table<'_>) -> MetricsSettings {
    let mut settings = MetricsSettings::default();
    set(&mut settings.listen, table.text("listen", metrics_address));
    let help = "write who may read them: \"loopback\", \"private\", \"any\" or networks";
    if let Some(clients) = table.list("allow-clients", help, values::clients) {
        settings.allow_clients = clients.into_iter().flat_map(|(networks, _)| networks).collect();
    }
    let reached: Vec<SocketAddr> = settings.listen.into_iter().collect();
    doubts::open_to_all(table, &reached, &settings.allow_clients, "read");
    if let Some(hosts) = table.list_or_none("hosts", values::host) {
        settings.hosts = hosts.into_iter().map(|(host, _)| host).collect();
    }
    let is_loopback = |net: &IpNet| net.addr().is_loopback();
    if settings.listen.is_some_and(|address| !address.ip().is_loopback())
        && settings.allow_clients.iter().all(is_loopback)
        && let Some(value) = table.get("listen")
    {
        let help = "write who else may: allow-clients = [\"192.168.1.0/24\"]";
        value.warn(Wrong::new("others can connect here, and only loopback clients may read").help(help));
    }
    settings
}

/// An address with a port, or "off" for none.
fn metrics_address(text: &str) -> Result<Option<SocketAddr>, Wrong> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Wrong::new(format!("{} is not an address with a port", quoted(text)))
            .help("write one, such as \"127.0.0.1:9353\" or \"[::1]:9353\", or \"off\"")
    })
}

/// The patterns of `include`, each with its place.
pub(super) fn include<'a>(top: &Table<'a>) -> Vec<super::table::Value<'a>> {
    let Some(value) = top.get("include") else {
        return Vec::new();
    };
    let items = value.items().unwrap_or_default();
    items.into_iter().filter(|item| item.read(is_text).is_some()).collect()
}

fn is_text(value: &DeValue<'_>) -> Result<(), Wrong> {
    match value {
        DeValue::String(_) => Ok(()),
        _ => {
            Err(Wrong::new("this must be text in quotes").help("write a pattern, such as \"conf.d/*.toml\""))
        }
    }
}
