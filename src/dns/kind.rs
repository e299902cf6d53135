//! Numbers of the registry: record types, classes, response codes.

use std::fmt;

use hickory_proto::rr;

/// A record type by number (RFC 1035 §3.2.2 and the IANA registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordType(pub u16);

impl RecordType {
    /// Host address.
    pub const A: Self = Self(1);
    /// Authoritative name server.
    pub const NS: Self = Self(2);
    /// Mail destination (obsolete, RFC 1035 §3.3.4).
    pub const MD: Self = Self(3);
    /// Mail forwarder (obsolete, RFC 1035 §3.3.5).
    pub const MF: Self = Self(4);
    /// Canonical name of an alias.
    pub const CNAME: Self = Self(5);
    /// Start of a zone of authority.
    pub const SOA: Self = Self(6);
    /// Host of a mailbox (experimental, RFC 1035 §3.3.3).
    pub const MB: Self = Self(7);
    /// Well-known services of an address.
    pub const WKS: Self = Self(11);
    /// Domain name pointer.
    pub const PTR: Self = Self(12);
    /// Host information.
    pub const HINFO: Self = Self(13);
    /// Mail exchanger.
    pub const MX: Self = Self(15);
    /// Text.
    pub const TXT: Self = Self(16);
    /// Server of an AFS cell (RFC 1183 §1).
    pub const AFSDB: Self = Self(18);
    /// Route through a host (RFC 1183 §3.3).
    pub const RT: Self = Self(21);
    /// Name of an NSAP address (RFC 1706 §6).
    pub const NSAP_PTR: Self = Self(23);
    /// IPv6 address.
    pub const AAAA: Self = Self(28);
    /// Service location.
    pub const SRV: Self = Self(33);
    /// Rule for the next lookup (RFC 3403).
    pub const NAPTR: Self = Self(35);
    /// Key exchanger (RFC 2230).
    pub const KX: Self = Self(36);
    /// IPv6 address in parts (RFC 6563, historic).
    pub const A6: Self = Self(38);
    /// Alias of a whole subtree.
    pub const DNAME: Self = Self(39);
    /// EDNS pseudo-record.
    pub const OPT: Self = Self(41);
    /// Address prefix list.
    pub const APL: Self = Self(42);
    /// Delegation signer.
    pub const DS: Self = Self(43);
    /// IPsec key with gateway.
    pub const IPSECKEY: Self = Self(45);
    /// Signature of an RRset.
    pub const RRSIG: Self = Self(46);
    /// Denial of existence.
    pub const NSEC: Self = Self(47);
    /// Zone key.
    pub const DNSKEY: Self = Self(48);
    /// Hashed denial of existence.
    pub const NSEC3: Self = Self(50);
    /// Host identity, with rendezvous servers (RFC 8005).
    pub const HIP: Self = Self(55);
    /// Service binding.
    pub const SVCB: Self = Self(64);
    /// Service binding for HTTPS.
    pub const HTTPS: Self = Self(65);
    /// ILNP locator, 32 bits.
    pub const L32: Self = Self(105);
    /// ILNP locator, 64 bits.
    pub const L64: Self = Self(106);
    /// ILNP name of a subnetwork (RFC 6742 §2.4).
    pub const LP: Self = Self(107);
    /// Incremental zone transfer.
    pub const IXFR: Self = Self(251);
    /// Zone transfer.
    pub const AXFR: Self = Self(252);
    /// Any type: what a server has (RFC 8482).
    pub const ANY: Self = Self(255);
    /// Uniform resource identifier.
    pub const URI: Self = Self(256);
    /// Relay for multicast.
    pub const AMTRELAY: Self = Self(260);

    /// Types that are asked for but never stored: 128–255 (RFC 6895 §3.1), and OPT.
    pub fn is_meta(self) -> bool {
        matches!(self.0, 0 | 41 | 128..=255)
    }

    /// Whether it is CNAME or DNAME: an alias before the answer.
    pub fn is_alias(self) -> bool {
        matches!(self, Self::CNAME | Self::DNAME)
    }

    /// What it says is true of its owner only, and not of an alias.
    pub fn is_about_owner(self) -> bool {
        matches!(
            self,
            Self::CNAME
                | Self::DNAME
                | Self::NS
                | Self::SOA
                | Self::DS
                | Self::DNSKEY
                | Self::RRSIG
                | Self::NSEC
                | Self::NSEC3
        )
    }

    /// SVCB and the types that share its RDATA (RFC 9460 §2).
    pub fn is_service_binding(self) -> bool {
        matches!(self, Self::SVCB | Self::HTTPS)
    }

    /// Reads a mnemonic or `TYPE123` (RFC 3597 §5).
    pub fn from_text(text: &str) -> Option<Self> {
        let upper = text.to_ascii_uppercase();
        if let Some(number) = upper.strip_prefix("TYPE") {
            return number.parse().ok().map(Self);
        }
        upper.parse::<rr::RecordType>().ok().map(|known| Self(known.into()))
    }
}

impl fmt::Display for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match rr::RecordType::from(self.0) {
            rr::RecordType::Unknown(number) => write!(f, "TYPE{number}"),
            known => known.fmt(f),
        }
    }
}

/// A class by number; only IN is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Class(pub u16);

impl Class {
    /// The Internet.
    pub const IN: Self = Self(1);
    /// CHAOS: the server itself.
    pub const CH: Self = Self(3);
}

/// A response code, with the eight high bits of EDNS (RFC 6891 §6.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rcode(pub u16);

impl Rcode {
    /// No error.
    pub const NOERROR: Self = Self(0);
    /// The query could not be read.
    pub const FORMERR: Self = Self(1);
    /// The server failed.
    pub const SERVFAIL: Self = Self(2);
    /// The name does not exist.
    pub const NXDOMAIN: Self = Self(3);
    /// Not implemented.
    pub const NOTIMP: Self = Self(4);
    /// Refused by policy.
    pub const REFUSED: Self = Self(5);
    /// EDNS version not spoken.
    pub const BADVERS: Self = Self(16);
}

impl fmt::Display for Rcode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(Rcode, &str); 7] = [
            (Rcode::NOERROR, "NOERROR"),
            (Rcode::FORMERR, "FORMERR"),
            (Rcode::SERVFAIL, "SERVFAIL"),
            (Rcode::NXDOMAIN, "NXDOMAIN"),
            (Rcode::NOTIMP, "NOTIMP"),
            (Rcode::REFUSED, "REFUSED"),
            (Rcode::BADVERS, "BADVERS"),
        ];
        match NAMES.iter().find(|(code, _)| code == self) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "RCODE{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_read_and_print_their_mnemonics() {
        for (text, number, shown) in [
            ("a", 1, "A"),
            ("AAAA", 28, "AAAA"),
            ("https", 65, "HTTPS"),
            ("TYPE65281", 65281, "TYPE65281"),
            ("caa", 257, "CAA"),
        ] {
            assert_eq!(RecordType::from_text(text), Some(RecordType(number)), "{text}");
            assert_eq!(RecordType(number).to_string(), shown);
        }
        assert_eq!(RecordType::from_text("NOSUCHTYPE"), None);
    }

    #[test]
    fn response_codes_print_their_mnemonics() {
        for (code, shown) in
            [(0, "NOERROR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (16, "BADVERS"), (23, "RCODE23")]
        {
            assert_eq!(Rcode(code).to_string(), shown);
        }
    }
}
