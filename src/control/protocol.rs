//! What is said on the control socket: one JSON object a line. The client sends one [`Request`]; the daemon sends
//! [`Reply`]s, one, or for `blocked` as many as there are and [`Reply::End`]; then it closes the connection.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The version of all this. Fields may be added within a version, and none changes its meaning or goes.
pub const VERSION: u32 = 1;
/// The longest request, in octets with its end of line.
pub const LONGEST_REQUEST: usize = 4096;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// [`VERSION`]
    pub version: u32,
    /// What is wanted.
    #[serde(flatten)]
    pub command: Command,
}

/// What is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// How it is: [`Reply::Status`].
    Status,
    /// The recent blocks: [`Reply::Block`]s.
    Blocked {
        /// Only those of the last so many seconds.
        #[serde(default)]
        since_seconds: Option<u64>,
        /// And from then on each new one, until the client closes the connection.
        #[serde(default)]
        follow: bool,
        /// Also the block answers of upstreams.
        #[serde(default)]
        all: bool,
        /// With `follow`: also each block that repeats, with its new count, once a second at most.
        #[serde(default)]
        repeats: bool,
    },
    /// Forget cached answers: [`Reply::Flushed`].
    CacheFlush {
        /// Those of this name and of all below it; without, all there are.
        #[serde(default)]
        name: Option<String>,
    },
    /// Log from now on down to this level: [`Reply::LogLevel`].
    LogLevel {
        /// As in the configuration.
        level: String,
    },
    /// Watch for a name: [`Reply::Witnessed`].
    Witness {
        /// The name; its first label is `stubborn-` and 16 hexadecimal digits.
        name: String,
    },
    /// Report no block of these names for 30 seconds, look for loops, and say what became of the names so far:
    /// [`Reply::Probed`]. The first label of each is `stubborn-probe-` and 16 random hexadecimal digits.
    Probe {
        /// The names.
        names: Vec<String>,
    },
    /// Read the configuration: [`Reply::Reloaded`] or [`Reply::NotReloaded`].
    Reload,
}

/// A reply as it is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// [`VERSION`]
    pub version: u32,
    /// The reply.
    #[serde(flatten)]
    pub reply: Reply,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// How the daemon is.
    Status(Box<Status>),
    /// A block.
    Block(Box<Block>),
    /// There are no more blocks.
    End,
    /// The cache was flushed.
    Flushed {
        /// Entries that are gone.
        entries: u64,
    },
    /// The name is watched.
    Witnessed {
        /// How often clients have asked for it since it was first named here.
        times: u64,
    },
    /// The level was changed.
    LogLevel {
        /// It is now this.
        level: String,
    },
    /// What became of the names.
    Probed {
        /// Each of them.
        probes: Vec<Probed>,
    },
    /// The configuration was read and is in use.
    Reloaded {
        /// The policy's generation from now on.
        generation: u64,
        /// What changed; none if nothing did.
        changes: Option<String>,
        /// What is allowed but hardly meant, a line each.
        warnings: Vec<String>,
        /// Keys that changed and take effect with a restart only.
        restart: Vec<String>,
        /// The file that was read, as [`Status::config_file`].
        #[serde(default)]
        config_file: Option<String>,
    },
    /// The configuration cannot be used; nothing was changed.
    NotReloaded {
        /// The generation that stays in use.
        generation: u64,
        /// Why, at least one.
        errors: Vec<ReloadError>,
    },
    /// The request cannot be fulfilled.
    Refused {
        /// Why.
        message: String,
    },
}

/// What became of a name that was announced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// The name.
    pub name: String,
    /// Queries for it that were answered.
    pub seen: u64,
    /// Those whose answer led inside and was blocked.
    pub blocked: u64,
}

/// An error of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReloadError {
    /// All about it on one line.
    pub line: String,
    /// The same as `check` shows it to people, with the line of the file it is about.
    pub text: String,
    /// The same in parts; an older daemon does not say them.
    #[serde(default)]
    pub parts: ErrorParts,
}

/// An error of the configuration in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorParts {
    /// The file; empty if the error is in none.
    pub file: String,
    /// The line, from 1; none if the file as a whole is meant.
    pub line: Option<u32>,
    /// The column in characters, from 1.
    pub column: Option<u32>,
    /// The key with its table, such as `guard.mode`; empty if there is none.
    pub key: String,
    /// What is wrong; the value is in it.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

