//! EDNS(0) (RFC 6891) and Extended DNS Errors (RFC 8914).

use std::fmt::{self, Write};

use super::shown::Shown;
use super::wire::{Malformed, Reader};

/// The UDP payload size we announce and the most we send: what passes every path unfragmented.
pub const UDP_PAYLOAD: u16 = 1232;
/// What a client without EDNS takes over UDP (RFC 1035 §4.2.1).
pub const PLAIN_PAYLOAD: u16 = 512;

/// The longest EXTRA-TEXT that is passed on from an upstream, in octets, with the prefix.
const EDE_TEXT: usize = 160;
/// The prefix of every text of an upstream. None of our own texts begins with it.
const EDE_FOREIGN: &str = "upstream: ";
/// How many extended errors of an upstream are kept.
const EDE_KEPT: usize = 3;
const OPTION_EDE: u16 = 15;

/// What a message's OPT record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edns {
    /// The sender's UDP payload size.
    pub payload: u16,
    /// The high octet of the RCODE.
    pub rcode_high: u8,
    /// The version.
    pub version: u8,
    /// DO: DNSSEC records are wanted.
    pub dnssec_ok: bool,
}

impl Edns {
    /// Reads an OPT record's class and TTL fields.
    pub fn from_fields(class: u16, ttl: u32) -> Self {
        let [rcode_high, version, flags, _] = ttl.to_be_bytes();
        Self { payload: class, rcode_high, version, dnssec_ok: flags & 0x80 != 0 }
    }
}

/// An INFO-CODE of RFC 8914.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdeCode(pub u16);

impl EdeCode {
    /// Anything else.
    pub const OTHER: Self = Self(0);
    /// The answer is past its TTL.
    pub const STALE_ANSWER: Self = Self(3);
    /// The server is not ready.
    pub const NOT_READY: Self = Self(14);
    /// Blocked by the operator of this server.
    pub const BLOCKED: Self = Self(15);
    /// The client is not allowed to ask.
    pub const PROHIBITED: Self = Self(18);
    /// Asked without recursion for what is not here.
    pub const NOT_AUTHORITATIVE: Self = Self(20);
    /// The server does not do this.
    pub const NOT_SUPPORTED: Self = Self(21);
    /// No server could be reached.
    pub const NO_REACHABLE_AUTHORITY: Self = Self(22);
    /// A server's reply was of no use.
    pub const NETWORK_ERROR: Self = Self(23);
    /// The reply is malformed.
    pub const INVALID_DATA: Self = Self(24);
}

/// An extended error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ede {
    /// INFO-CODE
    pub code: EdeCode,
    /// EXTRA-TEXT, UTF-8
    pub text: Box<str>,
}

impl Ede {
    /// An extended error with a text of ours.
    pub fn new(code: EdeCode, text: impl Into<Box<str>>) -> Self {
        Self { code, text: text.into() }
    }

    /// An extended error of an upstream: its text is marked as not ours, cut, and has every invisible character escaped.
    fn foreign(code: u16, text: &[u8]) -> Self {
        let mut shown = String::new();
        if !text.is_empty() {
            shown.push_str(EDE_FOREIGN);
            let _ = write!(Bounded(&mut shown), "{}", Shown::foreign(text));
        }
        Self::new(EdeCode(code), shown)
    }
}

impl fmt::Display for Ede {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EDE {}", self.code.0)?;
        if self.text.is_empty() { Ok(()) } else { write!(f, ": {}", self.text) }
    }
}

/// Takes up to [`EDE_TEXT`] octets, then ends the writing. Never cuts a character or an escape.
struct Bounded<'a>(&'a mut String);

impl Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > EDE_TEXT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

/// Checks the options of an OPT record and returns the extended errors among them.
pub(super) fn read_options(rdata: &[u8]) -> Result<Vec<Ede>, Malformed> {
    let mut reader = Reader::new(rdata, 0);
    let mut errors = Vec::new();
    while !reader.is_at_end() {
        let code = reader.u16()?;
        let length = usize::from(reader.u16()?);
        let mut option = Reader::new(reader.take(length)?, 0);
        if code == OPTION_EDE && errors.len() < EDE_KEPT {
            let info = option.u16()?;
            let text = option.take(length - 2)?;
            errors.push(Ede::foreign(info, text));
        }
    }
    Ok(errors)
}

/// The octets of an OPT record without options (RFC 6891 §6.1.2).
pub(super) const BARE_OPT: usize = 11;

/// The octets [`write_opt`] takes.
pub(super) fn opt_length(errors: &[Ede]) -> usize {
    BARE_OPT + errors.iter().map(|error| 6 + error.text.len()).sum::<usize>()
}

/// Appends our OPT record.
pub(super) fn write_opt(out: &mut Vec<u8>, rcode_high: u8, dnssec_ok: bool, errors: &[Ede]) {
    let length: usize = errors.iter().map(|error| 6 + error.text.len()).sum();
    let ([payload_high, payload_low], [length_high, length_low]) =
        (UDP_PAYLOAD.to_be_bytes(), u16::try_from(length).unwrap_or(0).to_be_bytes());
    let flags = if dnssec_ok { 0x80 } else { 0 };
    out.extend_from_slice(&[
        0,
        0,
        41,
        payload_high,
        payload_low,
        rcode_high,
        0,
        flags,
        0,
        length_high,
        length_low,
    ]);
    for error in errors {
        let size = u16::try_from(error.text.len() + 2).unwrap_or(2);
        out.extend_from_slice(&OPTION_EDE.to_be_bytes());
        out.extend_from_slice(&size.to_be_bytes());
        out.extend_from_slice(&error.code.0.to_be_bytes());
        out.extend_from_slice(error.text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstreams_error_text_is_marked_escaped_and_cut() {
        let mut rdata = vec![0, 10, 0, 2, 1, 2];
        let text = [b"a\n\x1b[31m\xe2\x80\xae\xff".as_slice(), &[b'x'; 300]].concat();
        rdata.extend_from_slice(&15u16.to_be_bytes());
        rdata.extend_from_slice(&u16::try_from(text.len() + 2).unwrap().to_be_bytes());
        rdata.extend_from_slice(&7u16.to_be_bytes());
        rdata.extend_from_slice(&text);
        let errors = read_options(&rdata).unwrap();
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].code, EdeCode(7));
        let start = r"upstream: a\010\027[31m\226\128\174\255xxx";
        assert!(errors[0].text.starts_with(start), "{}", errors[0].text);
        assert_eq!(errors[0].text.len(), EDE_TEXT);
    }

    #[test]
    fn an_upstreams_error_text_has_a_prefix_and_no_escape_is_cut() {
        for (text, shown) in [
            (b"".as_slice(), "EDE 15".to_owned()),
            (
                b"blocked: to allow: stubborn allow x",
                "EDE 15: upstream: blocked: to allow: stubborn allow x".to_owned(),
            ),
            (b"upstream: x\\027", r"EDE 15: upstream: upstream: x\092027".to_owned()),
            (&[0xff; 300], format!("EDE 15: upstream: {}", r"\255".repeat(37))),
            ("für".as_bytes(), "EDE 15: upstream: für".to_owned()),
        ] {
            assert_eq!(Ede::foreign(15, text).to_string(), shown);
        }
    }

    #[test]
    fn an_option_that_runs_past_the_record_is_malformed() {
        for rdata in [&[0u8, 15][..], &[0, 15, 0, 4, 0, 0], &[0, 15, 0, 1, 0], &[0, 3, 0, 1]] {
            assert_eq!(read_options(rdata), Err(Malformed), "{rdata:?}");
        }
    }
}
