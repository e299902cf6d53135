//! Reverse names, and the networks that they are about.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use super::name::NameRef;

/// The network a name of `in-addr.arpa` or `ip6.arpa` is about: as many bits as it has labels.
pub fn reversed_net(name: NameRef<'_>) -> Option<IpNet> {
    let labels: Vec<&[u8]> = name.labels().collect();
    let (arpa, rest) = labels.split_last()?;
    let (family, rest) = rest.split_last()?;
    if !arpa.eq_ignore_ascii_case(b"arpa") {
        return None;
    }
    if family.eq_ignore_ascii_case(b"in-addr") {
        let octets: Vec<u8> = rest.iter().rev().map_while(|label| decimal_octet(label)).take(4).collect();
        let bits = octets.iter().fold(0u32, |bits, octet| bits << 8 | u32::from(*octet));
        let length = u8::try_from(octets.len() * 8).ok().filter(|length| *length > 0)?;
        return IpNet::new(IpAddr::from(Ipv4Addr::from(bits << (32 - u32::from(length)))), length).ok();
    }
    if family.eq_ignore_ascii_case(b"ip6") {
        let nibbles: Vec<u8> = rest.iter().rev().map_while(|label| hex_digit(label)).take(32).collect();
        let bits = nibbles.iter().fold(0u128, |bits, nibble| bits << 4 | u128::from(*nibble));
        let length = u8::try_from(nibbles.len() * 4).ok().filter(|length| *length > 0)?;
        return IpNet::new(IpAddr::from(Ipv6Addr::from(bits << (128 - u32::from(length)))), length).ok();
    }
    None
}

fn decimal_octet(label: &[u8]) -> Option<u8> {
    std::str::from_utf8(label)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

fn hex_digit(label: &[u8]) -> Option<u8> {
    match label {
        [digit] => char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok()),
        _ => None,
    }
}
