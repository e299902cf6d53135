//! The exception that a block asks for: that name, those addresses, and nothing beside.

use std::net::IpAddr;

use ipnet::IpNet;

use super::Request;
use crate::dns::Name;
use crate::policy::Offer;

/// What the daemon held back last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastBlock {
    /// The name that was asked.
    pub name: Name,
    /// The inside addresses that were removed from the answer, and those within which they were hidden.
    pub addresses: Vec<IpAddr>,
    /// Who asked.
    pub client: IpAddr,
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
    #[error("{0} is no name of a host; if it is meant, write the [[exception]] by hand")]
    OddName(Name),
}

/// The preset that lets the name answer so, else the narrowest exception that lets the blocked answer pass: exactly the name,
/// each address alone. It holds for all clients, because clients change their addresses more often than names do.
///
/// Whoever wrote the page that was blocked chose the name: this is to be shown to a person, and never done unasked.
///
/// # Errors
/// Where there is no such exception.
pub fn propose(block: &LastBlock) -> Result<Request, NoProposal> {
    let offers = || {
        block.addresses.iter().filter_map(|address| Offer::of(block.name.as_ref(), address.to_canonical()))
    };
    if let Some(nothing) = offers().find(|offer| matches!(offer, Offer::Nothing(_))) {
        return Err(NoProposal::Otherwise(block.name.clone(), nothing.to_string()));
    }
    if offers().count() == block.addresses.len()
        && let Some(Offer::Preset(preset, own)) = offers().next()
    {
        let preset = Some(preset.name.to_owned());
        return Ok(Request { preset, domain: own.unwrap_or_default(), ..Request::default() });
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
    Ok(Request { domain, exact: true, networks, ..Request::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proposed(name: &str, addresses: &[&str]) -> Result<Request, NoProposal> {
        propose(&LastBlock {
            name: Name::from_text(name).unwrap(),
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            client: [192, 168, 1, 7].into(),
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
            ("ollama.example.org", &["127.0.0.1"], &["127.0.0.1/32"]),
        ] {
            let request = proposed(name, addresses).unwrap();
            assert_eq!((request.domain.as_str(), request.exact), (name.to_lowercase().as_str(), true));
            assert_eq!(request.networks, networks);
            assert_eq!((request.clients.len(), &request.until, &request.reason), (0, &None, &None));
            assert!(request.normal(0).is_some(), "{request:?}");
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
            let request = proposed(name, &[address]).unwrap();
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
