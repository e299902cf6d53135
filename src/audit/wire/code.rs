//! RR types, classes and RCODEs by the names RFCs give them.

#![allow(missing_docs, reason = "the names say it")]

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const WKS: u16 = 11;
pub const PTR: u16 = 12;
pub const HINFO: u16 = 13;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const KEY: u16 = 25;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const NAPTR: u16 = 35;
pub const A6: u16 = 38;
pub const DNAME: u16 = 39;
pub const OPT: u16 = 41;
pub const APL: u16 = 42;
pub const DS: u16 = 43;
pub const SSHFP: u16 = 44;
pub const IPSECKEY: u16 = 45;
pub const RRSIG: u16 = 46;
pub const NSEC: u16 = 47;
pub const DNSKEY: u16 = 48;
pub const NSEC3: u16 = 50;
pub const TLSA: u16 = 52;
pub const SVCB: u16 = 64;
pub const HTTPS: u16 = 65;
pub const L32: u16 = 105;
pub const L64: u16 = 106;
pub const IXFR: u16 = 251;
pub const AXFR: u16 = 252;
pub const ANY: u16 = 255;
pub const URI: u16 = 256;
pub const CAA: u16 = 257;
pub const AMTRELAY: u16 = 260;

pub const IN: u16 = 1;
pub const CH: u16 = 3;
pub const HS: u16 = 4;
pub const NONE: u16 = 254;
pub const ANY_CLASS: u16 = 255;

pub const NOERROR: u16 = 0;
pub const FORMERR: u16 = 1;
pub const SERVFAIL: u16 = 2;
pub const NXDOMAIN: u16 = 3;
pub const NOTIMP: u16 = 4;
pub const REFUSED: u16 = 5;
pub const BADVERS: u16 = 16;
