//! `stubborn audit`: the catalogue of attacks, played at the configured guard through real sockets, without any network.

use serde_json::Map;

use super::args::Audit;
use super::output::{complain_of, waiting_for};
use super::{FINE, NO, TROUBLE, complain, say, say_pretty_json};
use crate::audit::upstream::NONCE;
use crate::audit::{
    AttackUpstream, Case, FIXTURE, Group, Report, RouteSetup, Setup, Transport, catalogue, play,
};
use crate::config::{self, Config, ConfigErrors, Disk};
use crate::daemon::{BuildError, Built, Environment, Inside, Source, host_name, own_addresses};
use crate::dns::Name;
use crate::resolve::{Ingredients, Route};
use crate::upstream::{Endpoint, Server, in_container};

/// The most routes that are tested; each has an attacker with its own threads.
const MOST_ROUTES: usize = 32;

/// As long as the labels that the catalogue puts before a route's domain.
const FRESH: &str = "s01-000000.n-0123456789ab";

/// Plays the catalogue; the answer is no when anything got through, or anything honest was lost.
pub(super) fn audit(arguments: &Audit) -> u8 {
    match try_audit(arguments) {
        Ok(report) => {
            if arguments.json {
                say_pretty_json(&report);
            } else {
                say(report.to_string().trim_end());
                say(if report.is_clean() { "\nnothing got through" } else { "\nTHE GUARD HAS HOLES" });
            }
            if report.is_clean() { FINE } else { NO }
        }
        Err(Trouble::Config(errors)) => {
            complain_of(&errors, Map::new());
            NO
        }
        Err(Trouble::System(text)) => {
            complain(&text);
            TROUBLE
        }
    }
}

enum Trouble {
    Config(ConfigErrors),
    System(String),
}

fn try_audit(arguments: &Audit) -> Result<Report, Trouble> {
    let own = own_addresses();
    // Nothing outside is asked; the attacker takes the servers' place once it is known what it attacks.
    let placeholder = Server::At(Endpoint::Do53(([192, 0, 2, 1], 53).into()));
    let source =
        Source { config: arguments.config.clone(), upstream: vec![placeholder], ..Source::default() };
    let environment = Environment {
        own: own.clone(),
        host_name: host_name(),
        in_container: in_container(),
        ..Environment::default()
    };
    let mut built = source.build(&environment).map_err(|error| match error {
        BuildError::Config(errors) => Trouble::Config(errors),
        other => Trouble::System(other.to_string()),
    })?;

    let guard = &built.ingredients.guard;
    let routes = routes(&built);
    let played: Vec<String> = routes.iter().map(|route| route.domain.clone()).collect();
    let mut cases = catalogue(&Setup {
        profile: guard.profile,
        on_block: guard.on_block,
        block_ttl: u32::try_from(guard.block_ttl.as_secs()).unwrap_or(u32::MAX),
        host: if guard.own_addresses { own } else { Vec::new() },
        host_name: built.ingredients.hidden_host().map(|name| name.to_string()),
        nat64: guard.nat64.clone(),
        fixture: true,
        routes,
    });
    let all = cases.len();
    let is_left_out = |case: &Case| {
        case.group != Group::Routes && names_of_its_own(case).any(|name| is_answered_by(&built, &name))
    };
    cases.retain(|case| !is_left_out(case));
    let left_out = all - cases.len();
    let system = |error: std::io::Error| Trouble::System(error.to_string());
    let attacker = AttackUpstream::start(&cases).map_err(system)?;
    let of_routes: Vec<Case> = cases.iter().filter(|case| case.group == Group::Routes).cloned().collect();
    // Kept until the end: they stop when they are dropped.
    let _attackers = attack_routes(&mut built, &played, &of_routes).map_err(system)?;
    let fixture = fixture().map_err(Trouble::System)?;
    built.ingredients.servers = vec![Endpoint::Do53(attacker.address())];
    built.ingredients.guard.exceptions.extend(fixture.guard.exceptions);
    built.ingredients.locals.extend(fixture.locals);
    built.ingredients.routes.extend(fixture.routes);
    let daemon = Inside::start(&built).map_err(|error| Trouble::System(error.to_string()))?;

    let mut findings = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        let _waiting = waiting_for(&format!("{} attacks over {transport}, each played twice", cases.len()));
        findings.extend(play(daemon.address(), &cases, &attacker, transport, true));
    }
    Ok(Report { left_out, ..Report::new(&cases, findings) })
}

