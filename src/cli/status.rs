//! `stubborn status`: how the running daemon is, on one screen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::args;
use super::operate::{no_reply, other_reply, reply};
use super::show::{Ink, Paint, columns, count, duration, milliseconds, number, octets, visible};
use super::{FINE, NO, say_as_is, say_pretty_json};
use crate::control::{Command, PolicyStatus, Reply, Status, UpstreamStatus};

/// Servers that are shown.
const UPSTREAMS: usize = 20;
/// Rules that are shown.
const RULES: usize = 8;

/// Shows it; the exit code says whether all is well.
pub(super) fn status(arguments: &args::Status) -> u8 {
    let status = match reply(&arguments.daemon, &Command::Status) {
        Ok(Reply::Status(status)) => status,
        Ok(other) => return other_reply(&other),
        Err(error) => return no_reply(&error),
    };
    if arguments.json {
        say_pretty_json(&status);
    } else {
        say_as_is(&Screen { paint: Paint::stdout(), lines: Vec::new() }.show(&status));
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
        for reason in &status.not_listening {
            self.row("", &format!("not listening: {reason}"));
        }
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
                "{} blocked, {} blocked by upstreams, {} let through and reported, {} not public",
                guard("blocked"),
                guard("sinkhole"),
                guard("monitored"),
                number(status.not_public)
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
        let here_only = match policy.here_only {
            0 => String::new(),
            routes => format!(" ({} answered here only)", number(routes as u64)),
        };
        let parts = [
            count(policy.ranges as u64, "range"),
            count(policy.exceptions as u64, "exception"),
            format!("{}{here_only}", count(policy.routes as u64, "route")),
            count(policy.local_names as u64, "local name"),
        ];
        self.row("", &parts.join(", "));
        match policy.files.as_slice() {
            [] => self.row("", "no file: all at its default"),
            files => self.row("", &files.join(", ")),
        }
        for home in &policy.home_domains {
            self.row("home", &format!("names in {} are asked of the network ({})", home.domain, home.origin));
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
        // Those that do not answer first, where there are too many to be shown.
        let mut shown: Vec<&UpstreamStatus> = upstreams.iter().collect();
        if shown.len() > UPSTREAMS {
            shown.sort_by_key(|upstream| upstream.up && !upstream.leads_back);
        }
        rows.extend(shown.iter().take(UPSTREAMS).map(|upstream| {
            [
                visible(&upstream.server),
                visible(upstream.route.as_deref().unwrap_or("all other names")),
                match upstream {
                    UpstreamStatus { leads_back: true, .. } => "loop",
                    UpstreamStatus { up: true, .. } => "up",
                    UpstreamStatus { up: false, .. } => "down",
                }
                .to_owned(),
                upstream.round_trip_ms.map_or("unknown".to_owned(), milliseconds),
                number(upstream.queries),
                number(upstream.errors),
                number(upstream.timeouts),
            ]
        }));
        self.table(&rows, [false, false, false, true, true, true, true], |cell| match cell {
            "up" => Some(Ink::Green),
            "down" | "loop" => Some(Ink::Red),
            _ => None,
        });
        if let Some(more) = shown.len().checked_sub(UPSTREAMS).filter(|more| *more > 0) {
            self.lines.push(format!("  and {} more", number(more as u64)));
        }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::control::{CacheStatus, HomeDomain, TopBlocked};

    fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        rows.iter().map(|(label, count)| ((*label).to_owned(), *count)).collect()
    }

    fn upstream(server: &str, route: Option<&str>, up: bool) -> UpstreamStatus {
        UpstreamStatus {
            route: route.map(str::to_owned),
            server: server.to_owned(),
            up,
            leads_back: false,
            round_trip_ms: up.then_some(12.4),
            queries: 1_234,
            errors: 3,
            timeouts: 2,
        }
    }

    pub(in crate::cli) fn status() -> Status {
        Status {
            program: "0.1.0".to_owned(),
            pid: 4321,
            started: "2026-11-21T10:00:00Z".to_owned(),
            uptime_seconds: 11_530,
            healthy: true,
            problems: Vec::new(),
            log_level: "info".to_owned(),
            config_file: Some("/etc/stubborn/stubborn.toml".to_owned()),
            config_file_awaited: None,
            config_file_id: None,
            own_addresses: Vec::new(),
            policy: PolicyStatus {
                generation: 7,
                since: "2026-11-21T13:00:00Z".to_owned(),
                age_seconds: 730,
                mode: "enforce".to_owned(),
                ranges: 63,
                exceptions: 2,
                routes: 1,
                here_only: 0,
                home_domains: vec![HomeDomain {
                    domain: "home".to_owned(),
                    origin: "search domain of /etc/resolv.conf:2".to_owned(),
                }],
                local_names: 4,
                files: vec!["/etc/stubborn/stubborn.toml".to_owned()],
                failed_reloads: 0,
                reload_error: Vec::new(),
                reload_error_at: None,
            },
            listeners: vec!["127.0.0.1:53".to_owned()],
            not_listening: vec!["[::1]:53 is not an address of this machine: IPv6 is off".to_owned()],
            workers: 2,
            tcp_connections: 1,
            upstreams: vec![
                upstream("9.9.9.9:53", None, true),
                upstream("149.112.112.112:53", None, false),
                upstream("10.0.0.53:53", Some("corp.example"), true),
            ],
            cache: CacheStatus {
                entries: 1_234,
                octets: 1_258_291,
                size: 16 << 20,
                hits: 10_000,
                misses: 2_345,
                evictions: 0,
            },
            queries: counts(&[("udp", 12_300), ("tcp", 45)]),
            malformed: 3,
            shed: 0,
            answers: counts(&[("cache", 10_000), ("upstream", 2_345), ("local", 300), ("stale", 0)]),
            rcodes: counts(&[("noerror", 12_000), ("nxdomain", 345)]),
            guard: counts(&[("blocked", 12), ("sinkhole", 3), ("monitored", 0)]),
            not_public: 2,
            rules: BTreeMap::from([("private-use".to_owned(), counts(&[("blocked", 12)]))]),
            top_blocked: vec![
                TopBlocked { name: "rebind.example".to_owned(), count: 9, error: 0 },
                TopBlocked { name: "a\u{1b}[2J.example".to_owned(), count: 3, error: 1 },
            ],
        }
    }

    fn shown(status: &Status) -> String {
        Screen { paint: Paint::none(), lines: Vec::new() }.show(status)
    }

    #[test]
    fn all_there_is_to_know_is_on_one_screen() {
        assert_eq!(
            shown(&status()),
            "\
stubborn 0.1.0: all is well

  running    for 3 h 12 min, process 4321, 2 workers, log level info
  policy     enforce, generation 7, in use for 12 min 10 s
             63 ranges, 2 exceptions, 1 route, 4 local names
             /etc/stubborn/stubborn.toml
  home       names in home are asked of the network (search domain of /etc/resolv.conf:2)
  listening  127.0.0.1:53
             not listening: [::1]:53 is not an address of this machine: IPv6 is off
             1 TCP connection open
  cache      1,234 answers, 1.2 MiB of 16 MiB; 10,000 of 12,345 questions hit (81.0 %); 0 made room
  queries    12,345 (tcp 45, udp 12,300); 3 malformed, 0 dropped
  answers    cache 10,000, upstream 2,345, local 300
             noerror 12,000, nxdomain 345
  guard      12 blocked, 3 blocked by upstreams, 0 let through and reported, 2 not public

  upstream            for              state  answers in  queries  errors  timeouts
  9.9.9.9:53          all other names  up          12 ms    1,234       3         2
  149.112.112.112:53  all other names  down      unknown    1,234       3         2
  10.0.0.53:53        corp.example     up          12 ms    1,234       3         2

  times  rule that was met
     12  private-use

  times  name that was blocked
      9  rebind.example
    ≤ 3  a\\027[2J.example"
        );
    }

    #[test]
    fn what_is_wrong_comes_first() {
        let problems = vec!["no upstream answers".to_owned(), "a\nb".to_owned()];
        let text = shown(&Status { healthy: false, problems, ..status() });
        let head = "stubborn 0.1.0: something is wrong\n  ! no upstream answers\n  ! a\\010b\n\n";
        assert!(text.starts_with(head), "{text}");
    }

    #[test]
    fn of_many_servers_those_that_do_not_answer_are_shown() {
        let mut upstreams = vec![upstream("192.0.2.1:53", Some("many.example"), true); 99];
        upstreams.push(upstream("192.0.2.99:53", None, false));
        upstreams.push(UpstreamStatus { leads_back: true, ..upstream("192.0.2.98:53", None, true) });
        let text = shown(&Status { upstreams, ..status() });
        assert!(text.contains("192.0.2.98:53  all other names  loop"), "{text}");
        assert_eq!(text.matches("192.0.2.1:53").count(), UPSTREAMS - 2);
        assert!(text.contains("192.0.2.99:53") && text.contains("\n  and 81 more\n"), "{text}");
    }
}
