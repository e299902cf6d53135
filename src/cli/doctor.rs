//! `stubborn doctor`: each finding with what it means and the fix.

use std::path::Path;

use serde_json::json;

use super::args::Doctor;
use super::operate::ask;
use super::show::{Ink, Paint, visible};
use super::{FINE, NO, say, say_as_is, say_pretty_json};
use crate::config;
use crate::control::{Command, Reply, Status};
use crate::doctor::{Finding, Level, Wanted, examine, observe};
use crate::machine::Root;
use crate::upstream::Server;

/// Looks, and shows what was found; the exit code says if something is open.
pub(super) fn doctor(arguments: &Doctor) -> u8 {
    let file = arguments.config.as_deref();
    let configured = config::load(file).map(|loaded| loaded.config.upstream.servers).unwrap_or_default();
    let findings = examine(&observe(Wanted {
        root: Root::default(),
        config: file.unwrap_or(Path::new(config::DEFAULT_PATH)).to_owned(),
        daemon: status(arguments),
        upstreams: configured
            .iter()
            .filter_map(|server| match server {
                Server::At(endpoint) => Some(endpoint.address()),
                Server::System => None,
            })
            .collect(),
        offline: arguments.offline,
    }));
    let open = findings.iter().filter(|finding| finding.level == Level::Open).count();
    if arguments.json {
        let report = json!({ "protected": open == 0, "findings": findings });
        say_pretty_json(&report);
    } else {
        show(&findings, open);
    }
    if open == 0 { FINE } else { NO }
}

fn status(arguments: &Doctor) -> Result<Box<Status>, String> {
    match ask(&arguments.daemon, &Command::Status).and_then(|mut daemon| daemon.reply()) {
        Ok(Reply::Status(status)) => Ok(status),
        Ok(_) => Err("the daemon gave another reply than was asked for".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn show(findings: &[Finding], open: usize) {
    let paint = Paint::stdout();
    let mut check = "";
    for finding in findings {
        let (ink, word) = match finding.level {
            Level::Fine => (Ink::Green, "fine"),
            Level::Unknown => (Ink::Yellow, "?"),
            Level::Open => (Ink::Red, "OPEN"),
        };
        let title = if check == finding.check { "" } else { finding.check };
        check = finding.check;
        let (title, word) = (format!("{title:<16}"), format!("{word:<4}"));
        say_as_is(&format!(
            "{}  {}  {}",
            paint.ink(Ink::Bold, &title),
            paint.ink(ink, &word),
            visible(&finding.what)
        ));
        for (mark, text) in [("", finding.means), ("→ ", finding.fix)] {
            if !text.is_empty() {
                say_as_is(&format!("{:24}{mark}{}", "", paint.ink(Ink::Dim, &visible(text))));
            }
        }
    }
    let [fine, unknown] = [Level::Fine, Level::Unknown]
        .map(|level| findings.iter().filter(|finding| finding.level == level).count());
    say(&format!("\n{open} open, {unknown} not known, {fine} fine"));
}
