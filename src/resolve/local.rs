//! Names answered from the configuration: `[[local]]`, hosts files, and the reverse of both.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::settings::{HostName, LocalName};
use super::special::reversed_net;
use crate::dns::{self, Ede, EdeCode, LocalAnswer, Name, NameRef, Question, Rcode, RecordType};

/// The most names that the reverse of an address gives. A block list has all its names at one address: nobody wants them
/// from there, and they must not take longer to find than there are names.
const MAX_REVERSE: usize = 16;

/// The local names, found by their labels.
#[derive(Debug, Default)]
pub(super) struct LocalNames {
    exact: HashMap<Name, Arc<[IpAddr]>, RandomState>,
    below: HashMap<Name, Arc<[IpAddr]>, RandomState>,
    reverse: HashMap<IpAddr, Vec<Name>, RandomState>,
}

impl LocalNames {
    /// The configuration's names, and those of hosts files where the configuration does not name them.
    pub(super) fn new(locals: &[LocalName], hosts: &[HostName]) -> Self {
        let mut names = Self::default();
        names.exact.reserve(locals.len() + hosts.len());
        for local in locals {
            let table = if local.wildcard { &mut names.below } else { &mut names.exact };
            table.insert(local.name.clone(), local.addresses.clone());
        }
        for (name, addresses) in hosts {
            names.exact.entry(name.clone()).or_insert_with(|| addresses.clone());
        }
        let mut reverse: HashMap<IpAddr, Vec<Name>, RandomState> = HashMap::default();
        let exact_locals =
            locals.iter().filter(|local| !local.wildcard).map(|local| (&local.name, &local.addresses));
        for (name, addresses) in exact_locals.chain(hosts.iter().map(|(name, addresses)| (name, addresses))) {
            for address in addresses.iter().filter(|address| !address.is_loopback()) {
                let names = reverse.entry(*address).or_default();
                if names.len() < MAX_REVERSE && !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        names.reverse = reverse;
        names
    }

    /// The answer to a local name of whatever type; `name` is the QNAME, lower-cased.
    pub(super) fn answer(&self, question: &Question, name: NameRef<'_>) -> Option<LocalAnswer> {
        if self.exact.is_empty() && self.below.is_empty() {
            return None;
        }
        if question.rtype == RecordType::PTR
            && let Some(names) = reversed_net(name)
                .filter(|net| net.prefix_len() == net.max_prefix_len())
                .and_then(|net| self.reverse.get(&net.addr()))
        {
            return Some(LocalAnswer::pointers(question, names));
        }
        if let Some(addresses) = self.exact.get(name.as_wire()) {
            return Some(LocalAnswer::addresses(question, addresses));
        }
        if self.below.is_empty() {
            return None;
        }
        let mut ancestors = name.ancestors().enumerate().skip(1);
        let (labels, zone, addresses) =
            ancestors.find_map(|(labels, zone)| Some((labels, zone, self.below.get(zone.as_wire())?)))?;
        // A search list appends the zone to public names: the wildcard must not turn those into inside addresses.
        // `test` is nobody's search domain (RFC 6761 §6.2), and names like `app.dev.test` are in honest use.
        let may_be_searched = zone.as_wire() != b"\x04test\0";
        if may_be_searched && is_public_name(name, labels) {
            let why = "a public name under a local wildcard, as a search list makes it; name it in [[local]] if it is meant";
            let answer = LocalAnswer::negative(Rcode::NXDOMAIN, question, zone, dns::LOCAL_TTL);
            return Some(answer.with_error(Ede::new(EdeCode::BLOCKED, why)));
        }
        Some(LocalAnswer::addresses(question, addresses))
    }

    /// How many names there are.
    pub(super) fn count(&self) -> usize {
        self.exact.len() + self.below.len()
    }
}

/// The first `count` labels of `name` are a name that somebody could register.
fn is_public_name(name: NameRef<'_>, count: usize) -> bool {
    let labels: Vec<&[u8]> = name.labels().take(count).collect();
    let info = dns::public_suffix(&mut labels.iter().rev().copied());
    labels.len() >= 2 && info.typ.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{ClientResponse, Origin};

    fn local(text: &str, addresses: &[&str]) -> LocalName {
        let (name, wildcard) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        LocalName {
            name: Name::from_text(name).unwrap(),
            wildcard,
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            origin: Origin::CommandLine,
        }
    }

    fn ask(names: &LocalNames, name: &str, rtype: RecordType) -> Option<(Rcode, usize)> {
        let question = Question::new(Name::from_text(name).unwrap().as_ref(), rtype);
        let response = ClientResponse::from(names.answer(&question, question.name().fold().as_ref())?);
        let found = response.records().filter(|record| record.rtype == rtype).count();
        Some((response.rcode(), found))
    }

    #[test]
    fn local_names_answer_by_their_narrowest_entry() {
        let hosts = vec![(Name::from_text("printer").unwrap(), ["192.168.1.9".parse().unwrap()].into())];
        let locals = [
            local("nas.home.example", &["192.168.1.5", "fd00::5"]),
            local("*.home.example", &["192.168.1.6"]),
            local("*.test", &["127.0.0.1", "::1"]),
            local("*.lan", &["192.168.1.7"]),
        ];
        let names = LocalNames::new(&locals, &hosts);
        let yes = |count| Some((Rcode::NOERROR, count));
        for (name, rtype, expected) in [
            ("NAS.home.example", RecordType::A, yes(1)),
            ("nas.home.example", RecordType::AAAA, yes(1)),
            ("nas.home.example", RecordType::TXT, yes(0)),
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
            ("9.1.168.192.in-addr.arpa", RecordType::PTR, yes(1)),
            ("6.1.168.192.in-addr.arpa", RecordType::PTR, None),
            ("1.0.0.127.in-addr.arpa", RecordType::PTR, None),
            ("other.example", RecordType::A, None),
        ] {
            assert_eq!(ask(&names, name, rtype), expected, "{name} {rtype}");
        }
    }

    #[test]
    fn an_address_with_many_names_gives_the_first_of_them() {
        let address = "192.0.2.1".parse().unwrap();
        let name = |number| Name::from_text(&format!("n{number}.example")).unwrap();
        let hosts: Vec<_> = (0..100_000).map(|number| (name(number), Arc::from([address]))).collect();
        let names = LocalNames::new(&[], &hosts);
        let reversed = ask(&names, "1.2.0.192.in-addr.arpa", RecordType::PTR);
        assert_eq!(reversed, Some((Rcode::NOERROR, MAX_REVERSE)));
        assert_eq!(ask(&names, "n99999.example", RecordType::A), Some((Rcode::NOERROR, 1)));
    }
}
