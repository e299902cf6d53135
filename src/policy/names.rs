//! Names that mean something inside: no public name may be an alias of one, and none is asked for outside.

use std::collections::HashMap;

use foldhash::quality::RandomState;

use crate::dns::{Ancestors, Leads, Name, NameRef, Question, RecordType};

use super::settings::Origin;
use super::special_domains::{SpecialDomainName, special_domain};

/// Why a name leads inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// Of a special domain.
    Special(&'static SpecialDomainName),
    /// Without a dot: a search list or a local resolver completes it.
    SingleLabel,
    /// Its last label is a number: some software takes it for an address (CVE-2022-32212).
    Numeric,
    /// With octets that a stub skipping names octet by octet takes for their end, and the rest for records.
    NotAHostName,
    /// In this exception, which the question is not in: whoever looks the target up asks an exempt name.
    Exempt(Name, Origin),
    /// The root, as the target of an alias for a whole subtree: every name lies below it.
    Root,
    /// The target of an alias for a whole subtree, with this inside or exempt name below it. A client that keeps the alias
    /// reaches that name without another answer.
    Above(Name, Origin),
    /// In this zone, which the question is not in.
    Zone(Name, Origin),
}

/// A zone that only some questions may be answered out of.
#[derive(Debug, Clone, PartialEq)]
pub struct InsideZone {
    /// The zone.
    pub domain: Name,
    /// Only the name itself, or only names below it.
    pub scope: ZoneScope,
    /// Zones of one party share this: an alias between them stays with whoever is trusted anyway.
    pub party: usize,
    /// Where it was written.
    pub origin: Origin,
}

/// Which names a zone takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZoneScope {
    /// The domain and everything below.
    Subtree,
    /// The domain only.
    Exact,
    /// Everything below the domain.
    Below,
}

impl InsideZone {
    /// `name` is in the zone.
    pub fn contains(&self, name: NameRef<'_>) -> bool {
        let domain = self.domain.as_ref();
        match self.scope {
            ZoneScope::Subtree => name.is_within(domain),
            ZoneScope::Exact => name.same(domain),
            ZoneScope::Below => name.is_within(domain) && !name.same(domain),
        }
    }
}

/// The zones, found by name.
#[derive(Debug, Default)]
pub struct InsideZones {
    by_domain: HashMap<Name, Vec<InsideZone>, RandomState>,
    above: Ancestors,
}

impl InsideZones {
    /// An index over `zones`.
    pub fn new(zones: Vec<InsideZone>) -> Self {
        let mut index = Self::default();
        index.by_domain.reserve(zones.len());
        for zone in zones {
            // The zone of `*.dev.example` holds the names below `dev.example`; `dev.example` itself is above them.
            index.above.add(&zone.domain, zone.scope == ZoneScope::Below);
            index.by_domain.entry(zone.domain.clone()).or_default().push(zone);
        }
        index
    }

    /// A zone below `domain`, which is lower-cased.
    pub(super) fn find_below(&self, domain: NameRef<'_>) -> Option<&InsideZone> {
        self.by_domain.get(self.above.find(domain)?)?.first()
    }

    /// The narrowest zone `name` is in.
    pub fn find(&self, name: NameRef<'_>) -> Option<&InsideZone> {
        if self.by_domain.is_empty() {
            return None;
        }
        name.fold().as_ref().ancestors().find_map(|ancestor| {
            self.by_domain.get(ancestor.as_wire())?.iter().find(|zone| zone.contains(name))
        })
    }
}

/// Why `target`, in a record that answers `question`, leads inside; `None` if it does not.
pub(super) fn leads_inside(
    zones: &InsideZones,
    question: &Question,
    leads: Leads,
    target: NameRef<'_>,
) -> Option<Inside> {
    if matches!(question.rtype, RecordType::A | RecordType::AAAA) && !target.is_plain() {
        return Some(Inside::NotAHostName);
    }
    if target.label_count() == 0 {
        return (leads == Leads::Subtree).then_some(Inside::Root);
    }
    if let Some(zone) = zones.find(target) {
        let is_own = zones.find(question.name()).is_some_and(|own| own.party == zone.party);
        let is_kept = special_domain(target).is_some_and(|special| special.is_kept_from(&zone.origin));
        if is_own && !is_kept || zone.origin == Origin::HostName && may_name_host(question, leads, target) {
            return None;
        }
        return Some(Inside::Zone(zone.domain.clone(), zone.origin.clone()));
    }
    if let Some(special) = special_domain(target) {
        return Some(Inside::Special(special));
    }
    if target.ends_in_number() {
        return Some(Inside::Numeric);
    }
    (!target.has_dot()).then_some(Inside::SingleLabel)
}

