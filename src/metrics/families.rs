//! Which metrics there are. Labels take their values from the program's own tables and from the configuration, never from a
//! query or an answer.

use std::sync::Arc;

use super::exposition::{Exposition, Family, Kind};
use super::{Sources, process};
use crate::count::{BOUNDS, HistogramTotal};
use crate::resolve::Snapshot;
use crate::telemetry::{CATEGORIES, History, RCODES, SOURCES, TRANSPORTS, Totals};
use crate::upstream::{ExchangeError, ServerState, ServerTotals};

use Kind::{Counter, Gauge};

/// Servers with metrics of their own. Who has written down more finds the rest in `stubborn status`.
const MAX_SERVERS: usize = 100;

/// All metrics, as they are now.
pub(super) fn render(sources: &Sources) -> String {
    let mut text = Exposition::default();
    let snapshot = sources.resolver.snapshot();
    let (totals, history) = (sources.telemetry.totals(), sources.telemetry.history());
    program(&mut text, &history);
    process::write(&mut text);
    clients(&mut text, &totals, sources);
    guard(&mut text, &totals);
    cache(&mut text, &totals, sources);
    upstreams(&mut text, &snapshot);
    policy(&mut text, &snapshot, &history);
    text.into_text()
}

fn program(text: &mut Exposition, history: &History) {
    text.family("stubborn_build_info", Gauge, "The program's version; always 1.")
        .labelled(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started = history.started.as_microsecond() as f64 / 1e6;
    text.family(
        "process_start_time_seconds",
        Gauge,
        "Start time of the process since unix epoch in seconds.",
    )
    .value(started);
}

fn clients(text: &mut Exposition, totals: &Totals, sources: &Sources) {
    let mut family = text.family("stubborn_queries_total", Counter, "Queries that came, by transport.");
    for (transport, count) in TRANSPORTS.iter().zip(totals.queries) {
        family.labelled(&[("transport", transport.label())], count);
    }
    text.family("stubborn_malformed_messages_total", Counter, "Messages that were not queries.")
        .value(totals.malformed);
    text.family("stubborn_dropped_queries_total", Counter, "Queries dropped for want of room.")
        .value(totals.shed);
    let mut family = text.family("stubborn_answers_total", Counter, "Answers, by where they came from.");
    for (source, count) in SOURCES.iter().zip(totals.answers) {
        family.labelled(&[("source", source.label())], count);
    }
    let mut family = text.family("stubborn_responses_total", Counter, "Answers, by response code.");
    for (rcode, count) in RCODES.iter().zip(totals.rcodes) {
        family.labelled(&[("rcode", rcode)], count);
    }
    text.family("stubborn_tcp_connections", Gauge, "TCP connections of clients that are open.")
        .value(sources.connections.open());
}

fn guard(text: &mut Exposition, totals: &Totals) {
    let help = "Answers that led inside: blocked here, blocked by the upstream (sinkhole), or let through and reported \
                (monitored).";
    let mut family = text.family("stubborn_guarded_answers_total", Counter, help);
    for category in CATEGORIES {
        family.labelled(&[("verdict", category.label())], totals.of_category(category));
    }
    let help = "The same by the rule that was met first; without those that never were.";
    let mut family = text.family("stubborn_guard_rule_hits_total", Counter, help);
    for (rule, counts) in &totals.rules {
        for (category, count) in CATEGORIES.iter().zip(counts).filter(|(_, count)| **count > 0) {
            family.labelled(&[("rule", rule), ("verdict", category.label())], count);
        }
    }
    let help = "Names that were not looked up because they are not public; without what programs ask for by themselves.";
    text.family("stubborn_not_public_names_total", Counter, help).value(totals.not_public);
}

fn cache(text: &mut Exposition, totals: &Totals, sources: &Sources) {
    let (entries, octets) = sources.resolver.cache_usage();
    text.family("stubborn_cache_entries", Gauge, "Answers in the cache.").value(entries);
    text.family("stubborn_cache_bytes", Gauge, "Memory the answers in the cache take.").value(octets);
    text.family("stubborn_cache_size_bytes", Gauge, "Memory the answers in the cache may take.")
        .value(sources.cache_size);
    text.family("stubborn_cache_hits_total", Counter, "Queries answered from the cache.")
        .value(totals.cache_hits());
    text.family("stubborn_cache_misses_total", Counter, "Queries for which an upstream had to be asked.")
        .value(totals.cache_misses());
    text.family("stubborn_cache_evictions_total", Counter, "Answers that had to make room in the cache.")
        .value(sources.resolver.cache_evictions());
}

fn upstreams(text: &mut Exposition, snapshot: &Snapshot) {
    let servers = servers(snapshot);
    let mut family =
        text.family("stubborn_upstream_up", Gauge, "Whether the server is asked (1) or avoided (0).");
    for server in &servers {
        family.labelled(&[("server", &server.name)], u8::from(server.state.is_up()));
    }
    let mut family = text.family("stubborn_upstream_queries_total", Counter, "Queries the server was asked.");
    for server in &servers {
        family.labelled(&[("server", &server.name)], server.totals.queries);
    }
    let help = "Queries the server gave no answer of use to, by what was wrong.";
    let mut family = text.family("stubborn_upstream_errors_total", Counter, help);
    for server in &servers {
        for (error, count) in ExchangeError::LABELS.iter().zip(server.totals.errors) {
            family.labelled(&[("server", &server.name), ("error", error)], count);
        }
    }
    let help = "How long the server took for its answers, with whatever was lost or asked again on the way.";
    let mut family = text.family("stubborn_upstream_response_seconds", Kind::Histogram, help);
    for server in &servers {
        histogram(&mut family, &server.name, &server.totals.took);
    }
}

struct Server<'a> {
    name: String,
    state: &'a ServerState,
    totals: ServerTotals,
}

