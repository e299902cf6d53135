//! What a reload changed, in one line.

use std::collections::HashSet;
use std::fmt::Write;
use std::hash::Hash;
use std::sync::Arc;

use crate::config::Config;
use crate::policy::{Exception, GuardSettings, Origin};
use crate::resolve::Ingredients;

/// "+2 exceptions, −1 range, mode changed", or `None` if nothing changed that a reload can change.
pub(super) fn difference(old: &Ingredients, new: &Ingredients) -> Option<String> {
    let mut text = String::new();
    // A preset is one, whatever the number of its domains.
    count_by(&mut text, "exception", &old.guard.exceptions, &new.guard.exceptions, said, |one| &one.origin);
    count(&mut text, "blocked range", &old.guard.block, &new.guard.block, |(net, _)| net);
    count(&mut text, "unblocked range", &old.guard.unblock, &new.guard.unblock, |(net, _)| net);
    count(&mut text, "route", &old.routes, &new.routes, |route| {
        (&route.trust.domain, &route.servers, &route.trust.networks)
    });
    count(&mut text, "home domain", &old.home, &new.home, |route| (&route.trust.domain, &route.servers));
    count(&mut text, "local name", &old.locals, &new.locals, |local| {
        (&local.name, local.wildcard, &local.addresses, local.types)
    });
    if !Arc::ptr_eq(&old.hosts, &new.hosts) {
        count(&mut text, "hosts file name", &old.hosts, &new.hosts, |name| name);
    }
    count(&mut text, "server", &old.servers, &new.servers, |server| server);
    count(&mut text, "client network", &old.allow_clients, &new.allow_clients, |net| net);
    count(&mut text, "own address", &old.own, &new.own, |address| address);
    count(&mut text, "NAT64 prefix", &old.nat64, &new.nat64, |prefix| prefix);
    for (what, changed) in [
        ("guard settings", plain(&old.guard) != plain(&new.guard)),
        ("host name", old.host_name != new.host_name),
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

/// How many exceptions are written: a preset is one, whatever the number of its domains.
pub(super) fn written_count(exceptions: &[Exception]) -> usize {
    let mut origins: Vec<&Origin> = exceptions.iter().map(|exception| &exception.origin).collect();
    // The exceptions of one preset stand together.
    origins.dedup();
    origins.len()
}

/// The guard's settings without the lists, which are counted by themselves.
fn plain(guard: &GuardSettings) -> GuardSettings {
    GuardSettings { block: Vec::new(), unblock: Vec::new(), exceptions: Vec::new(), ..guard.clone() }
}

/// What an exception says; where it stands in the file is not part of it.
fn said(exception: &Exception) -> impl Eq + Hash {
    let Exception { domain, exact, networks, shape, clients, until, mode, reason, preset, origin: _ } =
        exception;
    (domain, exact, networks, shape, clients, until, mode, reason, preset)
}

/// Counts the entries of which only one list has one that says the same.
fn count<'a, T, K: Eq + Hash>(
    text: &mut String,
    what: &str,
    old: &'a [T],
    new: &'a [T],
    said: impl Fn(&'a T) -> K,
) {
    count_by(text, what, old, new, said, std::ptr::from_ref);
}

/// The same, counting entries of one `unit` as one.
fn count_by<'a, T, K: Eq + Hash, U: Eq + Hash>(
    text: &mut String,
    what: &str,
    old: &'a [T],
    new: &'a [T],
    said: impl Fn(&'a T) -> K,
    unit: impl Fn(&'a T) -> U,
) {
    // Most reloads change one entry of a long list: what did not move need not be looked up.
    let same = old.iter().zip(new).take_while(|(old, new)| said(old) == said(new)).count();
    let (old, new) = (old.get(same..).unwrap_or_default(), new.get(same..).unwrap_or_default());
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| said(old) == said(new)).count();
    let (old, new) = (without_last(old, same), without_last(new, same));
    let (olds, news): (HashSet<K>, HashSet<K>) =
        (old.iter().map(&said).collect(), new.iter().map(&said).collect());
    let only = |list: &'a [T], others: &HashSet<K>| {
        let units: HashSet<U> =
            list.iter().filter(|entry| !others.contains(&said(entry))).map(&unit).collect();
        units.len()
    };
    let (added, removed) = (only(new, &olds), only(old, &news));
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

fn without_last<T>(list: &[T], count: usize) -> &[T] {
    list.get(..list.len().saturating_sub(count)).unwrap_or_default()
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
