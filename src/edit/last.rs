//! The exception that a block asks for: that name, those addresses, and nothing beside.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Request;
use crate::dns::Name;
use crate::policy::{Offer, Shape, range_to_name};

/// What the daemon held back last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBlock {
    /// The name that was asked.
    pub name: Name,
    /// The inside addresses that were removed from the answer, and those within which they were hidden.
    pub addresses: Vec<IpAddr>,
    /// The addresses of the host that the daemon runs on.
    pub own: Vec<IpAddr>,
}

/// The exception that a block asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The exception.
    pub request: Request,
    /// The addresses that a person has to write, each with its range: what listens there trusts whoever reaches it. Without
    /// any, it is enough that a person agrees.
    pub to_name: Vec<(IpAddr, &'static str)>,
}

/// Why nothing is proposed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoProposal {
    /// An alias or a port was the reason, for which there is no exception.
    #[error("{0} was not blocked for an address: `stubborn explain {0}` says what for")]
    NoAddress(Name),
    /// By a preset, the name does not answer so.
    #[error("{0}: {1}")]
    Otherwise(Name, String),
    /// The name is not one that anybody writes.
    #[error("{0} is not a host name; if it is meant, write the [[exception]] by hand")]
    OddName(Name),
}

/// The preset that lets the name answer so, else the narrowest exception that lets the blocked answer pass: exactly the name,
/// each address alone. It holds for all clients, because clients change their addresses more often than names do.
///
/// The author of the page that was blocked chose the name: this is to be shown to a person, and never done unasked. A preset
/// for block lists opens no address that anybody connects to; any other that was blocked for loopback has to be named too.
///
/// # Errors
/// Where there is no such exception.
pub fn propose(block: &LastBlock) -> Result<Proposal, NoProposal> {
    let offers = || {
        block.addresses.iter().filter_map(|address| Offer::of(block.name.as_ref(), address.to_canonical()))
    };
    if let Some(nothing) = offers().find(|offer| matches!(offer, Offer::Nothing(_))) {
        return Err(NoProposal::Otherwise(block.name.clone(), nothing.to_string()));
    }
    if offers().count() == block.addresses.len()
        && let Some(Offer::Preset(preset, own)) = offers().next()
    {
        let to_name = if preset.shape == Shape::Dnsbl { Vec::new() } else { to_name(&block.addresses, &[]) };
        let preset = Some(preset.name.to_owned());
        let request = Request { preset, domain: own.unwrap_or_default(), ..Request::default() };
        return Ok(Proposal { request, to_name });
    }
    let Some(domain) = block.name.as_ref().as_word() else {
        return Err(NoProposal::OddName(block.name.clone()));
    };
    let mut networks: Vec<String> = Vec::new();
    for address in &block.addresses {
        // An exception names the IPv4 address, not the IPv6 one it is mapped to.
        let network = IpNet::from(address.to_canonical()).to_string();
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    if networks.is_empty() {
        return Err(NoProposal::NoAddress(block.name.clone()));
    }
    let request = Request { domain, exact: true, networks, ..Request::default() };
    Ok(Proposal { request, to_name: to_name(&block.addresses, &block.own) })
}

fn to_name(addresses: &[IpAddr], own: &[IpAddr]) -> Vec<(IpAddr, &'static str)> {
    let is_own = |address: &IpAddr| own.contains(&address.to_canonical());
    let range = |address: &IpAddr| {
        range_to_name(*address).or_else(|| is_own(address).then_some("an address of this host"))
    };
    addresses.iter().filter_map(|address| Some((*address, range(address)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(name: &str, addresses: &[&str]) -> Result<Proposal, NoProposal> {
        propose(&LastBlock {
            name: Name::from_text(name).unwrap(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            own: vec!["192.168.1.99".parse().unwrap(), "2001:db8::99".parse().unwrap()],
        })
    }

    #[test]
    fn a_block_asks_for_its_name_and_its_addresses_alone() {
        for (name, addresses, networks) in [
            ("NAS.example.org", &["192.168.1.20"][..], &["192.168.1.20/32"][..]),
            ("nas.example.org", &["fd00::1", "10.0.0.1"], &["fd00::1/128", "10.0.0.1/32"]),
            ("nas.example.org", &["10.0.0.1", "10.0.0.1"], &["10.0.0.1/32"]),
            ("nas.example.org", &["10.0.0.1", "64:ff9b::10.0.0.1"], &["10.0.0.1/32", "64:ff9b::a00:1/128"]),
            ("nas.example.org", &["::ffff:10.0.0.1"], &["10.0.0.1/32"]),
        ] {
            let Proposal { request, to_name } = proposed(name, addresses).unwrap();
            assert_eq!(to_name, [], "{name}");
            assert_eq!((request.domain.as_str(), request.exact), (name.to_lowercase().as_str(), true));
            assert_eq!(request.networks, networks);
            assert_eq!((request.clients.len(), &request.until, &request.reason), (0, &None, &None));
            assert!(request.normal(0).is_ok(), "{request:?}");
        }
    }

    #[test]
    fn what_trusts_everybody_who_reaches_it_has_to_be_named_by_a_person() {
        let name = "ollama.example.org";
        for (name, addresses, expected) in [
            (name, &["127.0.0.1"][..], &["127.0.0.1 loopback"][..]),
            (name, &["127.8.9.10"], &["127.8.9.10 loopback"]),
            (name, &["::1"], &["::1 loopback"]),
            (name, &["0.0.0.0"], &["0.0.0.0 unspecified"]),
            (name, &["0.1.2.3"], &["0.1.2.3 this-network"]),
            (name, &["::"], &[":: unspecified"]),
            (name, &["169.254.7.7"], &["169.254.7.7 link-local"]),
            (name, &["fe80::1"], &["fe80::1 link-local"]),
            (name, &["169.254.169.254"], &["169.254.169.254 cloud-metadata"]),
            (name, &["100.100.100.200"], &["100.100.100.200 cloud-metadata"]),
            (name, &["fd00:ec2::254"], &["fd00:ec2::254 cloud-metadata"]),
            (name, &["::ffff:127.0.0.1"], &["::ffff:127.0.0.1 loopback"]),
            (name, &["64:ff9b::127.0.0.1"], &["64:ff9b::7f00:1 loopback"]),
            (name, &["2002:7f00:1::"], &["2002:7f00:1:: loopback"]),
            (name, &["192.168.1.99"], &["192.168.1.99 an address of this host"]),
            (name, &["::ffff:192.168.1.99"], &["::ffff:192.168.1.99 an address of this host"]),
            (name, &["2001:db8::99"], &["2001:db8::99 an address of this host"]),
            (name, &["10.0.0.1", "127.0.0.1"], &["127.0.0.1 loopback"]),
            ("127.0.0.1.nip.io", &["127.0.0.1"], &["127.0.0.1 loopback"]),
            ("app.lvh.me", &["127.0.0.1"], &["127.0.0.1 loopback"]),
            ("2.0.0.127.zen.spamhaus.org", &["127.0.0.2"], &[]),
            ("10.0.0.1.nip.io", &["10.0.0.1"], &[]),
        ] {
            let Proposal { to_name, .. } = proposed(name, addresses).unwrap();
            let to_name: Vec<String> =
                to_name.iter().map(|(address, range)| format!("{address} {range}")).collect();
            assert_eq!(to_name, expected, "{name} {addresses:?}");
        }
    }

    #[test]
    fn a_preset_is_proposed_if_it_lets_the_answer_pass() {
        for (name, address, preset, domain) in [
            ("2.0.0.127.zen.spamhaus.org", "127.0.0.2", "dnsbl", ""),
            ("10-0-0-1.abc.plex.direct", "10.0.0.1", "plex", ""),
            ("10-0-0-1.abc.plex.direct", "::ffff:10.0.0.1", "plex", ""),
            ("nas.remotewd.com", "192.168.1.1", "wd-mycloud", "nas.remotewd.com"),
        ] {
            let request = proposed(name, &[address]).unwrap().request;
            assert_eq!((request.preset.as_deref(), request.domain.as_str()), (Some(preset), domain));
            assert!(request.networks.is_empty() && !request.exact);
        }
        for (name, addresses) in [
            ("10-0-0-1.x.plex.direct", &["127.0.0.1"][..]),
            ("10-0-0-1.x.plex.direct", &["10.0.0.1", "127.0.0.1"]),
            ("2.0.0.127.zen.spamhaus.org", &["127.0.0.1"]),
        ] {
            assert!(matches!(proposed(name, addresses), Err(NoProposal::Otherwise(..))), "{name}");
        }
    }

    #[test]
    fn nothing_is_proposed_for_what_no_exception_lets_through() {
        let none: &[&str] = &[];
        assert!(matches!(proposed("nas.example.org", none), Err(NoProposal::NoAddress(_))));
        for odd in [r"a\032b.example", "-rf.example", r"$(reboot).example", "*.example"] {
            assert!(matches!(proposed(odd, &["10.0.0.1"]), Err(NoProposal::OddName(_))), "{odd}");
        }
    }
}