/// Each server once, whatever number of routes it is for.
fn servers(snapshot: &Snapshot) -> Vec<Server<'_>> {
    let mut seen: Vec<&Arc<ServerState>> = Vec::new();
    for server in snapshot.routes().iter().flat_map(|route| &route.group.servers) {
        if seen.len() < MAX_SERVERS && !seen.iter().any(|known| Arc::ptr_eq(known, server)) {
            seen.push(server);
        }
    }
    let shown = |state: &'_ Arc<ServerState>| (state.endpoint.to_string(), state.totals());
    seen.into_iter()
        .map(|state| {
            let (name, totals) = shown(state);
            Server { name, state, totals }
        })
        .collect()
}

/// Buckets of a histogram hold all that is below their bound.
fn histogram(family: &mut Family<'_>, server: &str, took: &HistogramTotal) {
    let mut below = 0;
    for (bound, count) in BOUNDS.iter().zip(took.buckets) {
        below += count;
        let bound = bound.as_secs_f64().to_string();
        family.sample("_bucket", &[("server", server), ("le", &bound)], below);
    }
    family.sample("_bucket", &[("server", server), ("le", "+Inf")], took.count());
    family.sample("_sum", &[("server", server)], took.sum.as_secs_f64());
    family.sample("_count", &[("server", server)], took.count());
}

fn policy(text: &mut Exposition, snapshot: &Snapshot, history: &History) {
    text.family("stubborn_policy_generation", Gauge, "The number of the policy in use.")
        .value(snapshot.generation);
    text.family(
        "stubborn_policy_exceptions",
        Gauge,
        "Exceptions in the policy in use: each domain of a preset, and the built-in ones.",
    )
    .value(snapshot.policy.exception_count());
    let help = "Whether the guard removes what leads inside (1) or only reports it (0).";
    text.family("stubborn_policy_enforced", Gauge, help).value(u8::from(snapshot.enforced));
    let help = "When the policy in use was taken, since unix epoch in seconds.";
    let since = history.policy_since.as_microsecond() as f64 / 1e6;
    text.family("stubborn_policy_timestamp_seconds", Gauge, help).value(since);
    let mut family = text.family(
        "stubborn_config_reloads_total",
        Counter,
        "Attempts to take a configuration, by what came of them.",
    );
    family.labelled(&[("outcome", "taken")], history.reloads);
    family.labelled(&[("outcome", "refused")], history.failed_reloads);
    let help = "Whether the last configuration that was read is in use (1) or was refused (0).";
    text.family("stubborn_config_last_reload_successful", Gauge, help)
        .value(u8::from(history.reload_error.is_none()));
}
