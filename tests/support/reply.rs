//! A reply, read for assertions.

use std::fmt;
use std::net::IpAddr;

use stubborn::audit::oracle::parse::{Parsed, Section, lenient, show, strict};
use stubborn::audit::oracle::stubs;
use stubborn::audit::wire::{code, flag};

/// The octets of a reply.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply(pub Vec<u8>);

impl Reply {
    pub fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// The message, which must parse to its last octet.
    pub fn message(&self) -> Parsed<'_> {
        strict(&self.0).unwrap_or_else(|why| panic!("{why}: {:02x?}", self.0))
    }

    pub fn rcode(&self) -> u16 {
        self.message().rcode()
    }

    pub fn has(&self, bits: u16) -> bool {
        self.message().flags & bits == bits
    }

    pub fn is_truncated(&self) -> bool {
        self.has(flag::TC)
    }

    /// The addresses of A and AAAA records in the answer section, sorted.
    pub fn addresses(&self) -> Vec<String> {
        let message = self.message();
        let found = message.section(Section::Answer).filter_map(|rr| stubs::exact(rr.rtype, rr.rdata));
        let mut found: Vec<IpAddr> = found.collect();
        found.sort();
        found.iter().map(ToString::to_string).collect()
    }

    /// The types of the answer section in order.
    pub fn types(&self) -> Vec<u16> {
        self.message().section(Section::Answer).map(|rr| rr.rtype).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.types().is_empty()
    }

    /// The CNAME targets in order.
    pub fn aliases(&self) -> Vec<String> {
        let message = self.message();
        let cnames = message.section(Section::Answer).filter(|rr| rr.rtype == code::CNAME);
        cnames.filter_map(|rr| message.target(rr)).map(|name| show(&name)).collect()
    }

    /// INFO-CODE and text of the extended errors.
    pub fn errors(&self) -> Vec<(u16, String)> {
        let errors = self.message().errors();
        errors.into_iter().map(|(code, text)| (code, String::from_utf8_lossy(&text).into_owned())).collect()
    }

    /// The OPT record's payload size and flags word.
    pub fn opt(&self) -> Option<(u16, u32)> {
        let message = self.message();
        message.records.iter().find(|rr| rr.rtype == code::OPT).map(|rr| (rr.class, rr.ttl))
    }

    /// The SOA of the authority section: its TTL.
    pub fn soa_ttl(&self) -> Option<u32> {
        let message = self.message();
        message.section(Section::Authority).find(|rr| rr.rtype == code::SOA).map(|rr| rr.ttl)
    }

    /// Asserts that this is the NODATA of a hit: nothing, an SOA that does not live long, EDE 15.
    #[track_caller]
    pub fn assert_blocked(&self) {
        assert_eq!((self.rcode(), self.is_empty()), (code::NOERROR, true), "{self:?}");
        assert!(self.soa_ttl().is_some_and(|ttl| ttl <= 60), "{self:?}");
        assert!(self.errors().iter().any(|(code, _)| *code == 15), "{self:?}");
    }

    /// Asserts that these are the addresses, all of them, and nothing went wrong.
    #[track_caller]
    pub fn assert_addresses(&self, expected: &[&str]) {
        let mut expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().unwrap()).collect();
        expected.sort();
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!((self.rcode(), self.addresses()), (code::NOERROR, expected), "{self:?}");
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, broken) = lenient(&self.0);
        write!(f, "RCODE {} flags {:04x}", message.rcode(), message.flags)?;
        for (name, qtype, qclass) in &message.questions {
            write!(f, "\n  ? {} TYPE{qtype} CLASS{qclass}", show(name))?;
        }
        for rr in &message.records {
            write!(
                f,
                "\n  {:?} {} {} TYPE{} {:02x?}",
                rr.section,
                show(&rr.owner),
                rr.ttl,
                rr.rtype,
                rr.rdata
            )?;
        }
        for (code, text) in message.errors() {
            write!(f, "\n  EDE {code} {}", String::from_utf8_lossy(&text).escape_debug())?;
        }
        broken.map_or(Ok(()), |why| write!(f, "\n  broken: {why}"))
    }
}
