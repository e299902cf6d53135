//! The addresses to which a record leads a client.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::kind::RecordType;
use super::svcb::{Hint, Svcb};
use super::wire::{Malformed, NameBuf, Reader};

/// The part of a record an address or a name stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// The RDATA of this type.
    Rdata(RecordType),
    /// `ipv4hint` of an SVCB or HTTPS record.
    Ipv4Hint(RecordType),
    /// `ipv6hint` of an SVCB or HTTPS record.
    Ipv6Hint(RecordType),
    /// RDATA of another type that a stub reading only the low octet of TYPE takes for an address.
    LooksLikeAddress(RecordType),
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rdata(rtype) => rtype.fmt(f),
            Self::Ipv4Hint(rtype) => write!(f, "{rtype} ipv4hint"),
            Self::Ipv6Hint(rtype) => write!(f, "{rtype} ipv6hint"),
            Self::LooksLikeAddress(rtype) => write!(f, "{rtype} read as an address"),
        }
    }
}

/// Calls `found` with every address that RDATA of `rtype` carries. RDATA that does not follow its type's
/// format is an error; types without addresses are not read.
pub fn each_address(
    rtype: RecordType,
    rdata: &[u8],
    mut found: impl FnMut(Carrier, IpAddr),
) -> Result<(), Malformed> {
    let carrier = Carrier::Rdata(rtype);
    let mut reader = Reader::new(rdata, 0);
    match rtype {
        RecordType::A => found(carrier, v4(rdata)?),
        RecordType::AAAA => found(carrier, v6(rdata)?),
        RecordType::SVCB | RecordType::HTTPS => {
            for (hint, address) in Svcb::parse(rdata)?.hints() {
                match hint {
                    Hint::Ipv4 => found(Carrier::Ipv4Hint(rtype), address),
                    Hint::Ipv6 => found(Carrier::Ipv6Hint(rtype), address),
                }
            }
        }
        RecordType::WKS => found(carrier, v4(reader.take(4)?)?),
        RecordType::A6 => found(carrier, a6(&mut reader)?),
        RecordType::APL => each_prefix(&mut reader, |address| found(carrier, address))?,
        RecordType::L32 => {
            reader.u16()?;
            found(carrier, v4(reader.take(rdata.len().saturating_sub(2))?)?);
        }
        RecordType::L64 => {
            reader.u16()?;
            let locator: [u8; 8] =
                reader.take(rdata.len().saturating_sub(2))?.try_into().map_err(|_| Malformed)?;
            found(carrier, IpAddr::from(Ipv6Addr::from(u128::from(u64::from_be_bytes(locator)) << 64)));
        }
        RecordType::IPSECKEY => {
            reader.u8()?;
            let kind = reader.u8()?;
            reader.u8()?;
            gateway(kind, &mut reader, |address| found(carrier, address))?;
        }
        RecordType::AMTRELAY => {
            reader.u8()?;
            let kind = reader.u8()? & 0x7f;
            gateway(kind, &mut reader, |address| found(carrier, address))?;
        }
        RecordType(number) => match (number.to_be_bytes(), rdata.len()) {
            ([_, 1], 4) => found(Carrier::LooksLikeAddress(rtype), v4(rdata)?),
            ([_, 28], 16) => found(Carrier::LooksLikeAddress(rtype), v6(rdata)?),
            _ => {}
        },
    }
    Ok(())
}

fn v4(octets: &[u8]) -> Result<IpAddr, Malformed> {
    let octets: [u8; 4] = octets.try_into().map_err(|_| Malformed)?;
    Ok(Ipv4Addr::from(octets).into())
}

fn v6(octets: &[u8]) -> Result<IpAddr, Malformed> {
    let octets: [u8; 16] = octets.try_into().map_err(|_| Malformed)?;
    Ok(Ipv6Addr::from(octets).into())
}

/// A prefix length and the bits after it (RFC 2874 §3.1.1).
fn a6(reader: &mut Reader<'_>) -> Result<IpAddr, Malformed> {
    let prefix = usize::from(reader.u8()?);
    let suffix = 16usize.checked_sub(prefix / 8).filter(|_| prefix <= 128).ok_or(Malformed)?;
    let mut octets = [0; 16];
    octets.get_mut(16 - suffix..).ok_or(Malformed)?.copy_from_slice(reader.take(suffix)?);
    v6(&octets)
}