/// Whether a record may name this host. Its name is a public one as well: reverse names, mail and the services of its own
/// domain lead to it.
fn may_name_host(question: &Question, leads: Leads, host: NameRef<'_>) -> bool {
    let is_domain = |name: &NameRef<'_>| !name.labels().next().is_some_and(|label| label.starts_with(b"_"));
    match leads {
        Leads::Alias | Leads::Subtree => false,
        Leads::Service => question.name().ancestors().find(is_domain).is_some_and(|own| host.is_within(own)),
        Leads::Pointer | Leads::Other => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn names_that_lead_inside_are_told_from_public_ones() {
        for (target, inside) in [
            ("localhost", true),
            ("a.b.localhost", true),
            ("localhost.localdomain", true),
            ("localhost6.localdomain6", true),
            ("ip6-localhost", true),
            ("host.docker.internal", true),
            ("metadata.google.internal", true),
            ("kubernetes.default.svc.cluster.local", true),
            ("router.lan", true),
            ("x.home.arpa", true),
            ("wpad", true),
            ("nas.corp", true),
            ("a.test", true),
            ("10.0.0.1", true),
            ("x.0x7f", true),
            ("1.09", true),
            ("localhost.evil.com", false),
            ("notlocalhost.com", false),
            ("evil.com", false),
            ("mylocal.example", false),
            ("arpa.example", false),
            (r"evil\.localhost.com", false),
            (".", false),
        ] {
            let question = Question::new(name("evil.example").as_ref(), RecordType::A);
            let found = leads_inside(&InsideZones::default(), &question, Leads::Alias, name(target).as_ref());
            assert_eq!(found.is_some(), inside, "{target}: {found:?}");
        }
    }

    #[test]
    fn the_host_s_name_is_inside_for_aliases_and_for_services_of_other_domains() {
        let host = InsideZone {
            domain: name("laptop.example.edu"),
            scope: ZoneScope::Exact,
            party: 0,
            origin: Origin::HostName,
        };
        let zones = InsideZones::new(vec![host]);
        for (question, leads, target, inside) in [
            ("evil.example", Leads::Alias, "laptop.example.edu", true),
            ("www.example.edu", Leads::Alias, "Laptop.Example.EDU", true),
            ("evil.example", Leads::Alias, "x.laptop.example.edu", false),
            ("evil.example", Leads::Alias, "example.edu", false),
            ("laptop.example.edu", Leads::Alias, "laptop.example.edu", false),
            ("evil.example", Leads::Service, "laptop.example.edu", true),
            ("_imaps._tcp.evil.example", Leads::Service, "laptop.example.edu", true),
            ("www.example.edu", Leads::Service, "laptop.example.edu", true),
            ("example.edu", Leads::Service, "laptop.example.edu", false),
            ("_imaps._tcp.example.edu", Leads::Service, "laptop.example.edu", false),
            ("1.0.113.203.in-addr.arpa", Leads::Pointer, "laptop.example.edu", false),
            ("example.org", Leads::Other, "laptop.example.edu", false),
        ] {
            let asked = Question::new(name(question).as_ref(), RecordType::A);
            let found = leads_inside(&zones, &asked, leads, name(target).as_ref());
            assert_eq!(found.is_some(), inside, "{question} {leads:?} {target}: {found:?}");
        }
    }

    #[test]
    fn a_zone_is_reached_from_within_its_party_only() {
        let zone = |domain: &str, party, scope| InsideZone {
            domain: name(domain),
            scope,
            party,
            origin: Origin::BuiltIn,
        };
        let zones = InsideZones::new(vec![
            zone("corp.example", 1, ZoneScope::Subtree),
            zone("lab.example", 1, ZoneScope::Subtree),
            zone("other.example", 2, ZoneScope::Subtree),
            zone("dev.example", 3, ZoneScope::Below),
            zone("nas.example", 4, ZoneScope::Exact),
        ]);
        for (question, target, inside) in [
            ("evil.com", "www.corp.example", true),
            ("evil.com", "corp.example", true),
            ("a.corp.example", "b.corp.example", false),
            ("a.corp.example", "b.lab.example", false),
            ("a.corp.example", "b.other.example", true),
            ("evil.com", "x.dev.example", true),
            ("evil.com", "dev.example", false),
            ("evil.com", "nas.example", true),
            ("evil.com", "x.nas.example", false),
            ("evil.com", "WWW.Corp.EXAMPLE", true),
            ("evil.com", "xcorp.example", false),
        ] {
            let asked = Question::new(name(question).as_ref(), RecordType::A);
            let found = leads_inside(&zones, &asked, Leads::Alias, name(target).as_ref());
            assert_eq!(found.is_some(), inside, "{question} -> {target}: {found:?}");
        }
    }
}
