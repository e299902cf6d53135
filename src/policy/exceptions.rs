//! Exceptions: found by the QNAME's labels, each limited to networks, and optionally to clients, a time, a shape of name.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::quality::RandomState;
use ipnet::IpNet;

use super::blocked::{BlockedRange, BlockedRanges};
use super::presets::Service;
use super::settings::{Exception, Origin, Shape};
use crate::dns::{Ancestors, Name, NameRef, Spelling, each_spelled_address, is_dnsbl_shaped};

/// The exceptions by domain.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    by_domain: HashMap<Name, Vec<Exception>, RandomState>,
    above: Ancestors,
}

impl Exceptions {
    pub(super) fn new(all: impl IntoIterator<Item = Exception>) -> Self {
        let mut exceptions = Self::default();
        for exception in all {
            exceptions.above.add(&exception.domain, false);
            exceptions.by_domain.entry(exception.domain.clone()).or_default().push(exception);
        }
        exceptions
    }

    pub(super) fn len(&self) -> usize {
        self.by_domain.values().map(Vec::len).sum()
    }

    /// The exceptions whose domain `name` is or lies below, the narrowest first, whatever the client and the time.
    /// `name` is lower-cased.
    pub(super) fn of_name<'a>(&'a self, name: NameRef<'_>) -> impl Iterator<Item = &'a Exception> {
        name.ancestors()
            .filter_map(|ancestor| self.by_domain.get(ancestor.as_wire()))
            .flatten()
            .filter(move |exception| !exception.exact || exception.domain.as_ref().same(name))
    }

    /// An exception's domain below `domain`, with its origin, whatever the client and the time. `domain` is lower-cased.
    pub(super) fn find_below(&self, domain: NameRef<'_>) -> Option<(&Name, &Origin)> {
        let (name, all) = self.by_domain.get_key_value(self.above.find(domain)?)?;
        Some((name, &all.first()?.origin))
    }
}

/// The exception holds for this client at this time.
pub(super) fn is_active(exception: &Exception, client: IpAddr, now: i64) -> bool {
    let in_time = exception.until.is_none_or(|until| now < until);
    in_time && (exception.clients.is_empty() || exception.clients.iter().any(|net| net.contains(&client)))
}

/// An exception with what it makes of one name. The name is read once, however many addresses are asked about.
pub(super) struct Reading<'a> {
    pub(super) exception: &'a Exception,
    /// With `address-in-name`: the addresses that the name spells.
    spelled: Vec<IpAddr>,
}

impl<'a> Reading<'a> {
    /// `None` if the exception is for names of another shape.
    pub(super) fn new(exception: &'a Exception, name: NameRef<'_>, ranges: &BlockedRanges) -> Option<Self> {
        let domain = exception.domain.as_ref();
        let spelled = match exception.shape {
            Shape::AddressInName => spelled_addresses(name, domain, |spelled| ranges.keeps_inside(spelled)),
            Shape::Dnsbl if !is_dnsbl_shaped(name, domain) => return None,
            Shape::Dnsbl | Shape::Any => Vec::new(),
        };
        Some(Self { exception, spelled })
    }

    /// The exception lets the name answer with `address`, which `range` blocks.
    pub(super) fn covers(&self, address: IpAddr, range: &BlockedRange) -> bool {
        networks_cover(&self.exception.networks, address, range)
            && match self.exception.shape {
                Shape::Any => true,
                Shape::AddressInName => self.spelled.contains(&address),
                Shape::Dnsbl => address != IpAddr::V4(Ipv4Addr::LOCALHOST),
            }
    }
}

/// One of `networks` holds `address`. A range that is never implied has to be named: by a network within it.
pub(super) fn networks_cover(networks: &[IpNet], address: IpAddr, range: &BlockedRange) -> bool {
    networks.iter().any(|net| net.contains(&address) && (!range.never_implied || range.net.contains(net)))
}

