//! Whether a server leads back to this daemon. Then a question goes in a circle and fails with a timeout.
//!
//! The server is asked for a random name that nobody else knows. If a client asks us for that name, the client is that server,
//! or a server behind it. The name has to be one that every resolver on the way forwards. `test`, `invalid` and the like will
//! not do: Unbound, Knot Resolver and Pi-hole answer for these themselves. So it is below the zone of the root servers' names,
//! where all that others learn is that the name does not exist. Servers of a route are asked for a name below the route's
//! domain: they may lead back for other names, which they are not asked.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::exchange::Ask;
use super::server::{ServerGroup, ServerState};
use crate::dns::{Name, NameRef, Question, RecordType};

/// The least time between two such questions, in milliseconds.
const PAUSE: u64 = 1_000;
/// The zone of the names that servers without a route are asked for.
const ZONE: &str = "root-servers.net";
/// How the first label of such a name begins; a number of 16 hexadecimal digits follows.
const PREFIX: &str = "stubborn-loop-";
const DIGITS: usize = 16;

/// What a person can do against a loop.
const WAY_OUT: &str =
    "name another server for it in the configuration, or let the program at that address ask another server";

/// Whether a server of a group leads back here. Times are milliseconds on the caller's monotonic clock.
#[derive(Debug)]
pub struct LoopState {
    /// The route's domain.
    domain: Option<Name>,
    /// The number in the name that was last asked for; 0 if there was none.
    mark: AtomicU64,
    /// The last of these that came back.
    seen: AtomicU64,
    asked_at: AtomicU64,
    found: AtomicBool,
}

/// The number in a name by which a stubborn looks for a loop, if `name` is such a name.
pub fn read_mark(name: NameRef<'_>) -> Option<u64> {
    let label = name.labels().next().filter(|label| label.len() == PREFIX.len() + DIGITS)?;
    let (prefix, number) = label.split_at_checked(PREFIX.len())?;
    let is_mark = prefix.eq_ignore_ascii_case(PREFIX.as_bytes()) && number.iter().all(u8::is_ascii_hexdigit);
    let number = std::str::from_utf8(number).ok().filter(|_| is_mark)?;
    u64::from_str_radix(number, 16).ok().filter(|mark| *mark != 0)
}

/// How the question is put: a resolver that validates is to forward it before it has the keys of the root.
pub(super) fn ask_for_loop(question: Question) -> Ask {
    Ask { question, dnssec_ok: false, checking_disabled: true }
}

/// Whether a server at `address` may ask this machine because it is this machine, or in a private network.
pub fn is_inside(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || is_shared(v4)
        }
        IpAddr::V6(v6) => {
            v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
        }
    }
}

/// 100.64.0.0/10 (RFC 6598)
fn is_shared(v4: Ipv4Addr) -> bool {
    matches!(v4.octets(), [100, second, ..] if second & 0xc0 == 64)
}

impl LoopState {
    /// Of a server of the route with this domain, or of none.
    pub(super) fn new(domain: Option<&Name>) -> Self {
        Self {
            domain: domain.cloned(),
            mark: AtomicU64::new(0),
            seen: AtomicU64::new(0),
            asked_at: AtomicU64::new(0),
            found: AtomicBool::new(false),
        }
    }

    /// The question that shows whether the server leads back here, with its number; `None` if one was asked a moment ago, or if
    /// the route's domain leaves no room for it.
    pub(super) fn question(&self, now: u64) -> Option<(u64, Question)> {
        let last = self.asked_at.load(Relaxed);
        if !self.was_not_asked_for(PAUSE, now)
            || self.asked_at.compare_exchange(last, now, Relaxed, Relaxed).is_err()
        {
            return None;
        }
        let mark = rand::random::<u64>().max(1);
        let zone = self.domain.as_ref().map_or_else(|| ZONE.to_owned(), Name::to_string);
        let name = Name::from_text(&format!("{PREFIX}{mark:016x}.{zone}")).ok()?;
        self.mark.store(mark, Relaxed);
        Some((mark, Question::new(name.as_ref(), RecordType::A)))
    }

    /// Whether it was last asked longer than `pause` ago, or never.
    pub(super) fn was_not_asked_for(&self, pause: u64, now: u64) -> bool {
        let last = self.asked_at.load(Relaxed);
        last == 0 || now.saturating_sub(last) >= pause
    }

    /// Whether its questions come back here.
    pub fn is_found(&self) -> bool {
        self.found.load(Relaxed)
    }

