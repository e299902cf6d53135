//! SVCB and HTTPS RDATA, read strictly (RFC 9460 §2.2): an error in it makes the record unusable.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::name::NameRef;
use super::wire::{Malformed, NameBuf, Reader};

/// SvcParamKey numbers (RFC 9460 §14.3.2).
const MANDATORY: u16 = 0;
const ALPN: u16 = 1;
const NO_DEFAULT_ALPN: u16 = 2;
const PORT: u16 = 3;
const IPV4_HINT: u16 = 4;
const IPV6_HINT: u16 = 6;

/// Checked SVCB RDATA.
#[derive(Clone, Copy)]
pub struct Svcb<'a> {
    rdata: &'a [u8],
    target: &'a [u8],
    params: &'a [u8],
}

/// Which hint an address stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `ipv4hint`
    Ipv4,
    /// `ipv6hint`
    Ipv6,
}

impl<'a> Svcb<'a> {
    /// Checks RDATA whose TargetName is, as it must be, uncompressed.
    pub fn parse(rdata: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(rdata, 0);
        reader.u16()?;
        let mut target = NameBuf::new();
        reader.name(&mut target)?;
        let end = reader.position();
        let svcb = Self {
            rdata,
            target: rdata.get(2..end).ok_or(Malformed)?,
            params: rdata.get(end..).ok_or(Malformed)?,
        };
        // A pointer would make the name on the wire shorter than the name it stands for.
        if svcb.target.len() != target.as_name().as_wire().len() {
            return Err(Malformed);
        }
        svcb.check_params()?;
        Ok(svcb)
    }

    /// SvcPriority (RFC 9460 §2.4.1).
    pub(super) fn priority(&self) -> u16 {
        self.rdata.first_chunk().map_or(0, |octets| u16::from_be_bytes(*octets))
    }

    /// The parameters, each with its key's number.
    pub(super) fn params(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        params(self.params).flatten()
    }

    /// The TargetName; the root stands for the owner (RFC 9460 §2.5).
    pub fn target(&self) -> NameRef<'a> {
        NameRef::from_checked(self.target)
    }

    /// The port the client is sent to.
    pub fn port(&self) -> Option<u16> {
        let (_, value) = params(self.params).flatten().find(|(key, _)| *key == PORT)?;
        Some(u16::from_be_bytes(value.try_into().ok()?))
    }

    /// Every address of the hints.
    pub fn hints(&self) -> impl Iterator<Item = (Hint, IpAddr)> + 'a {
        params(self.params).flatten().flat_map(|(key, value)| hint_addresses(key, value))
    }

    /// The RDATA without the hint addresses that `keep` refuses; `None` when a parameter that clients must
    /// understand would be gone.
    pub fn without_hints(&self, keep: impl Fn(IpAddr) -> bool) -> Option<Vec<u8>> {
        let mut out = self.rdata.get(..2 + self.target.len())?.to_vec();
        for (key, value) in params(self.params).flatten() {
            let kept: Vec<u8> = match key {
                IPV4_HINT | IPV6_HINT => hint_addresses(key, value)
                    .filter(|(_, address)| keep(*address))
                    .flat_map(|(_, address)| octets(address))
                    .collect(),
                _ => value.to_vec(),
            };
            let is_hint = matches!(key, IPV4_HINT | IPV6_HINT);
            if is_hint && kept.is_empty() {
                if self.is_mandatory(key) {
                    return None;
                }
                continue;
            }
            out.extend_from_slice(&key.to_be_bytes());
            out.extend_from_slice(&u16::try_from(kept.len()).ok()?.to_be_bytes());
            out.extend_from_slice(&kept);
        }
        Some(out)
    }

    fn is_mandatory(&self, key: u16) -> bool {
        params(self.params)
            .flatten()
            .filter(|(listed, _)| *listed == MANDATORY)
            .any(|(_, value)| value.chunks_exact(2).any(|listed| listed == key.to_be_bytes()))
    }

    fn check_params(&self) -> Result<(), Malformed> {
        let mut last = None;
        for param in params(self.params) {
            let (key, value) = param?;
            // "SvcParamKeys SHALL appear in increasing numeric order" and once (§2.2).
            if last.is_some_and(|last| key <= last) {
                return Err(Malformed);
            }
            last = Some(key);
            check_value(key, value)?;
        }
        // "Any SvcParamKey listed in mandatory … that is not present makes the record malformed" (§8).
        let present =
            |listed: &[u8]| params(self.params).flatten().any(|(key, _)| key.to_be_bytes() == *listed);
        let mandatory = params(self.params).flatten().find(|(key, _)| *key == MANDATORY);
        match mandatory {
            Some((_, value)) if !value.chunks(2).all(present) => Err(Malformed),
            _ => Ok(()),
        }
    }
}

