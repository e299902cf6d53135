//! A client's query: read once, strictly, into values that need no further checks.

use std::fmt;

use super::edns::{Edns, PLAIN_PAYLOAD, UDP_PAYLOAD, read_options};
use super::kind::{Class, Rcode, RecordType};
use super::name::NameRef;
use super::wire::{HEADER, Malformed, NameBuf, Reader};

const FLAG_QR: u16 = 0x8000;
const FLAG_RD: u16 = 0x0100;
const FLAG_AD: u16 = 0x0020;
const FLAG_CD: u16 = 0x0010;

/// Records a query may have besides its question; honest ones have an OPT and perhaps a signature.
const MAX_RECORDS: u32 = 16;

/// The question of a query or a reply.
#[derive(Clone, Copy)]
pub struct Question {
    asked: NameBuf,
    /// QTYPE
    pub rtype: RecordType,
    /// QCLASS
    pub class: Class,
}

impl Question {
    /// A question of class IN.
    pub fn new(name: NameRef<'_>, rtype: RecordType) -> Self {
        Self { asked: NameBuf::of(name), rtype, class: Class::IN }
    }

    /// The QNAME in the letter case of whoever asked.
    pub fn name(&self) -> NameRef<'_> {
        self.asked.as_name()
    }

    /// The question with each letter of its name in upper case where its bit of `coins` is set, in lower case elsewhere.
    #[must_use]
    pub fn with_case(&self, coins: &[u8; 32]) -> Self {
        Self { asked: self.asked.with_case(coins), ..*self }
    }

    /// The octets the question takes in a message.
    pub fn wire_length(&self) -> usize {
        self.name().as_wire().len() + 4
    }

    /// Appends the question.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.name().as_wire());
        let ([a, b], [c, d]) = (self.rtype.0.to_be_bytes(), self.class.0.to_be_bytes());
        out.extend_from_slice(&[a, b, c, d]);
    }

    /// `octets` begin with this question, in whatever letter case.
    pub fn is_echoed(&self, octets: &[u8]) -> bool {
        let name = self.name().as_wire();
        let Some((echoed, rest)) = octets.split_at_checked(name.len()) else { return false };
        let ([a, b], [c, d]) = (self.rtype.0.to_be_bytes(), self.class.0.to_be_bytes());
        echoed.eq_ignore_ascii_case(name) && rest.starts_with(&[a, b, c, d])
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut asked = NameBuf::new();
        reader.name(&mut asked)?;
        Ok(Self { asked, rtype: RecordType(reader.u16()?), class: Class(reader.u16()?) })
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.rtype)
    }
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What of a query's header and OPT record a reply depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The message id.
    pub id: u16,
    /// OPCODE
    pub opcode: u8,
    /// RD: recursion is wanted.
    pub recursion_desired: bool,
    /// AD: the client understands AD (RFC 6840 §5.7).
    pub authentic_data: bool,
    /// CD: the upstream shall not validate.
    pub checking_disabled: bool,
    /// The query's EDNS.
    pub edns: Option<Edns>,
}

impl Asker {
    /// A client that wants recursion and takes large replies.
    pub fn with_edns() -> Self {
        let edns = Edns { payload: UDP_PAYLOAD, rcode_high: 0, version: 0, dnssec_ok: false };
        Self {
            id: 0,
            opcode: 0,
            recursion_desired: true,
            authentic_data: false,
            checking_disabled: false,
            edns: Some(edns),
        }
    }

    /// DNSSEC records are wanted.
    pub fn dnssec_ok(&self) -> bool {
        self.edns.is_some_and(|edns| edns.dnssec_ok)
    }

    /// The most octets a reply over UDP may have. "Values lower than 512 MUST be treated as equal to 512"
    /// (RFC 6891 §6.2.3).
    pub fn udp_limit(&self) -> usize {
        let payload = self.edns.map_or(PLAIN_PAYLOAD, |edns| edns.payload.clamp(PLAIN_PAYLOAD, UDP_PAYLOAD));
        usize::from(payload)
    }
}

/// A query that is worth an answer: QR=0, OPCODE QUERY, exactly one question, at most one OPT of version 0.
#[derive(Debug, Clone, Copy)]
pub struct Query {
    /// The header's and OPT's part.
    pub asker: Asker,
    /// The question.
    pub question: Question,
}

/// Why a datagram is not a [`Query`].
#[derive(Debug, Clone, Copy)]
#[expect(clippy::large_enum_variant, reason = "a flood of broken queries must not cost an allocation each")]
pub enum NotAQuery {
    /// No answer: shorter than a header, or itself a reply ("a name server must not answer a response").
    Ignore,
    /// An error reply.
    Refuse {
        /// What could be read of the header.
        asker: Asker,
        /// The question, where it could be read.
        question: Option<Question>,
        /// What to say.
        rcode: Rcode,
    },
}