/// Address family, prefix, and the octets that are not zero at the end (RFC 3123 §4).
fn each_prefix(reader: &mut Reader<'_>, mut found: impl FnMut(IpAddr)) -> Result<(), Malformed> {
    while !reader.is_at_end() {
        let family = reader.u16()?;
        reader.u8()?;
        let length = usize::from(reader.u8()? & 0x7f);
        let part = reader.take(length)?;
        let mut octets = [0; 16];
        octets.get_mut(..length).ok_or(Malformed)?.copy_from_slice(part);
        match family {
            1 if length <= 4 => found(v4(octets.get(..4).ok_or(Malformed)?)?),
            2 => found(v6(&octets)?),
            1 => return Err(Malformed),
            _ => {}
        }
    }
    Ok(())
}

/// The gateway or relay field of IPSECKEY (RFC 4025 §2.5) and AMTRELAY (RFC 8777 §4.2.4).
fn gateway(kind: u8, reader: &mut Reader<'_>, mut found: impl FnMut(IpAddr)) -> Result<(), Malformed> {
    match kind {
        1 => found(v4(reader.take(4)?)?),
        2 => found(v6(reader.take(16)?)?),
        3 => reader.name(&mut NameBuf::new())?,
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(rtype: u16, rdata: &[u8]) -> Option<Vec<String>> {
        let mut all = Vec::new();
        each_address(RecordType(rtype), rdata, |_, address| all.push(address.to_string())).ok()?;
        Some(all)
    }

    #[test]
    fn every_type_that_carries_an_address_gives_it_up() {
        let loopback6 = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        let gateway6 = [&[10, 2, 0][..], &loopback6].concat();
        let relay6 = [&[10, 0x82][..], &loopback6].concat();
        for (rtype, rdata, expected) in [
            (1, &[127, 0, 0, 1][..], &["127.0.0.1"][..]),
            (28, &loopback6, &["::1"]),
            (11, &[10, 0, 0, 1, 6, 0x80], &["10.0.0.1"]),
            (38, &[&[0][..], &loopback6].concat(), &["::1"]),
            (38, &[64, 0, 0, 0, 0, 0, 0, 0, 1, 1, b'a', 0], &["::1"]),
            (42, &[0, 1, 8, 1, 10, 0, 2, 7, 1, 0xfc], &["10.0.0.0", "fc00::"]),
            (105, &[0, 10, 10, 0, 0, 1], &["10.0.0.1"]),
            (106, &[0, 10, 0xfe, 0x80, 0, 0, 0, 0, 0, 0], &["fe80::"]),
            (45, &[10, 1, 2, 192, 168, 0, 1, 1, 2], &["192.168.0.1"]),
            (45, &gateway6, &["::1"]),
            (260, &[10, 1, 10, 0, 0, 1], &["10.0.0.1"]),
            (260, &relay6, &["::1"]),
            (257, &[127, 0, 0, 1], &["127.0.0.1"]),
            (65281, &[10, 0, 0, 1], &["10.0.0.1"]),
            (65308, &loopback6, &["::1"]),
            (257, b"\0\x05issueca.example", &[]),
            (16, b"\x0410.1", &[]),
        ] {
            let found = addresses(rtype, rdata).unwrap_or_else(|| panic!("type {rtype} {rdata:?}"));
            assert_eq!(found, expected, "type {rtype} {rdata:?}");
        }
    }

    #[test]
    fn wrong_lengths_are_malformed() {
        for (rtype, rdata) in [
            (1, &[127, 0, 0, 1, 0][..]),
            (1, &[127, 0, 0]),
            (1, &[0; 16]),
            (28, &[0; 4]),
            (38, &[129, 0]),
            (42, &[0, 1, 8, 5, 1, 2, 3, 4, 5]),
            (42, &[0, 1, 8, 9, 1]),
            (105, &[0, 10, 10, 0, 0]),
            (45, &[10, 1, 2, 192, 168]),
        ] {
            assert_eq!(addresses(rtype, rdata), None, "type {rtype} {rdata:?}");
        }
    }
}
