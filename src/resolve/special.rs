//! Names that have an answer everywhere the same, and are never asked for outside.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;

use super::home::is_for_pointer;
use super::settings::NamesSettings;
use crate::dns::{
    self, Carrier, Class, Ede, EdeCode, LocalAnswer, Name, NameRef, Question, Rcode, RecordType,
};
use crate::policy::{
    Action, Category, Finding, NotPublic, Origin, RouteTrust, SpecialDomainName, Subject, Verdict, route_to,
    special_domain,
};

/// How long a client may keep the news that a name does not exist here, in seconds.
const NEGATIVE_TTL: u32 = 600;

/// The same for a name that is refused an address for its odd octets, and for one that another network may know.
const PASSING_TTL: u32 = 10;

/// Networks whose reverse zones are served locally (RFC 6303 §4, RFC 7793).
const LOCALLY_SERVED: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.2.0/24",
    "192.168.0.0/16",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "fc00::/7",
    "fe80::/10",
    "2001:db8::/32",
];

/// Types that the top-level domains themselves are asked for by those who validate or iterate.
const INFRASTRUCTURE: [RecordType; 6] = [
    RecordType::NS,
    RecordType::SOA,
    RecordType::DS,
    RecordType::DNSKEY,
    RecordType::NSEC,
    RecordType::RRSIG,
];

/// The canary by which Firefox asks if it may use its own resolver, and the names that lead to Private Relay.
const FIREFOX_CANARY: &str = "use-application-dns.net";
const PRIVATE_RELAY: [&str; 2] = ["mask.icloud.com", "mask-h2.icloud.com"];

/// The special names, in wire form.
#[derive(Debug)]
pub(super) struct SpecialNames {
    locally_served: Vec<IpNet>,
    /// NXDOMAIN for addresses, with the reason.
    canary: Option<Name>,
    /// NXDOMAIN for whatever is asked.
    denied: Vec<Name>,
    /// NODATA for whatever is asked (RFC 9462 §4).
    resolver_arpa: Option<Name>,
    /// A server of the network, to be proposed for names that are not public.
    server: Option<Arc<str>>,
}

impl SpecialNames {
    /// The names, without those the settings give back to the upstream.
    pub(super) fn new(settings: &NamesSettings, server: Option<Arc<str>>) -> Self {
        let named = |switch: bool, text: &str| switch.then(|| Name::from_text(text).ok()).flatten();
        Self {
            locally_served: LOCALLY_SERVED.iter().filter_map(|net| net.parse().ok()).collect(),
            canary: named(settings.firefox_canary, FIREFOX_CANARY),
            denied: PRIVATE_RELAY.iter().filter_map(|text| named(settings.private_relay, text)).collect(),
            resolver_arpa: named(settings.designated_resolver, "resolver.arpa"),
            server,
        }
    }