/// The addresses that `name` spells to the left of `domain`; none if it may also spell one that `may_be` does not accept.
///
/// Services differ in which of two addresses they take, and may take a different one for each family. So one address that is
/// not inside voids the name: it could be an attacker's, and the page would load from there first.
pub(super) fn spelled_addresses(
    name: NameRef<'_>,
    domain: NameRef<'_>,
    may_be: impl Fn(IpAddr) -> bool,
) -> Vec<IpAddr> {
    let (service, mut plain, mut all_may_be) = (Service::of(domain), Vec::new(), true);
    let is_readable = each_spelled_address(name, service.domain, service.has_hash, |spelled, spelling| {
        plain.extend((spelling == Spelling::Plain).then_some(spelled));
        all_may_be &= may_be(spelled);
    });
    if is_readable && all_may_be { plain } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::GuardSettings;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    fn spells(name: NameRef<'_>, domain: NameRef<'_>, address: IpAddr, ranges: &BlockedRanges) -> bool {
        spelled_addresses(name, domain, |spelled| ranges.keeps_inside(spelled)).contains(&address)
    }

    #[test]
    fn an_address_is_spelled_in_a_name_or_it_is_not() {
        let ranges = BlockedRanges::compile(&GuardSettings::default(), &[], &[]);
        for (question, address, spelled) in [
            ("192-168-1-20.0123456789abcdef.ip.example", "192.168.1.20", true),
            ("192-168-1-20.ip.example", "192.168.1.21", false),
            ("app.10.0.0.1.ip.example", "10.0.0.1", true),
            ("app-10-0-0-1.ip.example", "10.0.0.1", true),
            ("10-0-0-1-app.ip.example", "10.0.0.1", true),
            ("www-2606-4700-0-0-0-0-0-1111.192-168-1-1.ip.example", "192.168.1.1", false),
            ("app-8.8.8.8.fd00--1.ip.example", "fd00::1", false),
            ("08080808-app.10-0-0-1.ip.example", "10.0.0.1", false),
            ("08-8-8-8.10-0-0-1.ip.example", "10.0.0.1", false),
            ("110-0-0-1.ip.example", "10.0.0.1", false),
            ("10-0-0-10.ip.example", "10.0.0.1", false),
            ("010-0-0-1.ip.example", "10.0.0.1", false),
            ("c0a80114.ip.example", "192.168.1.20", true),
            ("app-c0a80114.ip.example", "192.168.1.20", true),
            ("xc0a80114.ip.example", "192.168.1.20", false),
            ("fd00--1.ip.example", "fd00::1", true),
            ("fd00--2.ip.example", "fd00::1", false),
            ("0--1.ip.example", "::1", true),
            ("2001-db8-0-0-0-0-0-1.ip.example", "2001:db8::1", true),
            ("192-168-1-1._acme-challenge.1-2-3-4.ip.example", "192.168.1.1", false),
            ("10-0-0-1.evil.example", "10.0.0.2", false),
            ("10-0-0-1.x.10-0-0-2.ip.example", "10.0.0.2", true),
            ("10-0-0-1.1-2-3-4.ip.example", "10.0.0.1", false),
            ("1.10.0.0.1.ip.example", "10.0.0.1", false),
            ("fd00-0-0-0-0-0-0-5.ip.example", "fd00::5", true),
            ("fd00-1-2-3-4-0-0-5.ip.example", "fd00:1:2:3:4::5", false),
            ("10-0-0-1.2606-4700--1111.ip.example", "10.0.0.1", false),
            ("ip.example", "10.0.0.1", false),
            // A name that is not a host name may be delegated or misread.
            ("0102_acme-challenge.0304.c0a80101.ip.example", "192.168.1.1", false),
            ("x_acme-challenge.192-168-1-1.ip.example", "192.168.1.1", false),
            ("_dmarc.192-168-1-1.ip.example", "192.168.1.1", false),
            ("192-168-1-1_x.192-168-1-1.ip.example", "192.168.1.1", false),
            (r"1\.2\.3\.4.192-168-1-1.ip.example", "192.168.1.1", false),
            (r"x\032y.192-168-1-1.ip.example", "192.168.1.1", false),
            (r"\195\169.192-168-1-1.ip.example", "192.168.1.1", false),
            // 32 hexadecimal digits are an IPv6 address.
            ("20010db8000000000000000000000001.ip.example", "2001:db8::1", true),
            ("fd000000000000000000000000000001.ip.example", "fd00::1", true),
            ("26064700470000000000000000001111.127-0-0-1.ip.example", "127.0.0.1", false),
            ("127-0-0-1.26064700470000000000000000001111.ip.example", "127.0.0.1", false),
            ("127-0-0-1.2606470047000000000000000000111.ip.example", "127.0.0.1", true),
            // An IPv6 address around an IPv4 one, and one that reaches an IPv4 address outside.
            ("2606-4700--10.0.0.1.ip.example", "10.0.0.1", false),
            ("--ffff-1.2.3.4.10-0-0-1.ip.example", "10.0.0.1", false),
            ("0-0-0-0-0-ffff-102-304.10-0-0-1.ip.example", "10.0.0.1", false),
            ("64-ff9b--102-304.10-0-0-1.ip.example", "10.0.0.1", false),
            ("64-ff9b--a00-1.10-0-0-1.ip.example", "10.0.0.1", false),
            ("2002-102-304--1.10-0-0-1.ip.example", "10.0.0.1", false),
            ("--102-304.10-0-0-1.ip.example", "10.0.0.1", false),
            // Mixed dots and dashes, as older servers read them; a number that may be octal.
            ("1-2.3-4.ip.example", "1.2.3.4", false),
            ("10-0.0-1.ip.example", "10.0.0.1", false),
            ("10-0-0-1.1-2.3-4.ip.example", "10.0.0.1", false),
            ("10-0-0-1.2-3.4.ip.example", "10.0.0.1", false),
            ("1-2.3-4.x.10-0-0-1.ip.example", "10.0.0.1", false),
            ("10-0-0-1.x-1-2.3-4.ip.example", "10.0.0.1", false),
            ("node-1.192-168-1-10.ip.example", "192.168.1.10", true),
            ("node-1-192-168-1-10.ip.example", "192.168.1.10", false),
            ("10-0-0-1.10-0-0-2.ip.example", "10.0.0.2", true),
            ("010-0-0-1.x.10-0-0-1.ip.example", "10.0.0.1", false),
            // The domain in the middle of the name; labels that run into the domain.
            ("1-2-3-4xip.example.10-0-0-1.ip.example", "10.0.0.1", false),
            ("10-0-0-1.ip.example.10-0-0-1.ip.example", "10.0.0.1", false),
            ("10-0-0-1.IP.EXAMPLE", "10.0.0.1", true),
        ] {
            let domain = name("ip.example");
            let address: IpAddr = address.parse().unwrap();
            assert_eq!(
                spells(name(question).as_ref(), domain.as_ref(), address, &ranges),
                spelled,
                "{question} {address}"
            );
        }
    }

    #[test]
    fn an_exception_for_part_of_a_service_reads_names_as_the_service_does() {
        const HASH: &str = "26064700470000000000000000001111";
        let ranges = BlockedRanges::compile(&GuardSettings::default(), &[], &[]);
        for (question, domain, spelled) in [
            ("10-0-0-1.{hash}.plex.direct", "plex.direct", true),
            ("10-0-0-1.{hash}.PLEX.direct", "plex.direct", true),
            ("10-0-0-1.{hash}.plex.direct", "{hash}.plex.direct", true),
            ("10-0-0-1.{hash}.x.plex.direct", "plex.direct", false),
            ("{hash}.10-0-0-1.x.plex.direct", "plex.direct", false),
            ("10-0-0-1.{hash}.evil.example", "evil.example", false),
            ("10-0-0-1.{hash}.nip.io", "nip.io", false),
            ("app.10.0.0.1.nip.io", "10.0.0.1.nip.io", true),
            ("app.10.0.0.1.nip.io", "1.nip.io", true),
            ("1-2-3-4.10-0-0-1.nip.io", "10-0-0-1.nip.io", false),
            ("10-0-0-1.1-2-3-4.nip.io", "1-2-3-4.nip.io", false),
            ("10-0-0-1.1.2.3.4.evil.example", "2.3.4.evil.example", false),
            ("10-0-0-1.x.1.2.3.4.evil.example", "1.2.3.4.evil.example", true),
        ] {
            let [question, domain] = [question, domain].map(|text| name(&text.replace("{hash}", HASH)));
            let address: IpAddr = "10.0.0.1".parse().unwrap();
            let found = spells(question.as_ref(), domain.as_ref(), address, &ranges);
            assert_eq!(found, spelled, "{question} of {domain}");
        }
    }
}
