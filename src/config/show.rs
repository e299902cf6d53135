//! A configuration in effect, key by key, with the origin of each value.

use std::time::Duration;

use ipnet::IpNet;
use toml::Value;

use super::load::Loaded;
use super::{keys, routes, sections, units};
use crate::cache::CacheSettings;
use crate::control::ControlSettings;
use crate::listen::{ListenSettings, group};
use crate::metrics::MetricsSettings;
use crate::policy::{Exception, ExceptionMode, GuardSettings, Origin, Shape};
use crate::resolve::{LocalName, NamesSettings, NetworkSettings, Route};
use crate::telemetry::LogSettings;
use crate::upstream::{Server, UpstreamSettings};

/// A table in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// Its name.
    pub table: &'static str,
    /// Where it was written, of one that may stand any number of times.
    pub origin: Option<Origin>,
    /// Its keys.
    pub keys: Vec<ShownKey>,
}

/// A key in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownKey {
    /// Its name.
    pub key: &'static str,
    /// Its value, as a file would have it.
    pub value: Value,
    /// Who set it; `Origin::BuiltIn` is the default.
    pub origin: Origin,
}

type Row = (&'static str, Value);

/// Every table with every value: what a file would say that leaves nothing to the defaults.
pub fn show(loaded: &Loaded) -> Vec<Shown> {
    let config = &loaded.config;
    let once = [
        (keys::SERVER.table, server(&config.server)),
        (keys::UPSTREAM.table, upstream(&config.upstream)),
        (keys::GUARD.table, guard(&config.guard)),
        (keys::NAMES.table, names(&config.names)),
        (keys::NETWORK.table, network(&config.network)),
        (keys::CACHE.table, cache(&config.cache)),
        (keys::LOG.table, log(config.log)),
        (keys::CONTROL.table, control(&config.control)),
        (keys::METRICS.table, metrics(&config.metrics)),
    ];
    let once = once.into_iter().map(|(table, rows)| {
        let key = |(key, value)| ShownKey { key, value, origin: origin_of(loaded, table, key) };
        Shown { table, origin: None, keys: rows.into_iter().map(key).collect() }
    });
    let many = |table: &'static str, origin: &Origin, rows: Vec<Row>| {
        let key = |(key, value)| ShownKey { key, value, origin: origin.clone() };
        Shown { table, origin: Some(origin.clone()), keys: rows.into_iter().map(key).collect() }
    };
    let exceptions = config.guard.exceptions.iter();
    let exceptions = exceptions.map(|own| many(keys::EXCEPTION.table, &own.origin, exception(own)));
    let routes = config.routes.iter().map(|own| many(keys::ROUTE.table, &own.trust.origin, route(own)));
    let locals = config.locals.iter().map(|own| many(keys::LOCAL.table, &own.origin, local(own)));
    once.chain(exceptions).chain(routes).chain(locals).collect()
}

fn origin_of(loaded: &Loaded, table: &str, key: &str) -> Origin {
    let path = format!("{table}.{key}");
    let written = loaded.written.iter().find(|(written, _)| *written == path);
    written.map_or(Origin::BuiltIn, |(_, origin)| origin.clone())
}

fn server(settings: &ListenSettings) -> Vec<Row> {
    let ListenSettings {
        listen,
        allow_clients,
        workers,
        tcp_connections,
        tcp_connections_per_client,
        tcp_idle_timeout,
    } = settings;
    vec![
        ("listen", texts(listen)),
        ("allow-clients", texts(&clients(allow_clients))),
        ("workers", workers.map_or_else(|| "auto".into(), number)),
        ("tcp-connections", number(*tcp_connections)),
        ("tcp-connections-per-client", number(*tcp_connections_per_client)),
        ("tcp-idle-timeout", duration(*tcp_idle_timeout)),
    ]
}

/// Networks, those of a group by its name.
fn clients(networks: &[IpNet]) -> Vec<String> {
    let mut rest = networks.to_vec();
    let mut shown = Vec::new();
    for name in ["any", "loopback", "private"] {
        let members = group(name).unwrap_or_default();
        if members.iter().all(|member| rest.contains(member)) {
            rest.retain(|network| !members.contains(network));
            shown.push(name.to_owned());
        }
    }
    shown.extend(rest.iter().map(ToString::to_string));
    shown
}

