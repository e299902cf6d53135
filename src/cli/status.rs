//! `stubborn status`: how the running daemon is, on one screen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args;
use super::operate::{ask, no_reply, other_reply};
use super::show::{Ink, Paint, columns, count, duration, milliseconds, number, octets, visible};
use super::{FINE, NO, say};
use crate::control::{Command, PolicyStatus, Reply, Status, UpstreamStatus};

/// Rules that are shown.
const RULES: usize = 8;

/// Shows it; the exit code says whether all is well.
pub(super) fn status(arguments: &args::Status) -> u8 {
    let asked = ask(&arguments.daemon, &Command::Status);
    let status = match asked.and_then(|mut daemon| daemon.reply()) {
        Ok(Reply::Status(status)) => status,
        Ok(other) => return other_reply(&other),
        Err(error) => return no_reply(&error),
    };
    if arguments.json {
        say(&serde_json::to_string_pretty(&status).unwrap_or_default());
    } else {
        say(&Screen { paint: Paint::stdout(), lines: Vec::new() }.show(&status));
    }
    if status.healthy { FINE } else { NO }
}

struct Screen {
    paint: Paint,
    lines: Vec<String>,
}

impl Screen {
    fn show(mut self, status: &Status) -> String {
        let (ink, health) =
            if status.healthy { (Ink::Green, "all is well") } else { (Ink::Red, "something is wrong") };
        let program = self.paint.ink(Ink::Bold, &format!("stubborn {}", visible(&status.program)));
        self.lines.push(format!("{program}: {}", self.paint.ink(ink, health)));
        for problem in &status.problems {
            self.lines.push(self.paint.ink(Ink::Red, &format!("  ! {}", visible(problem))));
        }
        self.lines.push(String::new());
        let up = duration(Duration::from_secs(status.uptime_seconds));
        let workers = count(status.workers as u64, "worker");
        self.row(
            "running",
            &format!("for {up}, process {}, {workers}, log level {}", status.pid, status.log_level),
        );
        self.policy(&status.policy);
        self.row("listening", &status.listeners.join(", "));
        self.row("", &format!("{} open", count(status.tcp_connections, "TCP connection")));
        self.cache(status);
        let by_transport = listed(&status.queries, false);
        let lost = format!("{} malformed, {} dropped", number(status.malformed), number(status.shed));
        self.row("queries", &format!("{} ({by_transport}); {lost}", number(status.queries.values().sum())));
        self.row("answers", &listed(&status.answers, true));
        self.row("", &listed(&status.rcodes, true));
        let guard = |category: &str| number(status.guard.get(category).copied().unwrap_or(0));
        self.row(
            "guard",
            &format!(
                "{} blocked, {} blocked by upstreams, {} let through and reported",
                guard("blocked"),
                guard("sinkhole"),
                guard("monitored")
            ),
        );
        self.upstreams(&status.upstreams);
        self.rules(&status.rules);
        self.top_blocked(status);
        self.lines.join("\n")
    }

    fn row(&mut self, title: &str, text: &str) {
        let title = self.paint.ink(Ink::Dim, &format!("{title:<9}"));
        self.lines.push(format!("  {title}  {}", visible(text)));
    }

    fn policy(&mut self, policy: &PolicyStatus) {
        let age = duration(Duration::from_secs(policy.age_seconds));
        self.row("policy", &format!("{}, generation {}, in use for {age}", policy.mode, policy.generation));
        let parts = [
            count(policy.ranges as u64, "range"),
            count(policy.exceptions as u64, "exception"),
            count(policy.routes as u64, "route"),
            count(policy.local_names as u64, "local name"),
        ];
        self.row("", &parts.join(", "));
        match policy.files.as_slice() {
            [] => self.row("", "no file: all at its default"),
            files => self.row("", &files.join(", ")),
        }
    }

    fn cache(&mut self, status: &Status) {
        let cache = &status.cache;
        let kept =
            format!("{}, {} of {}", count(cache.entries, "answer"), octets(cache.octets), octets(cache.size));
        let asked = cache.hits + cache.misses;
        let share = match asked {
            0 => "nothing asked of it yet".to_owned(),
            asked => {
                let share = cache.hits as f64 * 100.0 / asked as f64;
                format!("{} of {} questions hit ({share:.1} %)", number(cache.hits), number(asked))
            }
        };
        self.row("cache", &format!("{kept}; {share}; {} made room", number(cache.evictions)));
    }

    fn table<const N: usize>(
        &mut self,
        rows: &[[String; N]],
        right: [bool; N],
        ink: impl Fn(&str) -> Option<Ink>,
    ) {
        let paint = self.paint;
        let shown = columns(rows, right, |row, _, cell| match (row, ink(cell.trim())) {
            (0, _) => paint.ink(Ink::Dim, &cell),
            (_, Some(ink)) => paint.ink(ink, &cell),
            (_, None) => cell,
        });
        self.lines.push(String::new());
        self.lines.extend(shown.into_iter().map(|line| format!("  {line}")));
    }

    fn upstreams(&mut self, upstreams: &[UpstreamStatus]) {
        let mut rows = vec![
            ["upstream", "for", "state", "answers in", "queries", "errors", "timeouts"].map(str::to_owned),
        ];
        rows.extend(upstreams.iter().map(|upstream| {
            [
                visible(&upstream.server),
                visible(if upstream.route == "default" { "all other names" } else { &upstream.route }),
                if upstream.up { "up" } else { "down" }.to_owned(),
                upstream.round_trip_ms.map_or("unknown".to_owned(), milliseconds),
                number(upstream.queries),
                number(upstream.errors),
                number(upstream.timeouts),
            ]
        }));
        self.table(&rows, [false, false, false, true, true, true, true], |cell| match cell {
            "up" => Some(Ink::Green),
            "down" => Some(Ink::Red),
            _ => None,
        });
    }

    fn rules(&mut self, rules: &BTreeMap<String, BTreeMap<String, u64>>) {
        let mut met: Vec<(&String, u64)> =
            rules.iter().map(|(rule, counts)| (rule, counts.values().sum())).collect();
        if met.is_empty() {
            return;
        }
        met.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        let mut rows = vec![["times".to_owned(), "rule that was met".to_owned()]];
        rows.extend(met.into_iter().take(RULES).map(|(rule, times)| [number(times), visible(rule)]));
        self.table(&rows, [true, false], |_| None);
    }

    fn top_blocked(&mut self, status: &Status) {
        if status.top_blocked.is_empty() {
            return;
        }
        let mut rows = vec![["times".to_owned(), "name that was blocked".to_owned()]];
        rows.extend(status.top_blocked.iter().map(|top| {
            let times = if top.error > 0 { format!("≤ {}", number(top.count)) } else { number(top.count) };
            [times, visible(&top.name)]
        }));
        self.table(&rows, [true, false], |_| None);
    }
}

/// `cache 12, local 3`; by number where that is more telling than by name, and then without what is none.
fn listed(counts: &BTreeMap<String, u64>, by_number: bool) -> String {
    let mut counts: Vec<(&String, u64)> = counts.iter().map(|(label, count)| (label, *count)).collect();
    if by_number {
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    }
    let shown: Vec<String> =
        counts.iter().map(|(label, count)| format!("{label} {}", number(*count))).collect();
    if shown.is_empty() { "none".to_owned() } else { shown.join(", ") }
}