    /// `localhost` and everything below: loopback, whatever routes there are (RFC 6761 §6.3).
    pub(super) fn loopback(&self, question: &Question) -> Option<LocalAnswer> {
        let name = question.name();
        let is_loopback = special_domain(name).is_some_and(SpecialDomainName::is_loopback);
        is_loopback.then(|| {
            LocalAnswer::addresses(question, &[Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
        })
    }

    /// The answer to every other special name; for questions that no route and no local name takes. If `has_below` finds a
    /// name below this one, this one exists as well (RFC 8020 §2).
    pub(super) fn answer(&self, question: &Question, has_below: impl Fn() -> bool) -> Option<LocalAnswer> {
        let name = question.name();
        let rcode = || if has_below() { Rcode::NOERROR } else { Rcode::NXDOMAIN };
        let is_arpa = name.last_label().is_some_and(|last| last.eq_ignore_ascii_case(b"arpa"));
        if is_arpa && self.resolver_arpa.as_ref().is_some_and(|zone| name.is_within(zone.as_ref())) {
            return Some(LocalAnswer::negative(Rcode::NOERROR, question, name, NEGATIVE_TTL));
        }
        let asks_address = matches!(question.rtype, RecordType::A | RecordType::AAAA);
        if self.canary.as_ref().is_some_and(|canary| name.same(canary.as_ref()) && asks_address)
            || self.denied.iter().any(|denied| name.same(denied.as_ref()))
        {
            return Some(LocalAnswer::negative(Rcode::NXDOMAIN, question, name, NEGATIVE_TTL));
        }
        if is_arpa && let Some(answer) = self.reverse(question, rcode) {
            return Some(answer);
        }
        if let Some(refused) = NotPublic::of(name, self.server.clone()) {
            let why = format!("{refused}; to answer it: {}", refused.way_out(name));
            let zone = refused.special.name.as_ref();
            let answer = LocalAnswer::negative(rcode(), question, zone, PASSING_TTL);
            return Some(answer.with_error(Ede::new(EdeCode::BLOCKED, why)));
        }
        if let Some(special) = special_domain(name) {
            let why = format!(
                "{} is not public ({}); a [[route]] or [[local]] gives it an answer",
                special.name, special.reference
            );
            return Some(denied(rcode(), question, special.name.as_ref(), why));
        }
        if name.ends_in_number() {
            let why = "a name that ends in a number is not public".to_owned();
            return Some(denied(rcode(), question, NameRef::ROOT, why));
        }
        if asks_address && !name.is_plain() {
            // Stubs that skip names octet by octet would read the rest of this one as records. The name's other types
            // are forwarded, so it is not denied.
            let why = "not a host name: zero or non-ASCII octets";
            let answer = LocalAnswer::negative(Rcode::NOERROR, question, name, PASSING_TTL);
            return Some(answer.with_error(Ede::new(EdeCode::BLOCKED, why)));
        }
        self.single_label(question, rcode)
    }

    /// What is to be reported of a name that [`answer`](Self::answer) denied. Each name is looked up for its addresses, so these
    /// are enough.
    pub(super) fn refusal(&self, question: &Question) -> Option<Arc<Verdict>> {
        let asks_address = matches!(question.rtype, RecordType::A | RecordType::AAAA);
        let refused = NotPublic::of(question.name(), self.server.clone()).filter(|_| asks_address)?;
        let finding = |refused| Finding {
            carrier: Carrier::Rdata(question.rtype),
            subject: Subject::NotPublic(refused),
            action: Action::Monitored(Origin::BuiltIn),
        };
        refused.is_missed(question.name()).then(|| {
            Arc::new(Verdict {
                findings: vec![finding(refused)],
                category: Category::NotPublic,
                arguments: None,
            })
        })
    }

    /// Names without a dot belong to the local network, which knows none; what exists as a top-level domain is not denied, but
    /// has no addresses.
    fn single_label(&self, question: &Question, rcode: impl Fn() -> Rcode) -> Option<LocalAnswer> {
        let name = question.name();
        if name.label_count() != 1 || INFRASTRUCTURE.contains(&question.rtype) {
            return None;
        }
        let exists = dns::public_suffix(&mut name.labels()).typ == Some(psl::Type::Icann);
        if exists {
            return Some(LocalAnswer::negative(Rcode::NOERROR, question, name, NEGATIVE_TTL));
        }
        let mut why = "a single label is not public".to_owned();
        if let Some(word) = name.as_word() {
            let route = route_to(&name.fold().as_ref().to_name(), self.server.as_deref());
            why.push_str(&format!(
                "; to answer it: {route}, or a [[local]] with name = \"{word}\" and its address"
            ));
        }
        Some(denied(rcode(), question, NameRef::ROOT, why))
    }

    fn reverse(&self, question: &Question, rcode: impl Fn() -> Rcode) -> Option<LocalAnswer> {
        let net = dns::reversed_net(question.name())?;
        if !self.locally_served.iter().any(|served| served.contains(&net)) {
            return None;
        }
        if let Some(answer) = loopback_pointer(question) {
            return Some(answer);
        }
        let zone = question.name().ancestors().nth(1).unwrap_or(NameRef::ROOT);
        let mut why = "a reverse zone of inside addresses (RFC 6303)".to_owned();
        if is_for_pointer(question) {
            // The zone of a network, as somebody would write it: a /24, or a /64.
            let own = if net.addr().is_ipv4() { 1 } else { 16 };
            let network = question.name().ancestors().nth(own).unwrap_or(zone);
            let route = route_to(&network.fold().as_ref().to_name(), self.server.as_deref());
            why.push_str(&format!("; to answer it: {route}"));
        }
        Some(denied(rcode(), question, zone, why))
    }
}

/// Whether the name is never asked outside, whatever local names there are: nobody outside can know what it means here.
pub(super) fn is_never_public(name: NameRef<'_>) -> bool {
    special_domain(name).is_some() || name.ends_in_number() || name.label_count() == 1
}

/// The answer for a name in a domain that is answered here only.
pub(super) fn answered_here_only(
    question: &Question,
    trust: &RouteTrust,
    has_below: impl Fn() -> bool,
) -> LocalAnswer {
    let RouteTrust { domain, origin, .. } = trust;
    if let Some(answer) = loopback_pointer(question) {
        return answer;
    }
    let exists = question.name().same(domain.as_ref()) || has_below();
    let rcode = if exists { Rcode::NOERROR } else { Rcode::NXDOMAIN };
    let why = format!("{domain} is answered here only ([[route]] without servers, {origin})");
    LocalAnswer::negative(rcode, question, domain.as_ref(), dns::LOCAL_TTL)
        .with_error(Ede::new(EdeCode::BLOCKED, why))
}

/// The PTR answer for a loopback address.
fn loopback_pointer(question: &Question) -> Option<LocalAnswer> {
    if question.rtype != RecordType::PTR {
        return None;
    }
    let net = dns::reversed_net(question.name())?;
    let is_loopback = net.prefix_len() == net.max_prefix_len() && net.addr().is_loopback();
    let localhost = Name::from_text("localhost").ok().filter(|_| is_loopback)?;
    Some(LocalAnswer::pointers(question, &[localhost]))
}

/// The answer to what is no question about a name of the Internet.
pub(super) fn not_looked_up(question: &Question) -> LocalAnswer {
    match question.class {
        Class::IN => LocalAnswer::any(question),
        Class::CH => chaos(question),
        _ => LocalAnswer::empty(Rcode::REFUSED, question),
    }
}

/// Class CHAOS is about the server itself (RFC 4892).
fn chaos(question: &Question) -> LocalAnswer {
    let name = question.name().to_name().to_string();
    match name.as_str() {
        "version.bind" | "version.server" if question.rtype == RecordType::TXT => {
            LocalAnswer::text(question, concat!("stubborn ", env!("CARGO_PKG_VERSION")))
        }
        _ => LocalAnswer::empty(Rcode::REFUSED, question),
    }
}

fn denied(rcode: Rcode, question: &Question, zone: NameRef<'_>, why: String) -> LocalAnswer {
    LocalAnswer::negative(rcode, question, zone, NEGATIVE_TTL).with_error(Ede::new(EdeCode::BLOCKED, why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ClientResponse;

    fn ask(name: &str, rtype: RecordType) -> Option<Rcode> {
        let question = Question::new(Name::from_text(name).unwrap().as_ref(), rtype);
        let names = SpecialNames::new(&NamesSettings::default(), None);
        let answer = names.loopback(&question).or_else(|| names.answer(&question, || false))?;
        Some(ClientResponse::from(answer).rcode())
    }

    #[test]
    fn a_name_that_the_network_may_know_is_denied_with_the_way_out() {
        let names = SpecialNames::new(&NamesSettings::default(), Some("192.168.1.1".into()));
        for (name, rtype, way_out) in [
            (
                "NAS",
                RecordType::A,
                "[[route]] with domain = \"nas\" and servers = [\"192.168.1.1\"], or a [[local]] with name = \"nas\"",
            ),
            (
                "20.1.168.192.in-addr.arpa",
                RecordType::PTR,
                "[[route]] with domain = \"1.168.192.in-addr.arpa\" and servers = [\"192.168.1.1\"]",
            ),
            (
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
                RecordType::PTR,
                "[[route]] with domain = \"0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa\" and servers",
            ),
            ("x.test", RecordType::A, "a [[route]] or [[local]] gives it an answer"),
        ] {
            let question = Question::new(Name::from_text(name).unwrap().as_ref(), rtype);
            let answer = format!("{:?}", names.answer(&question, || false)).replace("\\\"", "\"");
            assert!(answer.contains(way_out), "{name}: {answer}");
        }
    }

    #[test]
    fn special_names_are_answered_here_and_public_ones_are_not() {
        let (yes, no, forward) = (Some(Rcode::NOERROR), Some(Rcode::NXDOMAIN), None);
        for (name, rtype, expected) in [
            ("localhost", RecordType::A, yes),
            ("x.LocalHost", RecordType::TXT, yes),
            ("printer.local", RecordType::A, no),
            ("x.internal", RecordType::TXT, no),
            ("x.home.arpa", RecordType::A, no),
            ("x.test", RecordType::A, no),
            ("a.onion", RecordType::A, no),
            ("nas", RecordType::A, no),
            ("wpad", RecordType::HTTPS, no),
            ("com", RecordType::A, yes),
            ("com", RecordType::DS, forward),
            (".", RecordType::NS, forward),
            ("10.0.0.1", RecordType::A, no),
            ("x.0x7f", RecordType::A, no),
            ("1.0.168.192.in-addr.arpa", RecordType::PTR, no),
            ("10.in-addr.arpa", RecordType::SOA, no),
            ("lb._dns-sd._udp.0.1.168.192.in-addr.arpa", RecordType::PTR, no),
            ("1.0.0.127.in-addr.arpa", RecordType::PTR, yes),
            ("15.172.in-addr.arpa", RecordType::PTR, forward),
            ("16.172.in-addr.arpa", RecordType::PTR, no),
            ("172.in-addr.arpa", RecordType::NS, forward),
            ("1.1.1.1.in-addr.arpa", RecordType::PTR, forward),
            ("d.f.ip6.arpa", RecordType::PTR, no),
            ("8.e.f.ip6.arpa", RecordType::PTR, no),
            ("1.0.0.2.ip6.arpa", RecordType::PTR, forward),
            ("_dns.resolver.arpa", RecordType::SVCB, yes),
            ("resolver.arpa", RecordType::A, yes),
            ("use-application-dns.net", RecordType::A, no),
            ("use-application-dns.net", RecordType::TXT, forward),
            ("mask.icloud.com", RecordType::HTTPS, no),
            ("x.mask.icloud.com", RecordType::A, forward),
            (r"a\200.example.com", RecordType::A, yes),
            (r"a\200.example.com", RecordType::TXT, forward),
            ("www.example", RecordType::A, forward),
            ("ipv4only.arpa", RecordType::A, forward),
        ] {
            assert_eq!(ask(name, rtype), expected, "{name} {rtype}");
        }
    }
}
