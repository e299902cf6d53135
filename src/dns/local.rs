//! Replies made here from a query alone, never from an upstream's octets.

use std::net::IpAddr;

use super::edns::Ede;
use super::kind::{Rcode, RecordType};
use super::message::{Message, MessageBuilder, Section};
use super::name::{Name, NameRef};
use super::query::Question;
use super::wire::Malformed;

/// The TTL of names answered here, in seconds: short, since a reload may change them.
pub const LOCAL_TTL: u32 = 60;

/// A reply that no upstream had a part in.
#[derive(Debug, Clone)]
pub struct LocalAnswer {
    message: Message,
    error: Option<Ede>,
}

impl LocalAnswer {
    /// A reply without records.
    pub fn empty(rcode: Rcode, question: &Question) -> Self {
        Self { message: MessageBuilder::new(question, rcode).build(), error: None }
    }

    /// NODATA or NXDOMAIN with an own SOA at `zone`, so that it may be kept `ttl` seconds (RFC 2308 §3).
    pub fn negative(rcode: Rcode, question: &Question, zone: NameRef<'_>, ttl: u32) -> Self {
        let mut builder = MessageBuilder::new(question, rcode);
        // A name that holds the longest name in every field still fits a message: this cannot fail.
        let _ = builder.record(Section::Authority, zone, RecordType::SOA, ttl, |out| {
            out.extend_from_slice(zone.as_wire());
            out.extend_from_slice(b"\x06nobody\x07invalid\0");
            for field in [1u32, 3600, 1200, 604_800, ttl] {
                out.extend_from_slice(&field.to_be_bytes());
            }
            Ok(())
        });
        Self { message: builder.build(), error: None }
    }

    /// NODATA for a name that is answered here.
    pub fn nodata(question: &Question) -> Self {
        Self::negative(Rcode::NOERROR, question, question.name(), LOCAL_TTL)
    }

    /// The addresses among `addresses` of the asked type, or NODATA.
    pub fn addresses(question: &Question, addresses: &[IpAddr]) -> Self {
        let mut builder = MessageBuilder::new(question, Rcode::NOERROR);
        let mut any = false;
        for address in addresses {
            let (rtype, octets) = match address {
                IpAddr::V4(v4) => (RecordType::A, v4.octets().to_vec()),
                IpAddr::V6(v6) => (RecordType::AAAA, v6.octets().to_vec()),
            };
            any |= rtype == question.rtype && record(&mut builder, question, rtype, &octets).is_ok();
        }
        if any { Self { message: builder.build(), error: None } } else { Self::nodata(question) }
    }

    /// A PTR record for each name.
    pub fn pointers(question: &Question, names: &[Name]) -> Self {
        let mut builder = MessageBuilder::new(question, Rcode::NOERROR);
        for name in names {
            let _ = record(&mut builder, question, RecordType::PTR, name.as_wire());
        }
        Self { message: builder.build(), error: None }
    }

    /// HINFO "RFC8482": what ANY gets (RFC 8482 §4.2).
    pub fn any(question: &Question) -> Self {
        let mut builder = MessageBuilder::new(question, Rcode::NOERROR);
        let _ = record(&mut builder, question, RecordType::HINFO, b"\x07RFC8482\0");
        Self { message: builder.build(), error: None }
    }

    /// One TXT record of up to 255 octets.
    pub fn text(question: &Question, text: &str) -> Self {
        let octets = text.as_bytes().get(..255).unwrap_or(text.as_bytes());
        let length = u8::try_from(octets.len()).unwrap_or(0);
        let mut builder = MessageBuilder::new(question, Rcode::NOERROR);
        let _ = record(&mut builder, question, RecordType::TXT, &[&[length], octets].concat());
        Self { message: builder.build(), error: None }
    }

    /// With an extended error.
    pub fn with_error(mut self, error: Ede) -> Self {
        self.error = Some(error);
        self
    }

    /// The reply and its extended error.
    pub(crate) fn into_parts(self) -> (Message, Option<Ede>) {
        (self.message, self.error)
    }
}

fn record(
    builder: &mut MessageBuilder,
    question: &Question,
    rtype: RecordType,
    rdata: &[u8],
) -> Result<(), Malformed> {
    builder.record(Section::Answer, question.name(), rtype, LOCAL_TTL, |out| {
        out.extend_from_slice(rdata);
        Ok(())
    })
}