fn upstream(settings: &UpstreamSettings) -> Vec<Row> {
    let UpstreamSettings { servers, timeout } = settings;
    let servers: Vec<String> = servers
        .iter()
        .map(|server| match server {
            Server::System => "system".to_owned(),
            Server::At(endpoint) => endpoint.to_string(),
        })
        .collect();
    vec![("servers", texts(&servers)), ("timeout", duration(*timeout))]
}

fn guard(settings: &GuardSettings) -> Vec<Row> {
    let GuardSettings {
        mode,
        profile,
        on_block,
        block_ttl,
        block,
        unblock,
        own_addresses,
        nat64,
        exceptions: _,
        arguments: _,
    } = settings;
    let networks = |list: &[(IpNet, Origin)]| list.iter().map(|(network, _)| network.to_string()).collect();
    let (block, unblock): (Vec<String>, Vec<String>) = (networks(block), networks(unblock));
    vec![
        ("mode", word(sections::MODES, mode)),
        ("profile", word(sections::PROFILES, profile)),
        ("on-block", word(sections::ON_BLOCK, on_block)),
        ("block-ttl", duration(*block_ttl)),
        ("block", texts(&block)),
        ("unblock", texts(&unblock)),
        ("own-addresses", (*own_addresses).into()),
        ("nat64", texts(nat64)),
    ]
}

fn names(settings: &NamesSettings) -> Vec<Row> {
    let NamesSettings { hosts_files, firefox_canary, private_relay, designated_resolver } = settings;
    let files: Vec<String> = hosts_files.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    vec![
        ("hosts-files", texts(&files)),
        ("firefox-canary", (*firefox_canary).into()),
        ("private-relay", (*private_relay).into()),
        ("designated-resolver", (*designated_resolver).into()),
    ]
}

fn network(settings: &NetworkSettings) -> Vec<Row> {
    let NetworkSettings { home_names } = settings;
    vec![("home-names", (*home_names).into())]
}

fn cache(settings: &CacheSettings) -> Vec<Row> {
    let CacheSettings { size, max_ttl, negative_max_ttl, serve_stale, prefetch } = settings;
    vec![
        ("size", units::show_size(*size).into()),
        ("max-ttl", duration(*max_ttl)),
        ("negative-max-ttl", duration(*negative_max_ttl)),
        ("serve-stale", duration(*serve_stale)),
        ("prefetch", (*prefetch).into()),
    ]
}

fn log(settings: LogSettings) -> Vec<Row> {
    let LogSettings { level, format, queries } = settings;
    vec![
        ("level", word(sections::LEVELS, &level)),
        ("format", word(sections::FORMATS, &format)),
        ("queries", word(sections::QUERY_LOGS, &queries)),
    ]
}

fn control(settings: &ControlSettings) -> Vec<Row> {
    let ControlSettings { socket } = settings;
    vec![("socket", socket.as_ref().map_or_else(|| "off".into(), |path| path.display().to_string().into()))]
}

fn metrics(settings: &MetricsSettings) -> Vec<Row> {
    let MetricsSettings { listen, allow_clients, hosts } = settings;
    vec![
        ("listen", listen.map_or_else(|| "off".into(), |address| address.to_string().into())),
        ("allow-clients", texts(&clients(allow_clients))),
        ("hosts", texts(hosts)),
    ]
}

/// One exception; of a preset that stands for several, this one of them.
fn exception(exception: &Exception) -> Vec<Row> {
    let Exception { domain, exact, networks, shape, clients, until, mode, reason, preset, origin: _ } =
        exception;
    let mut rows: Vec<Row> = Vec::new();
    rows.extend(preset.map(|preset| ("preset", preset.into())));
    rows.push(("domain", domain.to_string().into()));
    rows.push(("networks", texts(networks)));
    if preset.is_none() {
        rows.push(("exact", (*exact).into()));
        rows.push(("address-in-name", (*shape == Shape::AddressInName).into()));
    }
    if !clients.is_empty() {
        rows.push(("clients", texts(clients)));
    }
    let moment = until.and_then(|until| jiff::Timestamp::from_second(until).ok());
    if let Some(moment) = moment.and_then(|moment| moment.to_string().parse().ok()) {
        rows.push(("until", Value::Datetime(moment)));
    }
    let mode = match mode {
        ExceptionMode::Allow => "allow",
        ExceptionMode::Monitor => "monitor",
    };
    rows.push(("mode", mode.into()));
    rows.extend(reason.as_deref().map(|reason| ("reason", reason.into())));
    rows
}

