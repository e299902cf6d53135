//! Learning how this network translates IPv4 addresses (RFC 7050): an IPv6 address behind its prefix reaches the IPv4
//! address in it, and is judged as such.

use std::net::{IpAddr, Ipv6Addr};
use std::rc::Rc;

use ipnet::Ipv6Net;

use crate::dns::{Name, Question, Rcode, RecordType, learned_prefixes};
use crate::resolve::Resolver;
use crate::upstream::{Ask, Exchanger};

/// The prefixes by which the upstream makes the AAAA records of `ipv4only.arpa`, or `None` if it cannot be
/// asked or fails: which says nothing about the network.
pub(super) async fn learn(resolver: &Resolver) -> Option<Vec<Ipv6Net>> {
    let name = Name::from_text("ipv4only.arpa").ok()?;
    let question = Question::new(name.as_ref(), RecordType::AAAA);
    let ask = Ask { question, dnssec_ok: false, checking_disabled: false };
    let snapshot = resolver.snapshot();
    let group = &snapshot.route(0)?.group;
    let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
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
    Some(learned_prefixes(&addresses))
}