/// An answer that led inside, or a name that was not looked up. Names are in presentation format, with everything unusual escaped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// When it was first seen (RFC 3339).
    pub time: String,
    /// When it was last seen, within the minute that makes repeats the same block.
    pub last: String,
    /// How often it was seen.
    pub times: u64,
    /// `blocked`, `monitored`, `sinkhole`, or `not-public`: the name was not looked up.
    pub category: String,
    /// Who asked.
    pub client: String,
    /// For which name.
    pub name: String,
    /// And type.
    pub r#type: String,
    /// The address, the name or the port that leads inside; empty where nothing does.
    pub address: String,
    /// The network or the zone it is in.
    pub range: String,
    /// The rule that says so.
    pub rule: String,
    /// Who set the rule.
    pub origin: String,
    /// The part of the record it stands in.
    pub carrier: String,
    /// How many more things in the same answer lead inside.
    pub more: usize,
    /// All that in words.
    pub text: String,
    /// What would allow it, in one line.
    pub allow: String,
    /// The inside addresses in the answer, and those within which they were hidden; no more than a few of very many.
    pub addresses: Vec<String>,
}

/// How the daemon is. Counts are since its start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub program: String,
    /// Its process.
    pub pid: u32,
    /// When it started (RFC 3339).
    pub started: String,
    /// How long ago that is.
    pub uptime_seconds: u64,
    /// Nothing is wrong that somebody has to see to.
    pub healthy: bool,
    /// What is wrong, a line each.
    pub problems: Vec<String>,
    /// The present log level.
    pub log_level: String,
    /// The configuration file it reads, as an absolute path. None if it has no file, or got its configuration through a pipe.
    #[serde(default)]
    pub config_file: Option<String>,
    /// If it has no file: the absolute path it reads as soon as there is a file.
    #[serde(default)]
    pub config_file_awaited: Option<String>,
    /// What is at either path for the daemon, as `DEVICE:INODE`; the nearest directory above if nothing is there. A command
    /// that finds something else there is in another mount namespace. None if the daemon may not look.
    #[serde(default)]
    pub config_file_id: Option<String>,
    /// The addresses of this host that it knows.
    #[serde(default)]
    pub own_addresses: Vec<String>,
    /// The policy in use.
    pub policy: PolicyStatus,
    /// Where it listens, over UDP and TCP.
    pub listeners: Vec<String>,
    /// Default addresses on which it does not listen, each with the reason.
    #[serde(default)]
    pub not_listening: Vec<String>,
    /// Threads that serve clients.
    pub workers: usize,
    /// TCP connections of clients.
    pub tcp_connections: u64,
    /// Whom it asks.
    pub upstreams: Vec<UpstreamStatus>,
    /// The cache.
    pub cache: CacheStatus,
    /// Queries, by transport.
    pub queries: BTreeMap<String, u64>,
    /// Messages that were not queries.
    pub malformed: u64,
    /// Queries dropped for want of room.
    pub shed: u64,
    /// Answers, by where they came from.
    pub answers: BTreeMap<String, u64>,
    /// Answers, by response code.
    pub rcodes: BTreeMap<String, u64>,
    /// Answers that led inside, by what became of them.
    pub guard: BTreeMap<String, u64>,
    /// The same by rule; rules that were never met are left out.
    pub rules: BTreeMap<String, BTreeMap<String, u64>>,
    /// Names that were not looked up because they are not public.
    #[serde(default)]
    pub not_public: u64,
    /// The names blocked most.
    pub top_blocked: Vec<TopBlocked>,
}

/// The policy in use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its number.
    pub generation: u64,
    /// Since when it is in use (RFC 3339).
    pub since: String,
    /// How long ago that is.
    pub age_seconds: u64,
    /// `enforce` or `monitor`.
    pub mode: String,
    /// Blocked ranges.
    pub ranges: usize,
    /// Exceptions.
    pub exceptions: usize,
    /// Routes.
    pub routes: usize,
    /// The number of routes without servers: their names are answered here only.
    #[serde(default)]
    pub here_only: usize,
    /// The network's own search domains whose names are asked of its servers.
    #[serde(default)]
    pub home_domains: Vec<HomeDomain>,
    /// Names answered here.
    pub local_names: usize,
    /// Files read for it, those of the system aside.
    pub files: Vec<String>,
    /// Configurations that were refused.
    pub failed_reloads: u64,
    /// Why the last one was refused, where no other was taken since; a line each.
    pub reload_error: Vec<String>,
    /// When that was (RFC 3339).
    pub reload_error_at: Option<String>,
}

/// A search domain of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeDomain {
    /// The domain.
    pub domain: String,
    /// The file and the line that name it.
    pub origin: String,
}

