//! The names to which a record sends a client, and what the client does with them.

use super::kind::RecordType;
use super::name::NameRef;
use super::svcb::Svcb;
use super::uri::each_host;
use super::wire::{Malformed, NameBuf, Reader};

/// What a client does with the name in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leads {
    /// It looks up the name instead of the owner: CNAME.
    Alias,
    /// It looks up a name below the target instead of the one below the owner: DNAME (RFC 6672 §2.2).
    Subtree,
    /// It connects to the name: SRV, URI, and the TargetName of SVCB and HTTPS.
    Service,
    /// It takes the name as that of an address: PTR.
    Pointer,
    /// It uses the name in a protocol of its own: mail exchangers, name servers, gateways.
    Other,
}

/// The target of a record.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A name on the wire.
    Name(NameRef<'a>),
    /// A host in text.
    Host(&'a str),
}

/// The types whose RDATA ends in one name, and the octets before it.
const ENDS_IN_NAME: &[(RecordType, Leads, usize)] = &[
    (RecordType::CNAME, Leads::Alias, 0),
    (RecordType::DNAME, Leads::Subtree, 0),
    (RecordType::SRV, Leads::Service, 6),
    (RecordType::PTR, Leads::Pointer, 0),
    (RecordType::NSAP_PTR, Leads::Pointer, 0),
    (RecordType::NS, Leads::Other, 0),
    (RecordType::MD, Leads::Other, 0),
    (RecordType::MF, Leads::Other, 0),
    (RecordType::MB, Leads::Other, 0),
    (RecordType::MX, Leads::Other, 2),
    (RecordType::AFSDB, Leads::Other, 2),
    (RecordType::RT, Leads::Other, 2),
    (RecordType::KX, Leads::Other, 2),
    (RecordType::LP, Leads::Other, 2),
];

/// The gateway of IPSECKEY (RFC 4025 §2.3) or the relay of AMTRELAY (RFC 8777 §4.2.3) is a name.
const NAME_GATEWAY: u8 = 3;

/// Calls `found` with every name to which RDATA of `rtype` sends a client. Names that a sender may compress are already
/// uncompressed. If RDATA breaks its type's format, the names before the fault are found.
pub fn each_target(rtype: RecordType, rdata: &[u8], mut found: impl FnMut(Leads, Target<'_>)) {
    if let Some((_, leads, before)) = ENDS_IN_NAME.iter().find(|(listed, ..)| *listed == rtype) {
        let name = rdata.get(*before..).and_then(|wire| NameRef::from_wire(wire).ok());
        return name.into_iter().for_each(|name| found(*leads, Target::Name(name)));
    }
    // Names that cannot be read lead nowhere.
    let _ = match rtype {
        RecordType::SVCB | RecordType::HTTPS => Svcb::parse(rdata).map(|svcb| {
            found(Leads::Service, Target::Name(svcb.target()));
        }),
        RecordType::URI => {
            each_host(rdata.get(4..).unwrap_or_default(), |host| found(Leads::Service, Target::Host(host)));
            Ok(())
        }
        RecordType::NAPTR => naptr_replacement(rdata, &mut found),
        RecordType::HIP => hip_servers(rdata, &mut found),
        RecordType::IPSECKEY if rdata.get(1) == Some(&NAME_GATEWAY) => {
            name(&mut Reader::new(rdata, 3), &mut found)
        }
        RecordType::AMTRELAY if rdata.get(1).is_some_and(|kind| kind & 0x7f == NAME_GATEWAY) => {
            name(&mut Reader::new(rdata, 2), &mut found)
        }
        _ => Ok(()),
    };
}

/// Order, preference, three texts, and the name (RFC 3403 §4.1).
fn naptr_replacement(rdata: &[u8], found: &mut impl FnMut(Leads, Target<'_>)) -> Result<(), Malformed> {
    let mut reader = Reader::new(rdata, 4);
    for _ in 0..3 {
        let length = reader.u8()?;
        reader.take(usize::from(length))?;
    }
    name(&mut reader, found)
}

/// A tag, a key, and the rendezvous servers (RFC 8005 §5).
fn hip_servers(rdata: &[u8], found: &mut impl FnMut(Leads, Target<'_>)) -> Result<(), Malformed> {
    let mut reader = Reader::new(rdata, 0);
    let tag = usize::from(reader.u8()?);
    reader.u8()?;
    let key = usize::from(reader.u16()?);
    reader.take(tag + key)?;
    while !reader.is_at_end() {
        name(&mut reader, found)?;
    }
    Ok(())
}

fn name(reader: &mut Reader<'_>, found: &mut impl FnMut(Leads, Target<'_>)) -> Result<(), Malformed> {
    let mut name = NameBuf::new();
    reader.name(&mut name)?;
    found(Leads::Other, Target::Name(name.as_name()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_every_type_is_found() {
        let n = b"\x03nas\x05local\0";
        let with = |before: &[u8]| [before, n].concat();
        let hip = [&[2, 2, 0, 3, 1, 2, 3, 4, 5][..], n, b"\x01b\0"].concat();
        let ipseckey = [&[10, 3, 2][..], n, &[7, 7]].concat();
        for (rtype, rdata, leads, expected) in [
            (5, with(&[]), Leads::Alias, &["nas.local"][..]),
            (39, with(&[]), Leads::Subtree, &["nas.local"]),
            (33, with(&[0; 6]), Leads::Service, &["nas.local"]),
            (65, with(&[0, 0]), Leads::Service, &["nas.local"]),
            (256, b"\0\x01\0\x01http://nas.local/".to_vec(), Leads::Service, &["nas.local"]),
            (12, with(&[]), Leads::Pointer, &["nas.local"]),
            (2, with(&[]), Leads::Other, &["nas.local"]),
            (15, with(&[0, 10]), Leads::Other, &["nas.local"]),
            (36, with(&[0, 10]), Leads::Other, &["nas.local"]),
            (18, with(&[0, 1]), Leads::Other, &["nas.local"]),
            (107, with(&[0, 1]), Leads::Other, &["nas.local"]),
            (35, with(b"\0\x01\0\x01\x01s\x01x\0"), Leads::Other, &["nas.local"]),
            (55, hip, Leads::Other, &["nas.local", "b"]),
            (45, ipseckey, Leads::Other, &["nas.local"]),
            (260, with(&[10, 0x83]), Leads::Other, &["nas.local"]),
            (260, with(&[10, 1]), Leads::Other, &[]),
            (16, with(&[]), Leads::Other, &[]),
            (15, vec![0], Leads::Other, &[]),
            (35, vec![0, 1, 0, 1, 9], Leads::Other, &[]),
        ] {
            let mut all = Vec::new();
            each_target(RecordType(rtype), &rdata, |how, target| {
                assert_eq!(how, leads, "type {rtype}");
                all.push(match target {
                    Target::Name(name) => name.to_string(),
                    Target::Host(host) => host.to_owned(),
                });
            });
            assert_eq!(all, expected, "type {rtype}");
        }
    }
}