impl Query {
    /// Reads a datagram or a TCP message.
    #[expect(clippy::result_large_err, reason = "a flood of broken queries must not cost an allocation each")]
    pub fn parse(wire: &[u8]) -> Result<Self, NotAQuery> {
        let Some(header) = wire.as_chunks::<2>().0.first_chunk() else { return Err(NotAQuery::Ignore) };
        let [id, flags, questions, answers, authorities, additionals] = header.map(u16::from_be_bytes);
        if flags & FLAG_QR != 0 {
            return Err(NotAQuery::Ignore);
        }
        let mut asker = Asker {
            id,
            opcode: u8::try_from(flags >> 11 & 0x0f).unwrap_or_default(),
            recursion_desired: flags & FLAG_RD != 0,
            authentic_data: flags & FLAG_AD != 0,
            checking_disabled: flags & FLAG_CD != 0,
            edns: None,
        };
        if asker.opcode != 0 {
            return Err(refuse(asker, None, Rcode::NOTIMP));
        }
        // "QDCOUNT > 1 … MUST return FORMERR" (RFC 9619 §4); none is only for cookies (RFC 7873 §5.4).
        if questions != 1 {
            return Err(refuse(asker, None, Rcode::FORMERR));
        }
        let question = read_question(wire).map_err(|Malformed| refuse(asker, None, Rcode::FORMERR))?;
        let mut reader = Reader::new(wire, HEADER + question.wire_length());
        let read = read_records(&mut reader, [answers, authorities, additionals]);
        let (edns, transfer_soa) = read.map_err(|Malformed| refuse(asker, Some(question), Rcode::FORMERR))?;
        asker.edns = edns;
        if edns.is_some_and(|edns| edns.version != 0) {
            return Err(refuse(asker, Some(question), Rcode::BADVERS));
        }
        if let Some(rcode) = unanswerable(&question) {
            return Err(refuse(asker, Some(question), rcode));
        }
        if transfer_soa {
            return Err(refuse(asker, Some(question), Rcode::FORMERR));
        }
        Ok(Self { asker, question })
    }
}

fn refuse(asker: Asker, question: Option<Question>, rcode: Rcode) -> NotAQuery {
    NotAQuery::Refuse { asker, question, rcode }
}

/// A query's QNAME stands first and has nothing before it to point at: a pointer in it is malformed.
fn read_question(wire: &[u8]) -> Result<Question, Malformed> {
    let asked = NameBuf::whole(wire, HEADER)?;
    let mut reader = Reader::new(wire, HEADER + asked.as_name().as_wire().len());
    Ok(Question { asked, rtype: RecordType(reader.u16()?), class: Class(reader.u16()?) })
}

/// Steps over the records after the question. Returns the EDNS, and whether there are records that only
/// a zone transfer has.
fn read_records(reader: &mut Reader<'_>, counts: [u16; 3]) -> Result<(Option<Edns>, bool), Malformed> {
    let [answers, authorities, additionals] = counts;
    let foreign = u32::from(answers) + u32::from(authorities);
    if foreign + u32::from(additionals) > MAX_RECORDS {
        return Err(Malformed);
    }
    let mut edns = None;
    for index in 0..foreign + u32::from(additionals) {
        let owner = reader.skip_name()?;
        let is_root = reader.position() == owner + 1;
        let (rtype, class) = (RecordType(reader.u16()?), reader.u16()?);
        let ttl = reader.u32()?;
        let length = usize::from(reader.u16()?);
        let rdata = reader.take(length)?;
        if rtype == RecordType::OPT {
            // "If a query message with more than one OPT RR is received, a FORMERR MUST be returned";
            // its owner is the root and its place the additional section (RFC 6891 §6.1.1).
            if edns.is_some() || !is_root || index < foreign {
                return Err(Malformed);
            }
            read_options(rdata)?;
            edns = Some(Edns::from_fields(class, ttl));
        }
    }
    if !reader.is_at_end() {
        return Err(Malformed);
    }
    Ok((edns, foreign > 0))
}

/// Questions that no forwarder answers, whatever the name.
fn unanswerable(question: &Question) -> Option<Rcode> {
    match question.rtype {
        RecordType::AXFR | RecordType::IXFR => Some(Rcode::REFUSED),
        RecordType::OPT | RecordType(0) => Some(Rcode::FORMERR),
        RecordType::ANY => None,
        other if other.is_meta() => Some(Rcode::NOTIMP),
        _ => None,
    }
}
