//! Writes DNS messages by hand, right ones and wrong ones.
//!
//! Nothing here checks anything: owners, counts, RDLENGTH and classes are written as they are told, because half of
//! the catalogue consists of messages no library would write. It shares no code with the resolver's own reader.

pub mod code;

/// Header flag bits of the second 16-bit word.
pub mod flag {
    #![allow(missing_docs)]
    pub const QR: u16 = 0x8000;
    pub const OPCODE: u16 = 0x7800;
    pub const AA: u16 = 0x0400;
    pub const TC: u16 = 0x0200;
    pub const RD: u16 = 0x0100;
    pub const RA: u16 = 0x0080;
    pub const Z: u16 = 0x0040;
    pub const AD: u16 = 0x0020;
    pub const CD: u16 = 0x0010;
    pub const RCODE: u16 = 0x000f;
}

/// The TTL of every record of the catalogue unless a row says otherwise.
pub const TTL: u32 = 60;

/// A compression pointer to `offset`.
pub fn pointer(offset: u16) -> Vec<u8> {
    (0xc000 | (offset & 0x3fff)).to_be_bytes().to_vec()
}

/// A pointer to the question's name, which always stands at octet 12.
pub fn qname_pointer() -> Vec<u8> {
    pointer(12)
}

/// A label with its length octet.
pub fn label(octets: &[u8]) -> Vec<u8> {
    let mut wire = vec![u8::try_from(octets.len()).unwrap_or(63)];
    wire.extend_from_slice(octets);
    wire
}

/// A name in wire form from presentation form; `\.` and `\DDD` escape an octet, a trailing dot is optional.
pub fn name(text: &str) -> Vec<u8> {
    let mut wire = Vec::with_capacity(text.len() + 2);
    let mut current = Vec::new();
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        match octet {
            b'.' => {
                if !current.is_empty() {
                    wire.extend(label(&current));
                    current.clear();
                }
            }
            b'\\' => match octets.next() {
                Some(digit @ b'0'..=b'9') => {
                    let rest = [octets.next().unwrap_or(b'0'), octets.next().unwrap_or(b'0')];
                    let value = [digit, rest[0], rest[1]]
                        .iter()
                        .fold(0u16, |sum, digit| sum * 10 + u16::from(digit.wrapping_sub(b'0')));
                    current.push(value as u8);
                }
                Some(other) => current.push(other),
                None => {}
            },
            other => current.push(other),
        }
    }
    if !current.is_empty() {
        wire.extend(label(&current));
    }
    wire.push(0);
    wire
}

/// A resource record, right or wrong.
#[derive(Debug, Clone)]
pub struct Record {
    /// The owner in wire form; a pointer to the question unless told otherwise.
    pub owner: Vec<u8>,
    /// TYPE
    pub rtype: u16,
    /// CLASS
    pub class: u16,
    /// TTL
    pub ttl: u32,
    /// RDATA
    pub rdata: Vec<u8>,
    /// RDLENGTH where it is to differ from the RDATA.
    pub rdlength: Option<u16>,
}

impl Record {
    /// A record of class IN owned by the question's name.
    pub fn new(rtype: u16, rdata: impl Into<Vec<u8>>) -> Self {
        Self { owner: qname_pointer(), rtype, class: code::IN, ttl: TTL, rdata: rdata.into(), rdlength: None }
    }

    /// An A or AAAA record.
    pub fn address(address: std::net::IpAddr) -> Self {
        match address {
            std::net::IpAddr::V4(v4) => Self::new(code::A, v4.octets()),
            std::net::IpAddr::V6(v6) => Self::new(code::AAAA, v6.octets()),
        }
    }

    /// A CNAME to a name in presentation form.
    pub fn cname(target: &str) -> Self {
        Self::new(code::CNAME, name(target))
    }

    /// Another owner, in presentation form.
    pub fn owned_by(self, owner: &str) -> Self {
        self.owner(name(owner))
    }

    /// Another owner, in wire form.
    pub fn owner(self, owner: impl Into<Vec<u8>>) -> Self {
        Self { owner: owner.into(), ..self }
    }

    /// Another class.
    pub fn class(self, class: u16) -> Self {
        Self { class, ..self }
    }

    /// Another TTL.
    pub fn ttl(self, ttl: u32) -> Self {
        Self { ttl, ..self }
    }

