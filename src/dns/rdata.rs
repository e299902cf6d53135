//! The RDATA of the types that may hold compressed names, as a table.

use super::kind::RecordType;
use super::wire::{Malformed, NameBuf, Reader};

/// One field of RDATA.
#[derive(Clone, Copy)]
enum Field {
    /// This many octets.
    Octets(usize),
    /// A domain name.
    Name,
    /// A length octet and as many octets.
    Text,
    /// What is left.
    Rest,
}

use Field::{Name, Octets, Rest, Text};

/// Types whose names a sender may compress (RFC 1035 §3.3, RFC 3597 §4). All other RDATA is opaque.
const LAYOUTS: &[(RecordType, &[Field])] = &[
    (RecordType::NS, &[Name]),
    (RecordType(3), &[Name]),
    (RecordType(4), &[Name]),
    (RecordType::CNAME, &[Name]),
    (RecordType::SOA, &[Name, Name, Octets(20)]),
    (RecordType(7), &[Name]),
    (RecordType(8), &[Name]),
    (RecordType(9), &[Name]),
    (RecordType::PTR, &[Name]),
    (RecordType(14), &[Name, Name]),
    (RecordType(15), &[Octets(2), Name]),
    (RecordType(17), &[Name, Name]),
    (RecordType(18), &[Octets(2), Name]),
    (RecordType(21), &[Octets(2), Name]),
    (RecordType(24), &[Octets(18), Name, Rest]),
    (RecordType(26), &[Octets(2), Name, Name]),
    (RecordType(30), &[Name, Rest]),
    (RecordType::SRV, &[Octets(6), Name]),
    (RecordType(35), &[Octets(4), Text, Text, Text, Name]),
    (RecordType(36), &[Octets(2), Name]),
    (RecordType::DNAME, &[Name]),
];

/// Appends the RDATA at `start..end` of `wire` with its names uncompressed.
pub(super) fn write_uncompressed(
    rtype: RecordType,
    wire: &[u8],
    start: usize,
    end: usize,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    // Names may point back to anywhere before them, but nothing may be read past the RDATA's end.
    let wire = wire.get(..end).ok_or(Malformed)?;
    let mut reader = Reader::new(wire, start);
    let layout =
        LAYOUTS.iter().find(|(listed, _)| *listed == rtype).map_or(&[Rest][..], |(_, fields)| fields);
    for field in layout {
        match field {
            Octets(length) => out.extend_from_slice(reader.take(*length)?),
            Name => {
                let mut name = NameBuf::new();
                reader.name(&mut name)?;
                out.extend_from_slice(name.as_name().as_wire());
            }
            Text => {
                let length = reader.u8()?;
                out.push(length);
                out.extend_from_slice(reader.take(usize::from(length))?);
            }
            Rest => out.extend_from_slice(reader.take(end - reader.position())?),
        }
    }
    if reader.is_at_end() { Ok(()) } else { Err(Malformed) }
}

/// The type an RRSIG covers (RFC 4034 §3.1.1).
pub(super) fn type_covered(rdata: &[u8]) -> Option<RecordType> {
    Reader::new(rdata, 0).u16().ok().map(RecordType)
}
