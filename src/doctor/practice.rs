//! What became of the names that lead inside, asked for where programs ask and where stubborn asks.

use std::net::SocketAddr;

use super::checks::{Report, holder};
use super::observe::{Observed, PORT};
use super::problems::*;
use super::trial::{Seen, Trial, Who};

/// What stands in the way of seeing anything in a trial.
fn unheard(observed: &Observed, trial: &Trial, report: &mut Report) -> bool {
    let server = named(trial.server);
    if trial.answers {
        return false;
    }
    let is_mute = trial.came.is_empty() && trial.kept.is_empty();
    let who = observed.answerers.iter().find(|one| one.address == trial.server).map(|one| &one.who);
    match (is_mute, who) {
        (true, Some(Who::Nobody)) if trial.server.ip().is_loopback() => {
            report.add(&NOBODY_ANSWERS, format!("nobody answers at {server}"));
        }
        (true, Some(Who::Nobody)) => report.add(&FAR_SILENCE, format!("nobody answers at {server}")),
        (true, _) => {
            report.add(&NO_ANSWER, format!("{server} gives no usable answer to the names it is tried with"));
        }
        (false, _) => report.add(&NO_ADDRESS, format!("{server} does not find the address of a public name")),
    }
    true
}

/// An address as resolv.conf has it, with a port where that is not 53.
fn named(server: SocketAddr) -> String {
    if server.port() == PORT { server.ip().to_string() } else { server.to_string() }
}

pub(super) fn in_practice(observed: &Observed, report: &mut Report) {
    for trial in &observed.programs {
        let Trial { server, came, kept, silent, seen, .. } = trial;
        let ip = named(*server);
        if !came.is_empty() {
            report.add(&LEADS_INSIDE, format!("at {ip} these lead inside: {}", came.join(", ")));
        }
        if unheard(observed, trial, report) {
            continue;
        }
        if !silent.is_empty() {
            report.add(&NO_ANSWER, format!("{ip} gives no usable answer to {}", silent.join(", ")));
        }
        let none = format!("of {} names that lead inside none does at {ip}", kept.len());
        match seen {
            _ if !came.is_empty() || kept.is_empty() => {}
            None => report.add(&NOT_SEEN, none),
            Some(Seen { missed: 1.., names: 0, .. }) => {
                report.add(&NOT_ASKED, format!("{none}, but stubborn was not asked"));
            }
            Some(Seen { missed: 1.., .. }) => {
                report.add(&NOT_ASKED, format!("{none}, but stubborn was not asked for some of them"));
            }
            Some(Seen { blocked, .. }) => {
                let by = match (*blocked).min(kept.len()) {
                    0 => "its upstream kept them back".to_owned(),
                    all if all == kept.len() => "stubborn stopped them".to_owned(),
                    some => format!("stubborn stopped {some}, and its upstream kept the others back"),
                };
                report.fine(format!("{none}: {by}"));
            }
        }
    }
    if observed.programs.is_empty() {
        report.add(&NOT_TRIED, not_tried(observed));
    }
}

fn not_tried(observed: &Observed) -> String {
    observed.not_tried.as_ref().map_or("not tried".to_owned(), |why| format!("not tried: {why}"))
}

pub(super) fn upstream(observed: &Observed, report: &mut Report) {
    for trial in &observed.upstreams {
        let Trial { server, kept, seen, .. } = trial;
        if seen.is_some_and(|seen| seen.names > 0) {
            let name = holder(observed, *server).map_or(String::new(), |name| format!(" ({name})"));
            report.add(&LOOP, format!("the upstream {server}{name} asks stubborn"));
            continue;
        }
        if unheard(observed, trial, report) {
            continue;
        }
        if kept.is_empty() {
            report.fine(format!("{server} passes on whatever leads inside: stubborn is what keeps it out"));
        } else {
            report.add(&FILTERS_TOO, format!("{server} filters too, and keeps back {}", kept.join(", ")));
        }
    }
    if observed.upstreams.is_empty() {
        report.add(&NOT_TRIED, not_tried(observed));
    }
}
