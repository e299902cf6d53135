//! Names answered from the configuration: `[[local]]`, hosts files, and the reverse of both.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::searched::searched;
use super::settings::{HostName, LocalName, Route, Types};
use super::special::is_never_public;
use crate::dns::{self, Ede, EdeCode, LocalAnswer, Name, NameRef, Question, Rcode, RecordType};
use crate::policy::Origin;

/// The most names that the reverse of an address gives. A block list has all its names at one address: nobody wants them
/// from there, and they must not take longer to find than there are names.
const MAX_REVERSE: usize = 16;

/// The types that say where a name is. An outside answer of one of these types would compete with the local one.
const WHERE_IT_IS: [RecordType; 4] = [RecordType::A, RecordType::AAAA, RecordType::HTTPS, RecordType::SVCB];

/// The local names, found by their labels.
#[derive(Debug, Default)]
pub(super) struct LocalNames {
    exact: HashMap<Name, Held, RandomState>,
    below: HashMap<Name, Wildcard, RandomState>,
    reverse: BTreeMap<IpAddr, Vec<Name>>,
    /// Names that exist because a name below them does. Only those that are never asked outside.
    parents: HashSet<Name, RandomState>,
}

#[derive(Debug)]
struct Held {
    addresses: Arc<[IpAddr]>,
    types: Types,
}

#[derive(Debug)]
struct Wildcard {
    held: Held,
    origin: Origin,
}

/// What the local names say about a question.
#[derive(Debug)]
pub(super) enum Said {
    /// The question has this answer.
    Answer(LocalAnswer),
    /// The name is local, but this type is asked outside.
    OtherType,
    /// The name is not local.
    Nothing,
}

