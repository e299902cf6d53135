//! What a reload changed, in one line.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::Hash;

use crate::config::Config;
use crate::policy::{Exception, GuardSettings, Origin};
use crate::resolve::Ingredients;

/// "+2 exceptions, −1 range, mode changed", or `None` if nothing changed that a reload can change.
pub(super) fn difference(old: &Ingredients, new: &Ingredients) -> Option<String> {
    let mut text = String::new();
    let bare = |exceptions: &[Exception]| -> Vec<Exception> {
        // Where an entry stands in the file is no part of what it says.
        exceptions
            .iter()
            .map(|exception| Exception { origin: Origin::BuiltIn, ..exception.clone() })
            .collect()
    };
    let nets =
        |list: &[(ipnet::IpNet, Origin)]| -> Vec<ipnet::IpNet> { list.iter().map(|(net, _)| *net).collect() };
    let routes = |all: &Ingredients| -> Vec<_> {
        all.routes
            .iter()
            .map(|route| (route.trust.domain.clone(), route.servers.clone(), route.trust.networks.clone()))
            .collect()
    };
    let locals = |all: &Ingredients| -> Vec<_> {
        all.locals.iter().map(|local| (local.name.clone(), local.wildcard, local.addresses.clone())).collect()
    };
    count(&mut text, "exception", &bare(&old.guard.exceptions), &bare(&new.guard.exceptions));
    count(&mut text, "blocked range", &nets(&old.guard.block), &nets(&new.guard.block));
    count(&mut text, "unblocked range", &nets(&old.guard.unblock), &nets(&new.guard.unblock));
    count(&mut text, "route", &routes(old), &routes(new));
    count(&mut text, "local name", &locals(old), &locals(new));
    count(&mut text, "hosts file name", &old.hosts, &new.hosts);
    count(&mut text, "server", &old.servers, &new.servers);
    count(&mut text, "client network", &old.allow_clients, &new.allow_clients);
    count(&mut text, "own address", &old.own, &new.own);
    count(&mut text, "NAT64 prefix", &old.nat64, &new.nat64);
    for (what, changed) in [
        ("guard settings", plain(&old.guard) != plain(&new.guard)),
        ("answered names", old.names != new.names),
        ("upstream timeout", old.timeout != new.timeout),
    ] {
        if changed {
            separate(&mut text);
            let _ = write!(text, "{what} changed");
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The guard's settings without the lists, which are counted by themselves.
fn plain(guard: &GuardSettings) -> GuardSettings {
    GuardSettings { block: Vec::new(), unblock: Vec::new(), exceptions: Vec::new(), ..guard.clone() }
}

fn count<T: Eq + Hash>(text: &mut String, what: &str, old: &[T], new: &[T]) {
    // Most reloads change one entry of a long list: what did not move need not be looked up.
    let same = old.iter().zip(new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(same..).unwrap_or_default(), new.get(same..).unwrap_or_default());
    let (olds, news): (HashSet<&T>, HashSet<&T>) = (old.iter().collect(), new.iter().collect());
    let added = new.iter().filter(|entry| !olds.contains(entry)).count();
    let removed = old.iter().filter(|entry| !news.contains(entry)).count();
    for (sign, number) in [("+", added), ("−", removed)] {
        if number > 0 {
            separate(text);
            let plural = match what.strip_suffix("ss") {
                _ if number == 1 => what.to_owned(),
                Some(_) => format!("{what}es"),
                None if what.ends_with("prefix") => format!("{what}es"),
                None => format!("{what}s"),
            };
            let _ = write!(text, "{sign}{number} {plural}");
        }
    }
}

fn separate(text: &mut String) {
    if !text.is_empty() {
        text.push_str(", ");
    }
}

/// The keys that differ and take a restart.
pub(super) fn restart_keys(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.server, &new.server);
    [
        ("server.listen", a.listen != b.listen),
        ("server.workers", a.workers != b.workers),
        ("server.tcp-connections", a.tcp_connections != b.tcp_connections),
        ("server.tcp-connections-per-client", a.tcp_connections_per_client != b.tcp_connections_per_client),
        ("server.tcp-idle-timeout", a.tcp_idle_timeout != b.tcp_idle_timeout),
        ("cache", old.cache != new.cache),
        ("log.format", old.log.format != new.log.format),
        ("control.socket", old.control != new.control),
        ("metrics", old.metrics != new.metrics),
    ]
    .into_iter()
    .filter_map(|(key, differs)| differs.then_some(key))
    .collect()
}