    /// Whether the question of this number came back.
    pub(super) fn has_seen(&self, mark: u64) -> bool {
        self.seen.load(Relaxed) == mark
    }

    /// Notes that the server answered a question of this daemon that did not come back here.
    pub(super) fn leads_elsewhere(&self, server: &ServerState) {
        if self.found.swap(false, Relaxed) {
            tracing::info!(server = %server.endpoint, "the upstream no longer leads back to this daemon");
        }
    }

    /// What is wrong and what to do about it, for people.
    pub fn problem(&self, server: &ServerState) -> String {
        let what = match &self.domain {
            None => format!("the upstream {} leads back to this daemon", server.endpoint),
            Some(domain) => {
                format!("the server {} of the route {domain} leads back to this daemon", server.endpoint)
            }
        };
        format!("{what}, so questions go in a circle (a loop): {WAY_OUT}")
    }
}

impl ServerGroup {
    /// Its servers, each with whether it leads back here.
    pub fn with_loops(&self) -> impl Iterator<Item = (&Arc<ServerState>, &Arc<LoopState>)> {
        self.servers.iter().zip(&self.loops)
    }

    /// Whether this server of the group leads back here.
    pub(super) fn loop_state(&self, server: &ServerState) -> Option<&Arc<LoopState>> {
        self.with_loops().find(|(one, _)| one.endpoint == server.endpoint).map(|(_, state)| state)
    }

    /// Notes that a client asked for the name of `mark`. If one of these servers was asked for it, that server leads back here.
    pub fn note_mark(&self, mark: u64) -> bool {
        let Some((server, state)) = self.with_loops().find(|(_, state)| state.mark.load(Relaxed) == mark)
        else {
            return false;
        };
        state.seen.store(mark, Relaxed);
        if !state.found.swap(true, Relaxed) {
            tracing::warn!(server = %server.endpoint, "{}", state.problem(server));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::upstream::Endpoint;

    fn group(domain: Option<&str>) -> ServerGroup {
        let server = Arc::new(ServerState::new(Endpoint::Do53(([127, 0, 0, 1], 53).into())));
        let domain = domain.map(|text| Name::from_text(text).unwrap());
        ServerGroup::new(vec![server], Duration::from_secs(2), domain.as_ref())
    }

    #[test]
    fn only_the_name_that_was_asked_for_last_shows_a_loop() {
        let group = group(None);
        let (server, state) = group.with_loops().next().unwrap();
        let (mark, question) = state.question(5).unwrap();
        assert!(state.question(5 + PAUSE - 1).is_none(), "it was asked a moment ago");
        assert_eq!(read_mark(question.with_case(&[0x55; 32]).name()), Some(mark));
        assert!(!group.note_mark(mark ^ 1) && !state.is_found(), "another daemon's");
        assert!(group.note_mark(mark) && state.is_found() && state.has_seen(mark));
        let (next, _) = state.question(u64::MAX).unwrap();
        assert!(!state.has_seen(next) && state.is_found(), "not known yet");
        assert!(!group.note_mark(mark), "another was asked for since");
        state.leads_elsewhere(server);
        assert!(!state.is_found());
    }

    #[test]
    fn a_route_s_server_is_asked_for_a_name_of_the_route() {
        for (domain, below) in
            [(None, ".root-servers.net."), (Some("corp.example"), ".corp.example."), (Some("lan"), ".lan.")]
        {
            let group = group(domain);
            let (server, state) = group.with_loops().next().unwrap();
            let (mark, question) = state.question(5).unwrap();
            let name = format!("stubborn-loop-{mark:016x}{below}");
            assert_eq!(format!("{}.", question.name().to_string().trim_end_matches('.')), name);
            let problem = state.problem(server);
            assert!(problem.contains("127.0.0.1 ") && problem.contains("loop"), "{problem}");
            assert_eq!(problem.contains("of the route"), domain.is_some(), "{problem}");
        }
    }

    #[test]
    fn other_names_are_not_marks() {
        for name in [
            "0123456789abcdef.root-servers.net",
            "x.stubborn-loop-0123456789abcdef.root-servers.net",
            "stubborn-loop-0123456789abcde.root-servers.net",
            "stubborn-loop-0123456789abcdeg.root-servers.net",
            "stubborn-loop-0000000000000000.root-servers.net",
            "stubborn-loop-+123456789abcde.root-servers.net",
            "stubborn_loop-0123456789abcdef.root-servers.net",
            "test",
        ] {
            assert_eq!(read_mark(Name::from_text(name).unwrap().as_ref()), None, "{name}");
        }
    }
}
