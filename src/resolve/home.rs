//! The network's own names: what they may answer with, and which other names belong to them.

use std::net::IpAddr;

use ipnet::IpNet;

use super::settings::Route;
use super::snapshot::Ingredients;
use crate::dns::{self, Name, Question, RecordType};
use crate::policy::{SPECIAL_DOMAINS, SPECIAL_RANGES, SpecialUse, default_networks};

/// The reverse zones of [`default_networks`].
const REVERSE_ZONES: &[&str] = &[
    "10.in-addr.arpa",
    "16.172.in-addr.arpa",
    "17.172.in-addr.arpa",
    "18.172.in-addr.arpa",
    "19.172.in-addr.arpa",
    "20.172.in-addr.arpa",
    "21.172.in-addr.arpa",
    "22.172.in-addr.arpa",
    "23.172.in-addr.arpa",
    "24.172.in-addr.arpa",
    "25.172.in-addr.arpa",
    "26.172.in-addr.arpa",
    "27.172.in-addr.arpa",
    "28.172.in-addr.arpa",
    "29.172.in-addr.arpa",
    "30.172.in-addr.arpa",
    "31.172.in-addr.arpa",
    "168.192.in-addr.arpa",
    "c.f.ip6.arpa",
    "d.f.ip6.arpa",
];

/// The routes to the network's servers, with the addresses that their names may have now.
pub fn home_routes(ingredients: &Ingredients) -> Vec<Route> {
    if ingredients.home.is_empty() {
        return Vec::new();
    }
    let networks = home_networks(ingredients);
    let with_networks = |route: &Route| {
        let mut route = route.clone();
        route.trust.networks.clone_from(&networks);
        route
    };
    ingredients.home.iter().map(with_networks).collect()
}

/// Private addresses, but none of this machine's own, none that the operator blocks, and none that always has to be named. The
/// latter would count as named where what is left between two others is as narrow as their range.
fn home_networks(ingredients: &Ingredients) -> Vec<IpNet> {
    let Ingredients { guard, own, .. } = ingredients;
    let own = own.iter().filter(|_| guard.own_addresses).map(|own: &IpAddr| IpNet::from(own.to_canonical()));
    let blocked = guard.block.iter().map(|(net, _)| *net);
    let sensitive = SPECIAL_RANGES.iter().filter(|range| range.never_implied);
    let sensitive = sensitive.filter_map(|range| range.net.parse().ok());
    own.chain(blocked).chain(sensitive).fold(default_networks(), |networks, out| {
        networks.into_iter().flat_map(|network| without(network, out)).collect()
    })
}

/// What is left of `network` without `out`.
fn without(network: IpNet, out: IpNet) -> Vec<IpNet> {
    if out.contains(&network) {
        return Vec::new();
    }
    let halves = network.contains(&out).then(|| network.subnets(network.prefix_len() + 1).ok()).flatten();
    match halves {
        Some(halves) => halves.flat_map(|half| without(half, out)).collect(),
        None => vec![network],
    }
}

/// Names in `domain`, one of the network's, that are answered here all the same.
pub(super) fn kept_from(domain: &Name) -> impl Iterator<Item = Name> {
    let kept = SPECIAL_DOMAINS.iter().filter(|special| special.answer == SpecialUse::NotPublic);
    let kept = kept.filter_map(|special| Name::from_text(special.domain).ok());
    kept.filter(move |special| special.as_ref().is_within(domain.as_ref()))
}

/// The reverse zones that the network's servers are asked for, unless one of `routes` is for them.
pub(super) fn reverse_zones(routes: &[Route]) -> impl Iterator<Item = Name> {
    let zones = REVERSE_ZONES.iter().filter_map(|zone| Name::from_text(zone).ok());
    zones.filter(|zone| !routes.iter().any(|route| zone.as_ref().is_within(route.trust.domain.as_ref())))
}

/// Whether the question is for the name of one address. Nothing else in a reverse zone is asked of the network: what browses
/// for services asks there too, and would take whatever it is told (RFC 6763 §11).
pub(super) fn is_for_pointer(question: &Question) -> bool {
    /// A label for each octet or each half of one, and those of the zone.
    const LABELS: [usize; 2] = [4 + 2, 32 + 2];
    question.rtype == RecordType::PTR
        && dns::reversed_net(question.name()).is_some_and(|net| net.prefix_len() == net.max_prefix_len())
        && LABELS.contains(&question.name().label_count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_network_holds_all_of_it_but_what_was_taken_out() {
        let net = |text: &str| -> IpNet { text.parse().unwrap() };
        for (network, out, left) in [
            ("192.168.0.0/30", "192.168.0.2/32", "192.168.0.0/31 192.168.0.3/32"),
            ("192.168.0.0/24", "192.168.0.0/16", ""),
            ("192.168.0.0/24", "192.168.0.0/24", ""),
            ("192.168.0.0/24", "10.0.0.1/32", "192.168.0.0/24"),
            ("fc00::/7", "10.0.0.1/32", "fc00::/7"),
            ("192.168.0.7/32", "192.168.0.7/32", ""),
        ] {
            let found: Vec<String> =
                without(net(network), net(out)).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), left, "{network} without {out}");
        }
        let left = without(net("fc00::/7"), net("fd00:ec2::254/128"));
        assert_eq!(left.len(), 121);
    }

    #[test]
    fn the_reverse_zones_are_those_of_private_addresses() {
        let nets: Vec<IpNet> =
            reverse_zones(&[]).map(|zone| dns::reversed_net(zone.as_ref()).unwrap()).collect();
        assert_eq!(IpNet::aggregate(&nets), IpNet::aggregate(&default_networks()));
    }
}
