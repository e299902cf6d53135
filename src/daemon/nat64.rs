//! Learning how this network translates IPv4 addresses (RFC 7050): an IPv6 address behind its prefix reaches the IPv4
//! address in it, and is judged as such.
//!
//! Nothing vouches for a learned prefix. So it opens only the range reserved for translation; otherwise it only makes more
//! addresses judged. It is kept for each server, so that no server can remove the prefixes of another.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipnet::Ipv6Net;
use tokio::sync::mpsc::UnboundedSender;

use crate::dns::{Name, Question, Rcode, RecordType, learned_prefixes};
use crate::policy::TranslatorPlace;
use crate::resolve::Resolver;
use crate::upstream::{Ask, Endpoint, Exchanger, ServerGroup};

/// How long prefixes count if their server does not repeat them: it may have failed, or belong to another network.
const HOLDS: Duration = Duration::from_secs(24 * 3600);
/// The most prefixes of one server. A network has one, or two while it changes.
const MOST_PREFIXES: usize = 4;
/// The most servers whose prefixes are kept.
const MOST_SERVERS: usize = 8;

/// What a server says about the network's translators.
#[derive(Debug)]
pub(super) struct Told {
    server: Endpoint,
    /// `None` if it cannot be asked or fails: that says nothing about the network.
    pub(super) prefixes: Option<Vec<Ipv6Net>>,
}

/// What was learned, and from which server.
#[derive(Debug, Default)]
pub(super) struct Learned {
    /// The oldest first.
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    server: Endpoint,
    prefixes: Vec<Ipv6Net>,
    until: Instant,
}

impl Learned {
    /// Replaces a server's prefixes by its new ones. A failure changes nothing.
    pub(super) fn take(&mut self, told: Told, now: Instant) {
        self.words.retain(|word| now < word.until);
        let Some(mut prefixes) = told.prefixes else { return };
        self.words.retain(|word| word.server != told.server);
        prefixes.truncate(MOST_PREFIXES);
        if !prefixes.is_empty() {
            self.words.push(Word { server: told.server, prefixes, until: now + HOLDS });
        }
        let surplus = self.words.len().saturating_sub(MOST_SERVERS);
        self.words.drain(..surplus);
    }

    /// The prefixes of all servers.
    pub(super) fn prefixes(&self) -> Vec<Ipv6Net> {
        let mut all: Vec<Ipv6Net> = self.words.iter().flat_map(|word| &word.prefixes).copied().collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Asks each server of the default route how the network translates. The replies go to `sender`.
///
/// Must be called within the daemon's tasks.
pub(super) fn learn(resolver: &Resolver, sender: &UnboundedSender<Told>) {
    let snapshot = resolver.snapshot();
    let Some(group) = snapshot.route(0).map(|chosen| Arc::clone(&chosen.group)) else { return };
    let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
    // An avoided server is asked the next time.
    let none_is_up = group.servers.iter().all(|server| !server.is_up());
    for server in group.servers.iter().filter(|server| none_is_up || server.is_up()) {
        let alone = ServerGroup::new(vec![Arc::clone(server)], group.timeout, None);
        let (exchanger, sender) = (Rc::clone(&exchanger), sender.clone());
        tokio::task::spawn_local(async move {
            let [server] = alone.servers.as_slice() else { return };
            let prefixes = ask(&exchanger, &alone).await;
            let _ = sender.send(Told { server: server.endpoint, prefixes });
        });
    }
}

/// The prefixes in the AAAA records that the servers make for `ipv4only.arpa`.
async fn ask(exchanger: &Rc<Exchanger>, group: &ServerGroup) -> Option<Vec<Ipv6Net>> {
    let name = Name::from_text("ipv4only.arpa").ok()?;
    let question = Question::new(name.as_ref(), RecordType::AAAA);
    let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
    let response = exchanger.exchange(group, &ask).await.ok()?;
    if !matches!(response.rcode(), Rcode::NOERROR | Rcode::NXDOMAIN) {
        return None;
    }
    let addresses: Vec<Ipv6Addr> = response
        .addresses()
        .into_iter()
        .filter_map(|address| match address {
            IpAddr::V6(v6) => Some(v6),
            IpAddr::V4(_) => None,
        })
        .collect();
    Some(learned_prefixes(&addresses).into_iter().filter(is_news).collect())
}

/// Whether a translator can use the prefix, and it is not the well-known one.
fn is_news(prefix: &Ipv6Net) -> bool {
    TranslatorPlace::of(*prefix).is_some_and(|place| place != TranslatorPlace::WellKnown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(number: u8) -> Endpoint {
        Endpoint::Do53(([192, 0, 2, number], 53).into())
    }

    fn told(number: u8, prefixes: Option<&[&str]>) -> Told {
        let parse = |prefixes: &[&str]| prefixes.iter().map(|text| text.parse().unwrap()).collect();
        Told { server: server(number), prefixes: prefixes.map(parse) }
    }

    fn known(learned: &Learned) -> Vec<String> {
        learned.prefixes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_server_replaces_only_its_own_prefixes() {
        let now = Instant::now();
        let mut learned = Learned::default();
        learned.take(told(1, Some(&["2001:67c:1::/96"])), now);
        for silent in [told(2, Some(&[])), told(2, None), told(1, None)] {
            learned.take(silent, now);
            assert_eq!(known(&learned), ["2001:67c:1::/96"]);
        }
        learned.take(told(2, Some(&["2001:67c:1::/96", "2001:67c::/32"])), now);
        assert_eq!(known(&learned), ["2001:67c::/32", "2001:67c:1::/96"]);
        learned.take(told(1, Some(&["2001:67c:2::/96"])), now);
        assert_eq!(known(&learned), ["2001:67c::/32", "2001:67c:1::/96", "2001:67c:2::/96"]);
        learned.take(told(2, Some(&[])), now);
        assert_eq!(known(&learned), ["2001:67c:2::/96"]);
        learned.take(told(1, Some(&[])), now);
        assert_eq!(known(&learned), [""; 0]);
    }

    #[test]
    fn prefixes_that_are_not_repeated_expire() {
        let now = Instant::now();
        let mut learned = Learned::default();
        learned.take(told(1, Some(&["2001:67c:1::/96"])), now);
        learned.take(told(2, Some(&["2001:67c:2::/96"])), now + HOLDS / 2);
        learned.take(told(3, None), now + HOLDS);
        assert_eq!(known(&learned), ["2001:67c:2::/96"]);
    }

    #[test]
    fn the_number_of_learned_prefixes_is_limited() {
        let now = Instant::now();
        let mut learned = Learned::default();
        let many: Vec<String> = (0..100).map(|number| format!("2001:67c:{number:x}::/96")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        learned.take(told(1, Some(&many)), now);
        assert_eq!(known(&learned).len(), MOST_PREFIXES);
        for number in 2..100 {
            learned.take(told(number, Some(&[many[usize::from(number)]])), now);
        }
        assert_eq!(known(&learned).len(), MOST_SERVERS);
    }

    #[test]
    fn only_prefixes_that_a_translator_can_use_are_learned() {
        for (prefix, news) in [
            ("2001:67c:1::/96", true),
            ("64:ff9b:1::/96", true),
            ("fd00:64::/96", true),
            ("64:ff9b::/96", false),
            ("fe80::/96", false),
            ("::ffff:0:0/96", false),
            ("2001:db8::/96", false),
            ("fd12:3456::/32", false),
        ] {
            assert_eq!(is_news(&prefix.parse().unwrap()), news, "{prefix}");
        }
    }
}
