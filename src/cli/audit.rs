//! `stubborn audit`: the catalogue of attacks, played at the configured guard through real sockets, without any network.

use std::io::IsTerminal;

use super::args::Audit;
use super::{FINE, NO, TROUBLE, complain, progress, say, say_pretty_json};
use crate::audit::upstream::NONCE;
use crate::audit::{AttackUpstream, Case, FIXTURE, Report, Setup, Transport, catalogue, play};
use crate::config::{self, Config, Disk};
use crate::daemon::{BuildError, Built, Environment, Inside, Source, own_addresses};
use crate::dns::Name;
use crate::upstream::{Endpoint, Server};

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
        Err(Trouble::Config(text)) => {
            complain(&text);
            NO
        }
        Err(Trouble::System(text)) => {
            complain(&text);
            TROUBLE
        }
    }
}

enum Trouble {
    Config(String),
    System(String),
}

fn try_audit(arguments: &Audit) -> Result<Report, Trouble> {
    let own = own_addresses();
    // Nothing outside is asked; the attacker takes the servers' place once it is known what it attacks.
    let placeholder = Server::At(Endpoint::Do53(([192, 0, 2, 1], 53).into()));
    let source =
        Source { config: arguments.config.clone(), upstream: vec![placeholder], ..Source::default() };
    let environment = Environment { own: own.clone(), ..Environment::default() };
    let mut built = source.build(&environment).map_err(|error| match error {
        BuildError::Config(_) => Trouble::Config(error.to_string()),
        other => Trouble::System(other.to_string()),
    })?;

    let guard = &built.ingredients.guard;
    let mut cases = catalogue(&Setup {
        profile: guard.profile,
        on_block: guard.on_block,
        block_ttl: u32::try_from(guard.block_ttl.as_secs()).unwrap_or(u32::MAX),
        host: if guard.own_addresses { own } else { Vec::new() },
        nat64: guard.nat64.clone(),
        fixture: true,
    });
    let all = cases.len();
    cases.retain(|case| !names_of_its_own(case).any(|name| is_answered_by(&built, &name)));
    let left_out = all - cases.len();
    let attacker = AttackUpstream::start(&cases).map_err(|error| Trouble::System(error.to_string()))?;
    let fixture = fixture().map_err(Trouble::System)?;
    built.ingredients.servers = vec![Endpoint::Do53(attacker.address())];
    built.ingredients.guard.exceptions.extend(fixture.guard.exceptions);
    let daemon = Inside::start(&built).map_err(|error| Trouble::System(error.to_string()))?;

    let mut findings = Vec::new();
    for transport in [Transport::Udp, Transport::Tcp] {
        if std::io::stderr().is_terminal() {
            progress(&format!("playing {} cases over {transport}, each twice …", cases.len()));
        }
        findings.extend(play(daemon.address(), &cases, &attacker, transport, true));
    }
    Ok(Report { left_out, ..Report::new(&cases, findings) })
}

/// The names a case asks for.
fn names_of_its_own(case: &Case) -> impl Iterator<Item = Name> {
    case.steps.iter().filter_map(|step| Name::from_text(&step.ask.name.replace(NONCE, "x")).ok())
}

/// The configuration says itself what becomes of a question for `name`: no catalogue knows better.
fn is_answered_by(built: &Built, name: &Name) -> bool {
    let is_local = built.ingredients.locals.iter().any(|local| match local.wildcard {
        true => *name != local.name && name.as_ref().is_within(local.name.as_ref()),
        false => *name == local.name,
    });
    let is_routed =
        || built.ingredients.routes.iter().any(|route| name.as_ref().is_within(route.trust.domain.as_ref()));
    // A hosts file has a say on most names, but never on localhost.
    let is_host = || {
        name.as_ref().last_label() != Some(b"localhost".as_slice())
            && built.ingredients.hosts.iter().any(|(host, _)| host == name)
    };
    is_local || is_routed() || is_host()
}

/// The exceptions under names of the audit's own that part of the catalogue tries to get around.
fn fixture() -> Result<Config, String> {
    config::from_text(std::path::Path::new("the audit's own exceptions"), FIXTURE, &Disk, 0)
        .map(|loaded| loaded.config)
        .map_err(|errors| errors.to_string())
}
