//! A reply of an upstream: read strictly, and rebuilt from what answers the question.
//!
//! Only this survives: the alias chain from the QNAME, in whatever order it came, the RRset of the asked type at its
//! end, class IN; for a negative reply one SOA; with DO the signatures and denials. Everything else of the message
//! stays behind here, whoever's policy it would have passed. What comes out cannot be sent: `policy` has to turn it
//! into a client's response first.

mod read;

use std::net::IpAddr;
use std::sync::Arc;

use super::addresses::each_address;
use super::edns::Ede;
use super::kind::{Rcode, RecordType};
use super::message::{Message, write_header};
use super::query::Question;
use super::wire::{HEADER, Malformed};
use read::Parsed;

/// The longest alias chain that is followed. Longer ones fail, they are never passed on unread.
pub const MAX_ALIASES: usize = 16;

/// Why a reply cannot be used. Never a reason to pass it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// Not a message by RFC 1035, or one with contradictions.
    #[error("the upstream's reply is malformed")]
    Malformed,
    /// Not a reply to this question.
    #[error("the upstream's reply is not to the question asked")]
    NotOurs,
    /// TC is set.
    #[error("the upstream's reply is truncated")]
    Truncated,
    /// An alias loop, or more than [`MAX_ALIASES`] aliases.
    #[error("the alias chain loops or is longer than {MAX_ALIASES}")]
    AliasLoop,
    /// More aliases or signatures than any honest answer has.
    #[error("the upstream's reply has too many alias or signature records")]
    TooMany,
    /// Two different CNAMEs (RFC 2181 §10.1) or DNAMEs (RFC 6672 §2.4) at one name, or DNAMEs of two names above it (§2.3).
    #[error("two different CNAME or DNAME records apply to one name")]
    TwoAliases,
    /// A CNAME that is not the one its DNAME makes (RFC 6672 §3.4).
    #[error("a CNAME is not what the DNAME above it makes of the name")]
    NotSynthesised,
}

impl From<Malformed> for ResponseError {
    fn from(Malformed: Malformed) -> Self {
        Self::Malformed
    }
}

/// What an upstream said, reduced to what answers the question; cheap to clone. It has no way to a client by itself.
#[derive(Debug, Clone)]
pub struct UpstreamResponse {
    rcode: Rcode,
    message: Arc<Message>,
    errors: Option<Arc<[Ede]>>,
    ttl: Option<u32>,
    negative: bool,
    edns: bool,
    lame: bool,
}

impl UpstreamResponse {
    /// Reads a reply to `question`, asked with or without DO.
    pub fn parse(wire: &[u8], question: &Question, dnssec_ok: bool) -> Result<Self, ResponseError> {
        let parsed = Parsed::read(wire, question)?;
        parsed.rebuild(question, dnssec_ok)
    }

    /// The rebuilt reply. Only `policy` may make something to send of it.
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// The rebuilt reply, shared: a reply that nothing was found in is kept once.
    pub(crate) fn shared_message(&self) -> Arc<Message> {
        Arc::clone(&self.message)
    }

    /// Every address its records carry.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut all = Vec::new();
        for record in self.message.records() {
            // RDATA that breaks its type's format did not get this far.
            let _ = each_address(record.rtype, record.rdata, |_, address| all.push(address));
        }
        all
    }

    /// RCODE as the upstream gave it.
    pub fn rcode(&self) -> Rcode {
        self.rcode
    }

    /// The upstream's extended errors.
    pub fn errors(&self) -> &[Ede] {
        self.errors.as_deref().unwrap_or_default()
    }

    /// The same, shared.
    pub(crate) fn shared_errors(&self) -> Option<Arc<[Ede]>> {
        self.errors.clone()
    }

    /// How long it may be kept, in seconds: the least TTL of its records, for a negative reply by RFC 2308 §5.
    /// `None` if nothing says so: not to be cached.
    pub fn ttl(&self) -> Option<u32> {
        self.ttl
    }

    /// The same with longer TTLs cut to `most` seconds.
    #[must_use]
    pub fn with_ttl_at_most(mut self, most: u32) -> Self {
        if self.message.records().any(|record| record.ttl > most) {
            self.message = Arc::new(self.message.with_ttls(|ttl| ttl.min(most)));
        }
        self
    }

    /// NXDOMAIN, or without a record of the asked type.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// Whether the reply has an OPT record: then the upstream speaks EDNS.
    pub fn has_edns(&self) -> bool {
        self.edns
    }

    /// Whether it is NOERROR without any records, even without the SOA of a negative answer (RFC 2308 §2.2). Servers that do
    /// not know the name and refer upwards answer so.
    pub fn is_lame(&self) -> bool {
        self.lame
    }

    /// How many octets it takes in memory.
    pub fn weight(&self) -> usize {
        let errors: usize = self.errors().iter().map(|error| size_of::<Ede>() + error.text.len()).sum();
        size_of::<Self>() + self.message.weight() + errors
    }
}

/// A query to an upstream: recursion and AD wanted (RFC 6840 §5.7), EDNS with our payload size.
pub fn write_upstream_query(
    question: &Question,
    id: u16,
    dnssec_ok: bool,
    checking_disabled: bool,
    out: &mut Vec<u8>,
) {
    let flags = 0x0120u16 | if checking_disabled { 0x0010 } else { 0 };
    out.clear();
    write_header(id, flags, [1, 0, 0, 1], out);
    question.write(out);
    super::edns::write_opt(out, 0, dnssec_ok, &[]);
    debug_assert!(out.len() > HEADER);
}

/// Takes the OPT record off a query that [`write_upstream_query`] wrote.
pub fn remove_edns(message: &mut Vec<u8>, question: &Question) {
    message.truncate(HEADER + question.wire_length());
    if let Some(count) = message.get_mut(10..12) {
        count.copy_from_slice(&[0, 0]);
    }
}

/// A reply to `question` as an upstream would write it, with an address record for each of `addresses`: for trying out
/// what would come of it.
pub fn write_addresses_reply(question: &Question, addresses: &[IpAddr]) -> Vec<u8> {
    let count = u16::try_from(addresses.len()).unwrap_or(u16::MAX);
    let mut out = Vec::new();
    write_header(0, 0x8180, [1, count, 0, 0], &mut out);
    question.write(&mut out);
    for address in addresses.iter().take(usize::from(count)) {
        let (rtype, rdata) = match address {
            IpAddr::V4(v4) => (RecordType::A, v4.octets().to_vec()),
            IpAddr::V6(v6) => (RecordType::AAAA, v6.octets().to_vec()),
        };
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&rtype.0.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 1, 44, 0]);
        out.push(u8::try_from(rdata.len()).unwrap_or(0));
        out.extend_from_slice(&rdata);
    }
    out
}