impl LocalNames {
    /// The configuration's names, and those of hosts files where the configuration does not name them.
    pub(super) fn new(locals: &[LocalName], hosts: &[HostName], routes: &[&Route]) -> Self {
        let mut names = Self::default();
        names.exact.reserve(locals.len() + hosts.len());
        for local in locals {
            let held = Held { addresses: local.addresses.clone(), types: local.types };
            if local.wildcard {
                let origin = local.origin.clone();
                names.below.insert(local.name.clone(), Wildcard { held, origin });
            } else {
                names.exact.insert(local.name.clone(), held);
            }
        }
        for (name, addresses) in hosts {
            let held = || Held { addresses: addresses.clone(), types: Types::default() };
            names.exact.entry(name.clone()).or_insert_with(held);
        }
        let exact_locals =
            locals.iter().filter(|local| !local.wildcard).map(|local| (&local.name, &local.addresses));
        for (name, addresses) in exact_locals.chain(hosts.iter().map(|(name, addresses)| (name, addresses))) {
            for address in addresses.iter().filter(|address| !address.is_loopback()) {
                let names = names.reverse.entry(*address).or_default();
                if names.len() < MAX_REVERSE && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names.parents = parents(&names, routes);
        names
    }

    /// Looks up a question of any type; `name` is the QNAME, lower-cased.
    pub(super) fn find(&self, question: &Question, name: NameRef<'_>) -> Said {
        if self.exact.is_empty() && self.below.is_empty() {
            return Said::Nothing;
        }
        if question.rtype == RecordType::PTR
            && let Some(names) = dns::reversed_net(name)
                .filter(|net| net.prefix_len() == net.max_prefix_len())
                .and_then(|net| self.reverse.get(&net.addr()))
        {
            return Said::Answer(LocalAnswer::pointers(question, names));
        }
        if let Some(held) = self.exact.get(name.as_wire()) {
            return held.say(question, name);
        }
        if self.below.is_empty() {
            return Said::Nothing;
        }
        let mut ancestors = name.ancestors().enumerate().skip(1);
        let found =
            ancestors.find_map(|(labels, zone)| Some((labels, zone, self.below.get(zone.as_wire())?)));
        let Some((labels, zone, wildcard)) = found else { return Said::Nothing };
        match searched(name, labels, zone) {
            Some(searched) => {
                let why = searched.explain(name, zone, &wildcard.origin);
                let answer = LocalAnswer::negative(Rcode::NXDOMAIN, question, zone, dns::LOCAL_TTL);
                Said::Answer(answer.with_error(Ede::new(EdeCode::BLOCKED, why)))
            }
            None => wildcard.held.say(question, name),
        }
    }

    /// Whether a name exists below `name`, or, for a reverse name, whether an address in its network has a name. `name` is
    /// lower-cased and never asked outside.
    pub(super) fn has_below(&self, name: NameRef<'_>) -> bool {
        let has_address = |net: IpNet| self.reverse.range(net.network()..=net.broadcast()).next().is_some();
        self.parents.contains(name.as_wire())
            || !self.reverse.is_empty() && dns::reversed_net(name).is_some_and(has_address)
    }

    /// How many names there are.
    pub(super) fn count(&self) -> usize {
        self.exact.len() + self.below.len()
    }
}

impl Held {
    fn say(&self, question: &Question, name: NameRef<'_>) -> Said {
        let is_asked_outside = self.types == Types::Addresses
            && !WHERE_IT_IS.contains(&question.rtype)
            && !name.ends_in_number()
            && name.has_dot();
        match is_asked_outside {
            true => Said::OtherType,
            false => Said::Answer(LocalAnswer::addresses(question, &self.addresses)),
        }
    }
}

/// The parents of the names that exist here. The public DNS answers for the parents of a public name, except for the addresses
/// of a top-level domain, which are never asked for.
fn parents(names: &LocalNames, routes: &[&Route]) -> HashSet<Name, RandomState> {
    let here_only = routes.iter().filter(|route| route.servers.is_empty());
    let here_only: HashSet<Name, RandomState> = here_only.map(|route| route.trust.domain.clone()).collect();
    let is_kept = |name: NameRef<'_>| {
        is_never_public(name)
            || !here_only.is_empty()
                && name.ancestors().any(|ancestor| here_only.contains(ancestor.as_wire()))
    };
    let mut parents: HashSet<Name, RandomState> = HashSet::default();
    let mut add = |name: NameRef<'_>, itself: usize| {
        let Some(top) = name.last_label().map(|label| label.len() + 2) else { return };
        let all = is_kept(name);
        // Up to the top-level domain, which has the shortest wire form.
        let above = name.ancestors().skip(itself).take_while(|above| above.as_wire().len() >= top);
        for above in above.filter(|above| all || above.as_wire().len() == top) {
            if !parents.contains(above.as_wire()) {
                parents.insert(above.to_name());
            }
        }
    };
    names.exact.keys().for_each(|name| add(name.as_ref(), 1));
    names.below.keys().for_each(|name| add(name.as_ref(), 0));
    routes.iter().for_each(|route| add(route.trust.domain.as_ref(), 0));
    parents
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ClientResponse, RouteTrust};
    use crate::upstream::Endpoint;

    /// What [`ask`] returns if the type is asked outside.
    const OUTSIDE: Option<(Rcode, usize)> = Some((Rcode(0xfff), 0));

    fn local(text: &str, addresses: &[&str]) -> LocalName {
        let (name, wildcard) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        LocalName {
            name: Name::from_text(name).unwrap(),
            wildcard,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            types: Types::Addresses,
            origin: Origin::CommandLine,
        }
    }

    fn ask(names: &LocalNames, name: &str, rtype: RecordType) -> Option<(Rcode, usize)> {
        let question = Question::new(Name::from_text(name).unwrap().as_ref(), rtype);
        let answer = match names.find(&question, question.name().fold().as_ref()) {
            Said::Answer(answer) => answer,
            Said::OtherType => return OUTSIDE,
            Said::Nothing => return None,
        };
        let response = ClientResponse::from(answer);
        let found = response.records().filter(|record| record.rtype == rtype).count();
        Some((response.rcode(), found))
    }

    #[test]
    fn local_names_answer_by_their_narrowest_entry() {
        let printer = ["printer", "printer.example"].map(|name| Name::from_text(name).unwrap());
        let hosts = printer.map(|name| (name, ["192.168.1.9".parse().unwrap()].into()));
        let locals = [
            LocalName { types: Types::All, ..local("whole.example", &["192.168.1.8"]) },
            local("*.0", &["192.168.1.10"]),
            local("nas.home.example", &["192.168.1.5", "fd00::5"]),
            local("*.home.example", &["192.168.1.6"]),
            local("*.test", &["127.0.0.1", "::1"]),
            local("*.lan", &["192.168.1.7"]),
        ];
        let names = LocalNames::new(&locals, &hosts, &[]);
        let yes = |count| Some((Rcode::NOERROR, count));
        for (name, rtype, expected) in [
            ("NAS.home.example", RecordType::A, yes(1)),
            ("nas.home.example", RecordType::AAAA, yes(1)),
            ("nas.home.example", RecordType::HTTPS, yes(0)),
            ("nas.home.example", RecordType::SVCB, yes(0)),
            ("nas.home.example", RecordType::TXT, OUTSIDE),
            ("nas.home.example", RecordType::CNAME, OUTSIDE),
            ("_acme-challenge.x.home.example", RecordType::TXT, OUTSIDE),
            ("whole.example", RecordType::TXT, yes(0)),
            // A route may know more; without one it is not asked outside.
            ("nas.lan", RecordType::TXT, OUTSIDE),
            ("printer", RecordType::TXT, yes(0)),
            ("printer", RecordType::NS, yes(0)),
            ("printer.example", RecordType::TXT, OUTSIDE),
            ("x.0", RecordType::TXT, yes(0)),
            ("x.home.example", RecordType::A, yes(1)),
            ("x.home.example", RecordType::AAAA, yes(0)),
            ("home.example", RecordType::A, None),
            ("a.b.test", RecordType::A, yes(1)),
            ("evil.com.test", RecordType::A, yes(1)),
            ("evil.com.lan", RecordType::A, Some((Rcode::NXDOMAIN, 0))),
            ("nas.lan", RecordType::A, yes(1)),
            ("evil.com.home.example", RecordType::A, Some((Rcode::NXDOMAIN, 0))),
            ("printer", RecordType::A, yes(1)),
            ("5.1.168.192.in-addr.arpa", RecordType::PTR, yes(1)),
            ("9.1.168.192.in-addr.arpa", RecordType::PTR, yes(2)),
            ("6.1.168.192.in-addr.arpa", RecordType::PTR, None),
            ("1.0.0.127.in-addr.arpa", RecordType::PTR, None),
            ("other.example", RecordType::A, None),
        ] {
            assert_eq!(ask(&names, name, rtype), expected, "{name} {rtype}");
        }
    }

    #[test]
    fn a_name_that_is_never_asked_outside_exists_if_a_name_below_it_does() {
        let route = |domain: &str, servers: &[&str]| Route {
            servers: servers.iter().map(|text| Endpoint::Do53(text.parse().unwrap())).collect(),
            trust: RouteTrust {
                domain: Name::from_text(domain).unwrap(),
                networks: Vec::new(),
                origin: Origin::CommandLine,
            },
            of_strangers: false,
        };
        let hosts = [(Name::from_text("x.y.lan").unwrap(), ["fd00::9".parse().unwrap()].into())];
        let locals = [
            local("a.b.both.test", &["192.168.1.5"]),
            local("*.dev.internal", &["127.0.0.1"]),
            local("a.b.corp.example", &["192.168.1.5"]),
            local("a.b.public.example", &["192.168.1.5"]),
        ];
        let routes = [route("corp.example", &[]), route("vpn.office.home.arpa", &["10.0.0.1:53"])];
        let names = LocalNames::new(&locals, &hosts, &routes.each_ref());
        for (name, exists) in [
            ("b.both.test", true),
            ("both.test", true),
            ("test", true),
            ("a.b.both.test", false),
            ("c.both.test", false),
            ("oth.test", false),
            ("dev.internal", true),
            ("internal", true),
            ("y.lan", true),
            ("lan", true),
            ("b.corp.example", true),
            ("b.public.example", false),
            ("example", true),
            ("office.home.arpa", true),
            ("vpn.office.home.arpa", true),
            ("1.168.192.in-addr.arpa", true),
            ("5.1.168.192.in-addr.arpa", true),
            ("2.168.192.in-addr.arpa", false),
            ("0.d.f.ip6.arpa", true),
            ("1.d.f.ip6.arpa", false),
            ("other", false),
            (".", false),
        ] {
            let found = names.has_below(Name::from_text(name).unwrap().as_ref());
            assert_eq!(found, exists, "{name}");
        }
    }

    #[test]
    fn the_refusal_of_a_name_that_a_search_list_may_have_made_says_how_to_allow_it() {
        let names = LocalNames::new(&[local("*.example.org", &["192.168.1.6"])], &[], &[]);
        for (name, expected) in [
            ("grafana.dev.example.org", Some("\"grafana.dev.example.org\", or \"*.dev.example.org\"")),
            ("a.b.co.uk.example.org", Some("\"a.b.co.uk.example.org\", or \"*.co.uk.example.org\"")),
            (
                "evil.com.home.example.org",
                Some("\"evil.com.home.example.org\", or \"*.com.home.example.org\""),
            ),
            ("a.dev.x.y.example.org", Some("\"a.dev.x.y.example.org\", or \"*.dev.x.y.example.org\"")),
            (
                "me.github.io.example.org",
                Some("\"me.github.io.example.org\", or \"*.github.io.example.org\""),
            ),
            ("co.uk.example.org", None),
            ("dev.k8s.example.org", None),
            ("evil.com.example.org", Some("\"evil.com.example.org\", or \"*.com.example.org\"")),
            ("dev.example.org", None),
            ("grafana.staging.example.org", None),
        ] {
            let asked = Name::from_text(name).unwrap();
            let question = Question::new(asked.as_ref(), RecordType::A);
            let Said::Answer(answer) = names.find(&question, asked.as_ref()) else { panic!("{name}") };
            let response = ClientResponse::from(answer);
            let told = response.errors().first().map(|error| error.text.to_string());
            let allows = told.as_ref().and_then(|text| text.split("[[local]] name = ").nth(1));
            assert_eq!(allows, expected, "{name}: {told:?}");
            // The proposed line makes the name answer.
            for pattern in expected.iter().flat_map(|text| text.split(", or ")) {
                let wider =
                    [local("*.example.org", &["::1"]), local(pattern.trim_matches('"'), &["10.0.0.1"])];
                assert_eq!(
                    ask(&LocalNames::new(&wider, &[], &[]), name, RecordType::A),
                    Some((Rcode::NOERROR, 1)),
                    "{name} {pattern}"
                );
            }
        }
    }

    #[test]
    fn an_address_with_many_names_gives_the_first_of_them() {
        let address = "192.0.2.1".parse().unwrap();
        let name = |number| Name::from_text(&format!("n{number}.example")).unwrap();
        let hosts: Vec<_> = (0..100_000).map(|number| (name(number), Arc::from([address]))).collect();
        let names = LocalNames::new(&[], &hosts, &[]);
        let reversed = ask(&names, "1.2.0.192.in-addr.arpa", RecordType::PTR);
        assert_eq!(reversed, Some((Rcode::NOERROR, MAX_REVERSE)));
        assert_eq!(ask(&names, "n99999.example", RecordType::A), Some((Rcode::NOERROR, 1)));
    }
}