fn route(route: &Route) -> Vec<Row> {
    let Route { servers, trust, of_strangers: _ } = route;
    let mut rows = vec![("domain", trust.domain.to_string().into()), ("servers", texts(servers))];
    // Without servers, no answer can have an inside address.
    if !servers.is_empty() {
        rows.push(("networks", texts(&trust.networks)));
    }
    rows
}

fn local(local: &LocalName) -> Vec<Row> {
    let LocalName { name, wildcard, addresses, types, origin: _ } = local;
    let name = if *wildcard { format!("*.{name}") } else { name.to_string() };
    vec![("name", name.into()), ("addresses", texts(addresses)), ("types", word(routes::TYPES, types))]
}

fn texts<T: ToString>(items: &[T]) -> Value {
    Value::Array(items.iter().map(|item| Value::String(item.to_string())).collect())
}

fn number(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

fn duration(duration: Duration) -> Value {
    units::show_duration(duration).into()
}

fn word<T: PartialEq>(words: &[(&'static str, T)], value: &T) -> Value {
    words.iter().find(|(_, other)| other == value).map_or("", |(word, _)| word).into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use super::*;
    use crate::config::{Disk, TABLES, from_text};
    use crate::policy::{PRESETS, Scope};

    fn loaded(text: &str) -> Loaded {
        from_text(Path::new("a.toml"), text, &Disk, 0).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
    }

    fn as_text(shown: &[Shown]) -> String {
        let mut text = String::new();
        for table in shown {
            let (open, close) = if table.origin.is_some() { ("[[", "]]") } else { ("[", "]") };
            text.push_str(&format!("{open}{}{close}\n", table.table));
            for ShownKey { key, value, .. } in &table.keys {
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
        text
    }

    /// Without the places in the file.
    fn settings(loaded: Loaded) -> crate::config::Config {
        let mut config = loaded.config;
        config.guard.exceptions.iter_mut().for_each(|own| own.origin = Origin::BuiltIn);
        config
            .guard
            .block
            .iter_mut()
            .chain(&mut config.guard.unblock)
            .for_each(|own| own.1 = Origin::BuiltIn);
        config.routes.iter_mut().for_each(|own| own.trust.origin = Origin::BuiltIn);
        config.locals.iter_mut().for_each(|own| own.origin = Origin::BuiltIn);
        config
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_configuration() {
        let mut texts = vec![String::new(), include_str!("../../etc/stubborn.toml").to_owned()];
        for name in ["everything", "other-ways", "overview"] {
            texts.push(std::fs::read_to_string(format!("tests/config/valid/{name}.toml")).unwrap());
        }
        for preset in PRESETS {
            let own = format!("domain = \"me.{}\"\n", preset.domains[0]);
            let domain = if preset.scope == Scope::OwnName { own.as_str() } else { "" };
            texts.push(format!("[[exception]]\npreset = \"{}\"\n{domain}", preset.name));
        }
        for text in texts {
            let first = loaded(&text);
            let shown = as_text(&show(&first));
            assert_eq!(settings(loaded(&shown)), settings(first), "{text}\n---\n{shown}");
        }
    }

    #[test]
    fn every_key_is_shown() {
        let text = "[[exception]]\ndomain = \"a.example\"\nclients = [\"10.0.0.1\"]\nuntil = 2030-01-01T00:00:00Z\nreason = \"x\"\n[[exception]]\npreset = \"plex\"\n[[route]]\npreset = \"tailscale\"\n[[local]]\nname = \"a\"\naddresses = [\"10.0.0.1\"]\n";
        let mut keys: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for table in show(&loaded(text)) {
            keys.entry(table.table).or_default().extend(table.keys.iter().map(|key| key.key));
        }
        for table in TABLES.iter().filter(|table| !table.table.is_empty()) {
            for key in table.keys {
                // A route's preset is its domain, servers and networks, which are shown.
                let is_expanded = (table.table, *key) == ("route", "preset");
                assert!(is_expanded || keys[table.table].contains(key), "{}.{key}", table.table);
            }
        }
    }

    #[test]
    fn every_value_says_who_set_it() {
        let shown = show(&loaded("\n[guard]\n\nmode = \"monitor\"\n[cache]\nsize = \"1MiB\"\n"));
        let origin = |table: &str, key: &str| {
            let table = shown.iter().find(|shown| shown.table == table).unwrap();
            table.keys.iter().find(|shown| shown.key == key).unwrap().origin.to_string()
        };
        assert_eq!(origin("guard", "mode"), "a.toml:4");
        assert_eq!(origin("guard", "profile"), "built-in");
        assert_eq!(origin("cache", "size"), "a.toml:6");
    }
}