    /// An RDLENGTH that need not be true.
    pub fn rdlength(self, rdlength: u16) -> Self {
        Self { rdlength: Some(rdlength), ..self }
    }

    fn write(&self, wire: &mut Vec<u8>) {
        wire.extend_from_slice(&self.owner);
        wire.extend_from_slice(&self.rtype.to_be_bytes());
        wire.extend_from_slice(&self.class.to_be_bytes());
        wire.extend_from_slice(&self.ttl.to_be_bytes());
        let length = self.rdlength.unwrap_or(u16::try_from(self.rdata.len()).unwrap_or(u16::MAX));
        wire.extend_from_slice(&length.to_be_bytes());
        wire.extend_from_slice(&self.rdata);
    }
}

/// A message, right or wrong.
#[derive(Debug, Clone, Default)]
pub struct Message {
    /// ID
    pub id: u16,
    /// The flags word, OPCODE and RCODE included.
    pub flags: u16,
    /// The question section as it stands on the wire.
    pub question: Vec<u8>,
    /// QDCOUNT
    pub qdcount: u16,
    /// The answer section.
    pub answer: Vec<Record>,
    /// The authority section.
    pub authority: Vec<Record>,
    /// The additional section.
    pub additional: Vec<Record>,
    /// ANCOUNT, NSCOUNT and ARCOUNT where they are to lie.
    pub counts: [Option<u16>; 3],
    /// Octets after the last record.
    pub trailing: Vec<u8>,
}

impl Message {
    /// The octets.
    pub fn encode(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(512);
        wire.extend_from_slice(&self.id.to_be_bytes());
        wire.extend_from_slice(&self.flags.to_be_bytes());
        wire.extend_from_slice(&self.qdcount.to_be_bytes());
        let sections = [&self.answer, &self.authority, &self.additional];
        for (section, lie) in sections.iter().zip(self.counts) {
            let count = lie.unwrap_or(u16::try_from(section.len()).unwrap_or(u16::MAX));
            wire.extend_from_slice(&count.to_be_bytes());
        }
        wire.extend_from_slice(&self.question);
        for record in sections.into_iter().flatten() {
            record.write(&mut wire);
        }
        wire.extend_from_slice(&self.trailing);
        wire
    }

    /// Puts records into the answer section.
    pub fn answer(mut self, records: impl IntoIterator<Item = Record>) -> Self {
        self.answer.extend(records);
        self
    }

    /// Puts records into the authority section.
    pub fn authority(mut self, records: impl IntoIterator<Item = Record>) -> Self {
        self.authority.extend(records);
        self
    }

    /// Puts records into the additional section.
    pub fn additional(mut self, records: impl IntoIterator<Item = Record>) -> Self {
        self.additional.extend(records);
        self
    }

    /// Sets flag bits.
    pub fn with(mut self, bits: u16) -> Self {
        self.flags |= bits;
        self
    }

    /// Sets the RCODE of the header.
    pub fn rcode(mut self, rcode: u16) -> Self {
        self.flags = (self.flags & !flag::RCODE) | (rcode & flag::RCODE);
        self
    }

    /// Lets ANCOUNT lie.
    pub fn ancount(mut self, count: u16) -> Self {
        self.counts[0] = Some(count);
        self
    }

    /// Appends octets after the last record.
    pub fn trailing(mut self, octets: impl Into<Vec<u8>>) -> Self {
        self.trailing = octets.into();
        self
    }
}

/// A question's octets.
pub fn question(qname: &[u8], qtype: u16, qclass: u16) -> Vec<u8> {
    let mut wire = qname.to_vec();
    wire.extend_from_slice(&qtype.to_be_bytes());
    wire.extend_from_slice(&qclass.to_be_bytes());
    wire
}

/// An OPT record (RFC 6891 §6.1.2): `size` is our payload size, `flags` the DO bit and its word.
pub fn opt(size: u16, extended_rcode: u8, version: u8, flags: u16, options: &[(u16, &[u8])]) -> Record {
    let ttl = u32::from_be_bytes([extended_rcode, version, (flags >> 8) as u8, flags as u8]);
    let rdata: Vec<u8> = options.iter().flat_map(|(key, value)| tlv(*key, value)).collect();
    Record { owner: vec![0], rtype: code::OPT, class: size, ttl, rdata, rdlength: None }
}

