//! `stubborn doctor`: each finding with what it means and the fix.

use std::path::Path;

use serde_json::json;

use super::args::Doctor;
use super::operate::ask;
use super::show::{Ink, Paint, visible};
use super::{FINE, NO, progress, say, say_as_is, say_pretty_json};
use crate::config;
use crate::control::Command;
use crate::doctor::{Finding, Level, Wanted, examine, is_protected, observe};
use crate::machine::Root;
use crate::upstream::Server;

/// Looks, and shows what was found; the exit code says if something is open.
pub(super) fn doctor(arguments: &Doctor) -> u8 {
    let file = arguments.config.as_deref();
    let configured = config::load(file).map(|loaded| loaded.config.upstream.servers).unwrap_or_default();
    let ask = |command: &Command| ask(&arguments.daemon, command)?.reply();
    let observed = observe(Wanted {
        root: Root::default(),
        config: file.unwrap_or(Path::new(config::DEFAULT_PATH)).to_owned(),
        ask: &ask,
        tell: &|what| progress(&format!("{what} …")),
        upstreams: configured
            .iter()
            .filter_map(|server| match server {
                Server::At(endpoint) => Some(endpoint.address()),
                Server::System => None,
            })
            .collect(),
        offline: arguments.offline,
    });
    let findings = examine(&observed);
    let protected = is_protected(&findings);
    if arguments.json {
        let report = json!({ "protected": protected, "findings": findings });
        say_pretty_json(&report);
    } else {
        show(&findings, protected);
    }
    if protected { FINE } else { NO }
}

fn show(findings: &[Finding], protected: bool) {
    let paint = Paint::stdout();
    let mut check = "";
    for finding in findings {
        let (ink, word) = match finding.level {
            Level::Fine => (Ink::Green, "fine"),
            Level::Unknown => (Ink::Yellow, "?"),
            Level::Broken => (Ink::Red, "BROKEN"),
            Level::Open => (Ink::Red, "OPEN"),
        };
        let title = if check == finding.check { "" } else { finding.check };
        check = finding.check;
        let (title, word) = (format!("{title:<16}"), format!("{word:<6}"));
        say_as_is(&format!(
            "{}  {}  {}",
            paint.ink(Ink::Bold, &title),
            paint.ink(ink, &word),
            visible(&finding.what)
        ));
        for (mark, text) in [("", finding.means), ("→ ", finding.fix)] {
            if !text.is_empty() {
                say_as_is(&format!("{:26}{mark}{}", "", paint.ink(Ink::Dim, &visible(text))));
            }
        }
    }
    let [open, broken, unknown, fine] = [Level::Open, Level::Broken, Level::Unknown, Level::Fine]
        .map(|level| findings.iter().filter(|finding| finding.level == level).count());
    let verdict = if protected {
        "Protected: stubborn was asked, a public name came through, and no name that leads inside did."
    } else {
        "Not seen to be protected."
    };
    say(&format!("\n{open} open, {broken} broken, {unknown} not known, {fine} fine\n{verdict}"));
}
