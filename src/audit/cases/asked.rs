//! A query as the upstream got it, and the replies made from it.

use crate::audit::oracle::parse::{Section, lenient};
use crate::audit::wire::{self, Message, code, flag};

/// What an upstream does with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Sends a message: a datagram, or octets framed with their length.
    Send(Vec<u8>),
    /// Sends octets as they are; on a stream without a length in front.
    Raw(Vec<u8>),
    /// Closes the stream.
    Close,
}

/// A query as it reached the upstream.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The whole query.
    pub wire: &'a [u8],
    /// Over a stream, not in a datagram.
    pub stream: bool,
    /// How often this name and type were asked before.
    pub before: usize,
}

impl Asked<'_> {
    /// ID
    pub fn id(&self) -> u16 {
        lenient(self.wire).0.id
    }

    /// QNAME as received, letter case included.
    pub fn qname(&self) -> Vec<u8> {
        lenient(self.wire).0.questions.first().map_or_else(|| vec![0], |(name, _, _)| name.clone())
    }

    /// QTYPE
    pub fn qtype(&self) -> u16 {
        lenient(self.wire).0.questions.first().map_or(0, |(_, qtype, _)| *qtype)
    }

    /// The question section, octet by octet.
    pub fn question(&self) -> Vec<u8> {
        let (parsed, _) = lenient(self.wire);
        let (qname, qtype, qclass) = parsed.questions.first().cloned().unwrap_or((vec![0], 1, 1));
        wire::question(&qname, qtype, qclass)
    }

    /// The payload size and DO of the query's OPT record.
    pub fn edns(&self) -> Option<(u16, bool)> {
        let (parsed, _) = lenient(self.wire);
        let mut additional = parsed.section(Section::Additional);
        additional.find(|rr| rr.rtype == code::OPT).map(|opt| (opt.class, opt.ttl & 0x8000 != 0))
    }

    /// An empty honest reply: QR, RD as asked, RA, the question; an OPT where one was sent comes with [`Self::send`].
    pub fn reply(&self) -> Message {
        let asked = lenient(self.wire).0.flags;
        Message {
            id: self.id(),
            flags: flag::QR | flag::RA | (asked & (flag::RD | flag::CD)),
            question: self.question(),
            qdcount: 1,
            ..Message::default()
        }
    }

    /// The message as a server sends it: with an OPT for one, and only its head with TC where it does not fit.
    pub fn send(&self, message: &Message) -> Vec<Action> {
        let mut message = message.clone();
        let has_opt = message.additional.iter().any(|record| record.rtype == code::OPT);
        if let (Some((_, dnssec)), false) = (self.edns(), has_opt) {
            message.additional.push(wire::opt(1232, 0, 0, if dnssec { wire::DO } else { 0 }, &[]));
        }
        let octets = message.encode();
        let limit = self.edns().map_or(512, |(size, _)| usize::from(size.max(512)));
        if self.stream || octets.len() <= limit {
            return vec![Action::Send(octets)];
        }
        let head = Message {
            flags: message.flags | flag::TC,
            answer: Vec::new(),
            authority: Vec::new(),
            counts: [None; 3],
            trailing: Vec::new(),
            ..message
        };
        vec![Action::Send(head.encode())]
    }

    /// The message without an OPT and without regard to size.
    pub fn send_as_is(&self, message: &Message) -> Vec<Action> {
        vec![Action::Send(message.encode())]
    }

    /// The NXDOMAIN of a zone that does not know the name.
    pub fn nxdomain(&self) -> Message {
        let soa = wire::Record::new(code::SOA, wire::soa("ns.rebind-audit.example", wire::TTL));
        self.reply().rcode(code::NXDOMAIN).authority([soa.owned_by("example")])
    }

    /// The NODATA of a zone whose name has other types.
    pub fn nodata(&self) -> Message {
        let soa = wire::Record::new(code::SOA, wire::soa("ns.rebind-audit.example", wire::TTL));
        self.reply().authority([soa.owned_by(super::ZONE)])
    }
}
