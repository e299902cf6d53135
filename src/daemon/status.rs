//! How the daemon is: what `stubborn status` shows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::difference::written_count;
use super::listening::AbsentAddress;
use super::run::Daemon;
use crate::control::{CacheStatus, HomeDomain, PolicyStatus, Status, TopBlocked, UpstreamStatus};
use crate::files;
use crate::policy::{Category, RouteTrust};
use crate::resolve::{ChosenRoute, Route, Snapshot};
use crate::telemetry::{CATEGORIES, History, RCODES, SOURCES, TRANSPORTS, Totals};
use crate::upstream::{ExchangeError, LoopState, ServerState};

/// Names of the top list that are shown.
const TOP_NAMES: usize = 10;

pub(super) fn status(daemon: &Daemon) -> Status {
    let telemetry = &daemon.service.telemetry;
    let (totals, history) = (telemetry.totals(), telemetry.history());
    let snapshot = daemon.service.resolver.snapshot();
    let problems = problems(daemon, &snapshot, &history);
    let (file, awaited) = (daemon.source.file(), daemon.source.awaited_file());
    let at = file.as_deref().or(awaited.as_deref());
    let text = |path: &Path| path.display().to_string();
    Status {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        started: history.started.to_string(),
        uptime_seconds: history.uptime.as_secs(),
        healthy: problems.is_empty(),
        problems,
        log_level: daemon.level.level().label().to_owned(),
        config_file_id: at.and_then(files::place_id),
        config_file: file.as_deref().map(text),
        config_file_awaited: awaited.as_deref().map(text),
        own_addresses: daemon.environment.own.iter().map(ToString::to_string).collect(),
        policy: policy(daemon, &snapshot, history),
        listeners: daemon.environment.listening.iter().map(ToString::to_string).collect(),
        not_listening: daemon.absent.iter().map(AbsentAddress::reason).collect(),
        workers: daemon.workers.count(),
        tcp_connections: daemon.service.connections.open() as u64,
        upstreams: upstreams(&snapshot),
        cache: cache(daemon, &totals),
        queries: counts(TRANSPORTS.map(|transport| transport.label()), totals.queries),
        malformed: totals.malformed,
        shed: totals.shed,
        answers: counts(SOURCES.map(|source| source.label()), totals.answers),
        rcodes: counts(RCODES, totals.rcodes),
        guard: CATEGORIES
            .map(|category| (category.label().to_owned(), totals.of_category(category)))
            .into_iter()
            .collect(),
        rules: totals
            .rules
            .iter()
            .filter(|(_, met)| met.iter().any(|count| *count > 0))
            .map(|(rule, met)| {
                ((*rule).to_owned(), counts(CATEGORIES.map(|category| category.label()), *met))
            })
            .collect(),
        not_public: totals.not_public,
        top_blocked: telemetry
            .top_blocked(TOP_NAMES)
            .into_iter()
            .map(|top| TopBlocked { name: top.name.to_string(), count: top.count, error: top.error })
            .collect(),
    }
}

impl Daemon {
    /// Tells the service manager on a line how the daemon is.
    pub(super) fn tell_status(&self) {
        if !self.notifier.is_on() {
            return;
        }
        let snapshot = self.service.resolver.snapshot();
        let blocked = self.service.telemetry.totals().of_category(Category::Blocked);
        let servers: Vec<bool> = snapshot
            .written_routes()
            .flat_map(|route| &route.group.servers)
            .map(|server| server.is_up())
            .collect();
        let up = servers.iter().filter(|up| **up).count();
        self.notifier.status(&format!(
            "policy generation {}, {blocked} blocked so far, {up} of {} upstreams answer",
            snapshot.generation,
            servers.len(),
        ));
    }
}

fn counts<const N: usize>(labels: [&str; N], counts: [u64; N]) -> BTreeMap<String, u64> {
    labels.into_iter().map(str::to_owned).zip(counts).collect()
}