/// A server that is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// The domain of the route it is asked for; none for all other names.
    pub route: Option<String>,
    /// Where it is.
    pub server: String,
    /// It is not avoided.
    pub up: bool,
    /// Its questions come back to this daemon: a loop.
    #[serde(default)]
    pub leads_back: bool,
    /// Its usual round-trip time in milliseconds, where one is known.
    pub round_trip_ms: Option<f64>,
    /// Queries it was asked.
    pub queries: u64,
    /// Queries it gave no answer of use to, timeouts included.
    pub errors: u64,
    /// Queries it did not answer in time.
    pub timeouts: u64,
}

/// The cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheStatus {
    /// Answers in it.
    pub entries: u64,
    /// What they take.
    pub octets: u64,
    /// What they may take.
    pub size: u64,
    /// Queries answered from it.
    pub hits: u64,
    /// Queries for which an upstream had to be asked.
    pub misses: u64,
    /// Answers that had to make room.
    pub evictions: u64,
}

/// A name that is blocked often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopBlocked {
    /// The name.
    pub name: String,
    /// How often, at most.
    pub count: u64,
    /// By how much that may be too high.
    pub error: u64,
}

impl Reply {
    /// It as a line, with its end.
    pub(super) fn to_line(self: &Reply) -> Vec<u8> {
        #[derive(Serialize)]
        struct Borrowed<'a> {
            version: u32,
            #[serde(flatten)]
            reply: &'a Reply,
        }
        // Neither a map with keys other than text nor a foreign type is in a reply: it always can be written.
        let mut line = serde_json::to_vec(&Borrowed { version: VERSION, reply: self }).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What others may have written down: it has to stay as it is within the version.
    #[test]
    fn requests_are_read_as_they_are_documented() {
        let all = |name: Option<&str>| Command::CacheFlush { name: name.map(str::to_owned) };
        for (text, command) in [
            (r#"{"version":1,"command":"status"}"#, Command::Status),
            (
                r#"{"version":1,"command":"blocked"}"#,
                Command::Blocked { since_seconds: None, follow: false, all: false, repeats: false },
            ),
            (
                r#"{"version":1,"command":"blocked","since_seconds":60,"follow":true,"all":true}"#,
                Command::Blocked { since_seconds: Some(60), follow: true, all: true, repeats: false },
            ),
            (r#"{"command":"cache-flush","version":1}"#, all(None)),
            (r#"{"version":1,"command":"cache-flush","name":"a.example"}"#, all(Some("a.example"))),
            (
                r#"{"version":1,"command":"log-level","level":"debug","new":"field"}"#,
                Command::LogLevel { level: "debug".to_owned() },
            ),
            (
                r#"{"version":1,"command":"witness","name":"a.example"}"#,
                Command::Witness { name: "a.example".to_owned() },
            ),
            (r#"{"version":1,"command":"reload"}"#, Command::Reload),
            (
                r#"{"version":1,"command":"probe","names":["a.example"]}"#,
                Command::Probe { names: vec!["a.example".to_owned()] },
            ),
        ] {
            let request: Request =
                serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(request, Request { version: 1, command }, "{text}");
        }
    }

    #[test]
    fn a_reply_is_one_line_and_comes_back_the_same() {
        let replies = [
            Reply::End,
            Reply::Flushed { entries: 7 },
            Reply::Witnessed { times: 1 },
            Reply::Probed { probes: vec![Probed { name: "a.example".to_owned(), seen: 2, blocked: 1 }] },
            Reply::Refused { message: "a\nb\u{2028}".to_owned() },
            Reply::Reloaded {
                generation: 2,
                changes: None,
                warnings: Vec::new(),
                restart: Vec::new(),
                config_file: Some("/etc/stubborn/stubborn.toml".to_owned()),
            },
            Reply::NotReloaded {
                generation: 2,
                errors: vec![ReloadError {
                    line: "x".to_owned(),
                    text: "x\ny".to_owned(),
                    parts: ErrorParts { line: Some(7), message: "y".to_owned(), ..ErrorParts::default() },
                }],
            },
        ];
        for reply in replies {
            let line = reply.to_line();
            assert_eq!(line.iter().filter(|octet| **octet == b'\n').count(), 1);
            assert!(line.starts_with(br#"{"version":1,"reply":""#), "{}", String::from_utf8_lossy(&line));
            let message: Message = serde_json::from_slice(&line).unwrap();
            assert_eq!(message, Message { version: VERSION, reply });
        }
    }
}