/// The DO bit in [`opt`]'s flags.
pub const DO: u16 = 0x8000;

/// The EDNS option code of Extended DNS Errors (RFC 8914).
pub const EDE: u16 = 15;

/// The value of an EDE option.
pub fn ede(info_code: u16, text: &[u8]) -> Vec<u8> {
    [&info_code.to_be_bytes()[..], text].concat()
}

/// A 16-bit key, a 16-bit length, the value: the form of EDNS options and of SvcParams.
pub fn tlv(key: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    [&key.to_be_bytes()[..], &length.to_be_bytes(), value].concat()
}

/// RDATA of SVCB and HTTPS (RFC 9460 §2.2), the parameters in the order given.
pub fn svcb(priority: u16, target: &[u8], params: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut rdata = priority.to_be_bytes().to_vec();
    rdata.extend_from_slice(target);
    for (key, value) in params {
        rdata.extend(tlv(*key, value));
    }
    rdata
}

/// RDATA of SRV.
pub fn srv(port: u16, target: &str) -> Vec<u8> {
    let mut rdata = vec![0, 0, 0, 0];
    rdata.extend_from_slice(&port.to_be_bytes());
    rdata.extend(name(target));
    rdata
}

/// RDATA of SOA whose four timers are `seconds`.
pub fn soa(mname: &str, seconds: u32) -> Vec<u8> {
    let mut rdata = name(mname);
    rdata.extend(name("hostmaster.rebind-audit.example"));
    rdata.extend_from_slice(&2_026_112_101u32.to_be_bytes());
    for _ in 0..4 {
        rdata.extend_from_slice(&seconds.to_be_bytes());
    }
    rdata
}

/// RDATA of a signature over `covered` that nobody could check.
pub fn rrsig(covered: u16, signer: &str) -> Vec<u8> {
    let mut rdata = covered.to_be_bytes().to_vec();
    rdata.extend_from_slice(&[13, 3]);
    rdata.extend_from_slice(&TTL.to_be_bytes());
    rdata.extend_from_slice(&1_900_000_000u32.to_be_bytes());
    rdata.extend_from_slice(&1_700_000_000u32.to_be_bytes());
    rdata.extend_from_slice(&[0x30, 0x39]);
    rdata.extend(name(signer));
    rdata.extend_from_slice(&[0x5a; 64]);
    rdata
}

/// RDATA of TXT: the text cut into character-strings.
pub fn txt(text: &[u8]) -> Vec<u8> {
    text.chunks(255).flat_map(label).collect()
}

/// A query as a stub resolver sends it.
#[derive(Debug, Clone)]
pub struct Query {
    /// ID
    pub id: u16,
    /// QNAME in wire form.
    pub qname: Vec<u8>,
    /// QTYPE
    pub qtype: u16,
    /// QCLASS
    pub qclass: u16,
    /// The flags word (RD, AD, CD).
    pub flags: u16,
    /// The UDP payload size of an OPT record, and its DO bit.
    pub edns: Option<(u16, bool)>,
}

impl Query {
    /// The octets.
    pub fn encode(&self) -> Vec<u8> {
        let additional = self.edns.map(|(size, dnssec)| opt(size, 0, 0, if dnssec { DO } else { 0 }, &[]));
        Message {
            id: self.id,
            flags: self.flags,
            question: question(&self.qname, self.qtype, self.qclass),
            qdcount: 1,
            additional: additional.into_iter().collect(),
            ..Message::default()
        }
        .encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_with_their_escapes() {
        assert_eq!(name("a.bc."), b"\x01a\x02bc\x00");
        assert_eq!(name(r"a\.b.c"), b"\x03a.b\x01c\x00");
        assert_eq!(name(r"x\000\255.c"), b"\x03x\x00\xff\x01c\x00");
        assert_eq!(name("."), b"\x00");
    }

    #[test]
    fn a_message_lies_when_told_to() {
        let message =
            Message { id: 7, qdcount: 1, question: question(&name("a"), 1, 1), ..Message::default() }
                .answer([Record::new(1, [1, 2, 3, 4]).rdlength(9)])
                .ancount(3);
        let wire = message.encode();
        assert_eq!(&wire[..12], &[0, 7, 0, 0, 0, 1, 0, 3, 0, 0, 0, 0]);
        assert_eq!(&wire[19..], &[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 9, 1, 2, 3, 4]);
    }
}