/// The length rules of the keys whose value a client acts on (§7, §8).
fn check_value(key: u16, value: &[u8]) -> Result<(), Malformed> {
    let fits = match key {
        MANDATORY => {
            let keys: Vec<&[u8]> = value.chunks(2).collect();
            !value.is_empty()
                && value.len().is_multiple_of(2)
                && keys.windows(2).all(|pair| pair.first() < pair.last())
                && !keys.contains(&&[0u8, 0][..])
        }
        ALPN => is_alpn_list(value),
        NO_DEFAULT_ALPN => value.is_empty(),
        PORT => value.len() == 2,
        IPV4_HINT => !value.is_empty() && value.len().is_multiple_of(4),
        IPV6_HINT => !value.is_empty() && value.len().is_multiple_of(16),
        _ => true,
    };
    if fits { Ok(()) } else { Err(Malformed) }
}

fn is_alpn_list(value: &[u8]) -> bool {
    let mut reader = Reader::new(value, 0);
    let mut seen = false;
    while !reader.is_at_end() {
        match reader.u8().and_then(|length| reader.take(usize::from(length))) {
            Ok(id) if !id.is_empty() => seen = true,
            _ => return false,
        }
    }
    seen
}

fn params(octets: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), Malformed>> {
    let mut reader = Reader::new(octets, 0);
    std::iter::from_fn(move || {
        if reader.is_at_end() {
            return None;
        }
        let mut next = || {
            let key = reader.u16()?;
            let length = usize::from(reader.u16()?);
            Ok((key, reader.take(length)?))
        };
        let param = next();
        if param.is_err() {
            reader = Reader::new(&[], 0);
        }
        Some(param)
    })
}

fn hint_addresses(key: u16, value: &[u8]) -> impl Iterator<Item = (Hint, IpAddr)> {
    let v4 = value.chunks_exact(4).filter(move |_| key == IPV4_HINT).filter_map(|octets| {
        let octets: [u8; 4] = octets.try_into().ok()?;
        Some((Hint::Ipv4, IpAddr::from(Ipv4Addr::from(octets))))
    });
    let v6 = value.chunks_exact(16).filter(move |_| key == IPV6_HINT).filter_map(|octets| {
        let octets: [u8; 16] = octets.try_into().ok()?;
        Some((Hint::Ipv6, IpAddr::from(Ipv6Addr::from(octets))))
    });
    v4.chain(v6)
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(key: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&key.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
    }

    fn rdata(target: &[u8], params: &[Vec<u8>]) -> Vec<u8> {
        [&[0, 1][..], target, &params.concat()].concat()
    }

    #[test]
    fn malformed_parameters_make_the_record_unusable() {
        let v4 = [1, 1, 1, 1];
        for (what, target, params) in [
            ("no root", &b"\x01a"[..], vec![]),
            ("compressed target", &b"\xc0\x00"[..], vec![]),
            ("keys out of order", b"\0", vec![param(4, &v4), param(1, b"\x02h2")]),
            ("key twice", b"\0", vec![param(4, &v4), param(4, &v4)]),
            ("ipv4hint of 5", b"\0", vec![param(4, &[1, 1, 1, 1, 1])]),
            ("ipv4hint empty", b"\0", vec![param(4, &[])]),
            ("ipv6hint of 4", b"\0", vec![param(6, &v4)]),
            ("port of 1", b"\0", vec![param(3, &[1])]),
            ("alpn past its end", b"\0", vec![param(1, b"\x05h2")]),
            ("alpn with an empty id", b"\0", vec![param(1, b"\x00")]),
            ("mandatory lists itself", b"\0", vec![param(0, &[0, 0])]),
            ("mandatory unsorted", b"\0", vec![param(0, &[0, 4, 0, 1])]),
            ("mandatory key absent", b"\0", vec![param(0, &[0, 4]), param(1, b"\x02h2")]),
            ("value past the end", b"\0", vec![vec![0, 4, 0, 8, 1, 1, 1, 1]]),
            ("half a key", b"\0", vec![vec![0]]),
        ] {
            assert!(Svcb::parse(&rdata(target, &params)).is_err(), "{what}");
        }
    }

    #[test]
    fn removing_hints_leaves_every_other_octet() {
        let ech = param(5, b"opaque");
        let unknown = param(65000, b"x");
        let full = rdata(
            b"\x01a\0",
            &[
                param(1, b"\x02h2"),
                param(4, &[10, 0, 0, 1, 1, 1, 1, 1]),
                ech.clone(),
                param(6, &[0; 16]),
                unknown.clone(),
            ],
        );
        let expected = rdata(b"\x01a\0", &[param(1, b"\x02h2"), param(4, &[1, 1, 1, 1]), ech, unknown]);
        let svcb = Svcb::parse(&full).unwrap();
        let public: IpAddr = "1.1.1.1".parse().unwrap();
        assert_eq!(svcb.hints().count(), 3);
        assert_eq!(svcb.without_hints(|address| address == public), Some(expected));
    }

    #[test]
    fn a_mandatory_hint_that_is_gone_takes_the_record_with_it() {
        let full = rdata(b"\0", &[param(0, &[0, 4]), param(4, &[10, 0, 0, 1])]);
        assert_eq!(Svcb::parse(&full).unwrap().without_hints(|_| false), None);
    }
}