/// The routes that are tested: those whose servers are asked for fresh names, which no local name answers.
fn routes(built: &Built) -> Vec<RouteSetup> {
    let Ingredients { routes, guard, .. } = &built.ingredients;
    let is_played = |route: &&Route| {
        // With these labels, the name must not be too long.
        let fresh = Name::from_text(&format!("{FRESH}.{}", route.trust.domain));
        fresh.is_ok_and(|name| !is_local(built, &name))
    };
    let setup = |route: &Route| {
        let Route { servers, trust, of_strangers } = route;
        let exceptions = guard.exceptions.iter().filter(|exception| {
            !exception.exact && trust.domain.as_ref().is_within(exception.domain.as_ref())
        });
        RouteSetup {
            domain: trust.domain.to_string(),
            origin: trust.origin.to_string(),
            networks: trust.networks.clone(),
            exempt: exceptions.flat_map(|exception| exception.networks.iter().copied()).collect(),
            of_strangers: *of_strangers,
            here_only: servers.is_empty(),
            elsewhere: elsewhere(built, route),
        }
    };
    let played: Vec<RouteSetup> = routes.iter().filter(is_played).take(MOST_ROUTES).map(setup).collect();
    if played.len() == MOST_ROUTES && routes.len() > MOST_ROUTES {
        complain(&format!("warning: only {MOST_ROUTES} of {} routes are tested", routes.len()));
    }
    played
}

/// An inside name that names of `route` may not be aliases of: one of a route with other servers, or a local name outside all
/// routes.
fn elsewhere(built: &Built, route: &Route) -> Option<String> {
    let Ingredients { routes, locals, .. } = &built.ingredients;
    let mut others = routes.iter().filter(|other| other.servers != route.servers || other.servers.is_empty());
    let is_routed =
        |name: &Name| routes.iter().any(|other| name.as_ref().is_within(other.trust.domain.as_ref()));
    let other = others.find(|other| !is_local(built, &other.trust.domain)).map(|other| &other.trust.domain);
    let mut exact = locals.iter().filter(|local| !local.wildcard).map(|local| &local.name);
    other.or_else(|| exact.find(|name| !is_routed(name))).map(ToString::to_string)
}

/// Replaces the servers of each tested route by an attacker. Routes with the same servers share an attacker: aliases between such
/// routes are allowed.
fn attack_routes(
    built: &mut Built,
    played: &[String],
    cases: &[Case],
) -> std::io::Result<Vec<AttackUpstream>> {
    let mut parties: Vec<(Vec<Endpoint>, AttackUpstream)> = Vec::new();
    let is_played =
        |route: &&mut Route| !route.servers.is_empty() && played.contains(&route.trust.domain.to_string());
    for route in built.ingredients.routes.iter_mut().filter(is_played) {
        let place = match parties.iter().position(|(servers, _)| *servers == route.servers) {
            Some(place) => place,
            None => {
                parties.push((route.servers.clone(), AttackUpstream::start(cases)?));
                parties.len() - 1
            }
        };
        if let Some((_, attacker)) = parties.get(place) {
            route.servers = vec![Endpoint::Do53(attacker.address())];
        }
    }
    Ok(parties.into_iter().map(|(_, attacker)| attacker).collect())
}

/// The names a case asks for.
fn names_of_its_own(case: &Case) -> impl Iterator<Item = Name> {
    case.steps.iter().filter_map(|step| Name::from_text(&step.ask.name.replace(NONCE, "x")).ok())
}

/// The configuration says itself what becomes of a question for `name`: no catalogue knows better.
fn is_answered_by(built: &Built, name: &Name) -> bool {
    let mut routes = built.ingredients.routes.iter();
    is_local(built, name) || routes.any(|route| name.as_ref().is_within(route.trust.domain.as_ref()))
}

fn is_local(built: &Built, name: &Name) -> bool {
    let is_local = built.ingredients.locals.iter().any(|local| match local.wildcard {
        true => *name != local.name && name.as_ref().is_within(local.name.as_ref()),
        false => *name == local.name,
    });
    // A hosts file has a say on most names, but never on localhost.
    let is_host = || {
        name.as_ref().last_label() != Some(b"localhost".as_slice())
            && built.ingredients.hosts.iter().any(|(host, _)| host == name)
    };
    is_local || is_host()
}

/// The audit's own exceptions and names, which part of the catalogue tests.
fn fixture() -> Result<Config, String> {
    config::from_text(std::path::Path::new("the audit's own exceptions"), FIXTURE, &Disk, 0)
        .map(|loaded| loaded.config)
        .map_err(|errors| errors.to_string())
}