/// What somebody has to see to.
fn problems(daemon: &Daemon, snapshot: &Snapshot, history: &History) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(error) = &history.reload_error {
        let first = error.lines.first().map_or("", String::as_str);
        let more = match error.lines.len() {
            0 | 1 => "",
            _ => ", and more",
        };
        problems.push(format!("the configuration was not reloaded: {first}{more}"));
    }
    if !daemon.restart.is_empty() {
        let keys = daemon.restart.join(", ");
        problems.push(format!(
            "the configuration file has changes that need a restart ({keys}): restart stubborn, or undo them"
        ));
    }
    // The network's own names have the servers of the public DNS: that one leads back is said once.
    let default = snapshot.written_routes().next();
    let is_looped = default.is_some_and(|route| route.group.with_loops().any(|(_, loops)| loops.is_found()));
    let told = snapshot.routes().iter().filter(|route| !(route.is_home && is_looped));
    let in_loops = told.flat_map(|route| route.group.with_loops()).filter(|(_, loops)| loops.is_found());
    problems.extend(in_loops.map(|(server, loops)| loops.problem(server)));
    let fails = |route: &&ChosenRoute| {
        let is_silent =
            |(server, loops): (&Arc<ServerState>, &Arc<LoopState>)| !server.is_up() && !loops.is_found();
        route.here_only().is_none() && route.group.with_loops().all(is_silent)
    };
    // Where no server of the public DNS answers, none of the network's does either.
    let is_told = snapshot.written_routes().next().is_some_and(|default| fails(&default));
    for route in
        snapshot.routes().iter().filter(|route| fails(route) && !(route.is_home && (is_told || is_looped)))
    {
        problems.push(match &route.trust {
            None => "no upstream answers".to_owned(),
            Some(trust) => format!("no server of the route {} answers", trust.domain),
        });
    }
    // For names that a search list makes, the network's servers are a route of their own.
    problems.dedup();
    let gone = daemon.workers.ended();
    if gone > 0 {
        problems.push(format!("{gone} of {} workers ended", daemon.workers.count()));
    }
    problems
}

fn policy(daemon: &Daemon, snapshot: &Snapshot, history: History) -> PolicyStatus {
    PolicyStatus {
        generation: snapshot.generation,
        since: history.policy_since.to_string(),
        age_seconds: history.policy_age.as_secs(),
        mode: if snapshot.enforced { "enforce" } else { "monitor" }.to_owned(),
        ranges: snapshot.policy.range_count(),
        exceptions: written_count(&daemon.ingredients.guard.exceptions),
        routes: daemon.ingredients.routes.len(),
        here_only: snapshot.routes().iter().filter(|route| route.here_only().is_some()).count(),
        home_domains: daemon.ingredients.home.iter().map(home_domain).collect(),
        local_names: snapshot.local_count(),
        files: daemon.files.iter().map(|file| file.display().to_string()).collect(),
        failed_reloads: history.failed_reloads,
        reload_error_at: history.reload_error.as_ref().map(|error| error.at.to_string()),
        reload_error: history.reload_error.map(|error| error.lines).unwrap_or_default(),
    }
}

fn home_domain(route: &Route) -> HomeDomain {
    let RouteTrust { domain, origin, .. } = &route.trust;
    HomeDomain { domain: domain.to_string(), origin: origin.to_string() }
}

fn upstreams(snapshot: &Snapshot) -> Vec<UpstreamStatus> {
    let of_route = |route: &ChosenRoute| -> Vec<UpstreamStatus> {
        let domain = route.trust.as_ref().map(|trust| trust.domain.to_string());
        route.group.with_loops().map(|(server, loops)| upstream(domain.clone(), server, loops)).collect()
    };
    snapshot.written_routes().flat_map(of_route).collect()
}

fn upstream(route: Option<String>, server: &ServerState, loops: &LoopState) -> UpstreamStatus {
    let totals = server.totals();
    let timeouts = ExchangeError::LABELS.iter().position(|label| *label == "timeout");
    UpstreamStatus {
        route,
        server: server.endpoint.to_string(),
        up: server.is_up(),
        leads_back: loops.is_found(),
        round_trip_ms: server.round_trip().map(|took| took.as_secs_f64() * 1e3),
        queries: totals.queries,
        errors: totals.errors.iter().sum(),
        timeouts: timeouts.and_then(|index| totals.errors.get(index)).copied().unwrap_or(0),
    }
}

fn cache(daemon: &Daemon, totals: &Totals) -> CacheStatus {
    let resolver = &daemon.service.resolver;
    let (entries, octets) = resolver.cache_usage();
    CacheStatus {
        entries: entries as u64,
        octets,
        size: daemon.config.cache.size,
        hits: totals.cache_hits(),
        misses: totals.cache_misses(),
        evictions: resolver.cache_evictions(),
    }
}
