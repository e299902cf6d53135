//! Domain names as the wire has them: labels, compared without ASCII case, never as text.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::shown::write_escaped;
use super::wire::NameBuf;

/// The longest name on the wire in octets, the root's zero included (RFC 1035 §3.1).
pub(super) const MAX_NAME: usize = 255;
/// The longest label in octets (RFC 1035 §3.1).
pub(super) const MAX_LABEL: usize = 63;

/// Why a text or a run of octets is not a domain name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No text at all.
    #[error("an empty name")]
    Empty,
    /// Two dots in a row, or a dot in front.
    #[error("an empty label")]
    EmptyLabel,
    /// A label over 63 octets.
    #[error("a label longer than 63 octets")]
    LongLabel,
    /// A name over 255 octets.
    #[error("a name longer than 255 octets")]
    LongName,
    /// A backslash that escapes nothing.
    #[error("a broken escape")]
    BadEscape,
    /// White space or a control character.
    #[error("white space or a control character")]
    Whitespace,
    /// Text that IDNA does not map to A-labels.
    #[error("not a valid internationalised name")]
    Idna,
    /// Octets that are not a sequence of labels ended by the root.
    #[error("not a wire-format name")]
    Wire,
}

/// An owned domain name in lower-cased, uncompressed wire form. A clone shares its octets: a local name stands in half a
/// dozen tables.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<[u8]>);

/// A borrowed domain name in uncompressed wire form, in whatever letter case it came.
#[derive(Clone, Copy)]
pub struct NameRef<'a>(&'a [u8]);

impl Name {
    /// Reads the name a person wrote: presentation format with `\.` and `\DDD` escapes,
    /// Unicode mapped to A-labels (UTS #46), one trailing dot allowed.
    pub fn from_text(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let is_plain = text.bytes().all(|octet| octet.is_ascii_graphic());
        if !is_plain && text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(NameError::Whitespace);
        }
        if text == "." {
            return Ok(Self(Arc::new([0])));
        }
        let ascii;
        let text = if text.is_ascii() {
            text
        } else {
            ascii = idna::domain_to_ascii(text).map_err(|_| NameError::Idna)?;
            ascii.as_str()
        };
        let mut wire = Vec::with_capacity(text.len() + 2);
        // The place of the length of the label being read; of the root's after the last dot.
        let mut start = 0;
        wire.push(0);
        let mut bytes = text.bytes();
        while let Some(byte) = bytes.next() {
            match byte {
                b'.' => start = end_label(&mut wire, start)?,
                b'\\' => wire.push(unescape(&mut bytes)?),
                other => wire.push(other.to_ascii_lowercase()),
            }
        }
        if wire.len() > start + 1 || start == 0 {
            end_label(&mut wire, start)?;
        }
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        Ok(Self(wire.into()))
    }

    /// The borrowed form.
    pub fn as_ref(&self) -> NameRef<'_> {
        NameRef(&self.0)
    }

    /// The wire octets, lower-cased, the root's zero at the end.
    pub fn as_wire(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

impl<'a> NameRef<'a> {
    /// The root.
    pub const ROOT: NameRef<'static> = NameRef(&[0]);

    /// Takes octets that are exactly one uncompressed name.
    pub fn from_wire(wire: &'a [u8]) -> Result<Self, NameError> {
        if wire.len() > MAX_NAME {
            return Err(NameError::LongName);
        }
        let mut rest = wire;
        loop {
            match rest.split_first() {
                Some((0, [])) => return Ok(Self(wire)),
                Some((&length, tail)) if length != 0 && usize::from(length) <= MAX_LABEL => {
                    rest = tail.get(usize::from(length)..).ok_or(NameError::Wire)?;
                }
                _ => return Err(NameError::Wire),
            }
        }
    }

    /// Takes octets a [`NameBuf`] made label by label.
    pub(super) fn from_checked(wire: &'a [u8]) -> Self {
        Self(wire)
    }

    /// The wire octets as they came.
    pub fn as_wire(self) -> &'a [u8] {
        self.0
    }

    /// The labels from the left, without the root.
    pub fn labels(self) -> impl Iterator<Item = &'a [u8]> {
        self.ancestors().filter_map(|name| {
            let (&length, tail) = name.0.split_first()?;
            tail.get(..usize::from(length)).filter(|label| !label.is_empty())
        })
    }

    /// This name, its parent, and so on up to the root.
    pub fn ancestors(self) -> impl Iterator<Item = NameRef<'a>> {
        std::iter::successors(Some(self), |name| {
            let (&length, tail) = name.0.split_first()?;
            if length == 0 {
                return None;
            }
            tail.get(usize::from(length)..).map(NameRef)
        })
    }

    /// How many labels there are, the root not counted.
    pub fn label_count(self) -> usize {
        self.labels().count()
    }

    /// Whether it has two labels or more.
    pub fn has_dot(self) -> bool {
        self.labels().nth(1).is_some()
    }

    /// The rightmost label: the top-level domain.
    pub fn last_label(self) -> Option<&'a [u8]> {
        let (mut at, mut last) = (0, None);
        while let Some(&length) = self.0.get(at).filter(|&&length| length != 0) {
            let next = at + 1 + usize::from(length);
            last = self.0.get(at + 1..next);
            at = next;
        }
        last
    }

    /// Whether the last label is all digits, or hexadecimal with 0x. Such a name is not public, but lenient readers take it for
    /// an address.
    pub fn ends_in_number(self) -> bool {
        let Some(last) = self.last_label() else { return false };
        let hex = last.strip_prefix(b"0x").or_else(|| last.strip_prefix(b"0X"));
        match hex {
            Some(digits) => digits.iter().all(u8::is_ascii_hexdigit),
            None => last.iter().all(u8::is_ascii_digit),
        }
    }

    /// Equal by label, ASCII case folded (RFC 4343).
    pub fn same(self, other: NameRef<'_>) -> bool {
        // A length octet is at most 63, below every ASCII letter, so folding it changes nothing.
        self.0.eq_ignore_ascii_case(other.0)
    }

    /// This name is `ancestor` or lies below it.
    pub fn is_within(self, ancestor: NameRef<'_>) -> bool {
        self.ancestor_of_length(ancestor.0.len()).is_some_and(|name| name.same(ancestor))
    }

    /// The ancestor, or the name itself, that has this length on the wire.
    pub(super) fn ancestor_of_length(self, length: usize) -> Option<NameRef<'a>> {
        self.ancestors().find(|name| name.0.len() <= length).filter(|name| name.0.len() == length)
    }

    /// An owned, lower-cased copy.
    pub fn to_name(self) -> Name {
        let mut octets: Arc<[u8]> = self.0.into();
        // Nobody shares it yet.
        if let Some(octets) = Arc::get_mut(&mut octets) {
            octets.make_ascii_lowercase();
        }
        Name(octets)
    }

    /// No octet that a careless parser takes for the end of a name or for a compression pointer:
    /// zero, or 0x80 and up, within a label.
    pub fn is_plain(self) -> bool {
        // Length octets are 1–63, so the only zero of a plain name is the root's.
        self.0.is_ascii() && self.0.iter().position(|&octet| octet == 0) == self.0.len().checked_sub(1)
    }

    /// The name as one word of a command, lower-cased: `None` unless every shell takes all of it for plain letters, and every
    /// command for no option. Names are an attacker's to choose, and commands are pasted.
    pub fn as_word(self) -> Option<String> {
        let text = self.to_name().to_string();
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (text.bytes().all(is_plain) && !text.starts_with('-')).then_some(text)
    }

    /// A lower-cased copy that takes no allocation.
    pub fn fold(self) -> FoldedName {
        FoldedName(NameBuf::of(self).folded())
    }
}

/// A lower-cased name, to be looked up by.
#[derive(Clone, Copy)]
pub struct FoldedName(NameBuf);

impl FoldedName {
    /// The borrowed form.
    pub fn as_ref(&self) -> NameRef<'_> {
        self.0.as_name()
    }
}

impl fmt::Display for NameRef<'_> {
    /// Presentation format without the final dot; everything but letters, digits, `-`, `_`
    /// and `*` is escaped, so that the text is safe in a log line, a terminal and a TOML string.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == [0] {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for &byte in label {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' => {
                        write!(f, "{}", char::from(byte))?;
                    }
                    other => write_escaped(&[other], f)?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Writes the length of the label that starts at `start`, and makes room for the next one's, which it gives the place of.
fn end_label(wire: &mut Vec<u8>, start: usize) -> Result<usize, NameError> {
    let length = wire.len() - start - 1;
    if length == 0 {
        return Err(NameError::EmptyLabel);
    }
    if length > MAX_LABEL {
        return Err(NameError::LongLabel);
    }
    let place = wire.get_mut(start).ok_or(NameError::Wire)?;
    *place = u8::try_from(length).map_err(|_| NameError::LongLabel)?;
    wire.push(0);
    Ok(wire.len() - 1)
}

/// `\DDD` is an octet by number, `\X` is X itself (RFC 1035 §5.1).
fn unescape(bytes: &mut std::str::Bytes<'_>) -> Result<u8, NameError> {
    let first = bytes.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return Ok(first.to_ascii_lowercase());
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = bytes.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    let octet = u8::try_from(value).map_err(|_| NameError::BadEscape)?;
    Ok(octet.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn names_are_within_a_domain_by_label_only() {
        for (inner, outer, within) in [
            ("plex.direct", "plex.direct", true),
            ("a.PLEX.direct", "plex.direct", true),
            ("evilplex.direct", "plex.direct", false),
            ("plex.direct.evil.com", "plex.direct", false),
            ("direct", "plex.direct", false),
            (r"evil\.plex.direct", "plex.direct", false),
            (r"evil\000.plex.direct", "plex.direct", true),
            (r"x.plex\.direct", "plex.direct", false),
            (r"x\004plex.direct", "plex.direct", false),
            ("a.b", ".", true),
        ] {
            assert_eq!(name(inner).as_ref().is_within(name(outer).as_ref()), within, "{inner} in {outer}");
        }
    }

    #[test]
    fn broken_text_is_told_apart() {
        let long = "a".repeat(64);
        let many = "abcdefg.".repeat(40);
        for (text, error) in [
            ("", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            (long.as_str(), NameError::LongLabel),
            (many.as_str(), NameError::LongName),
            (r"a\", NameError::BadEscape),
            (r"a\25x", NameError::BadEscape),
            (r"a\999", NameError::BadEscape),
            ("a b", NameError::Whitespace),
        ] {
            assert_eq!(Name::from_text(text), Err(error), "{text}");
        }
    }

    #[test]
    fn unicode_becomes_a_labels_and_odd_octets_are_escaped() {
        assert_eq!(name("Bücher.Example").to_string(), "xn--bcher-kva.example");
        assert_eq!(name(r"a\.b\000\200.c").to_string(), r"a\046b\000\200.c");
        assert_eq!(name("evil。com"), name("evil.com"));
        assert!(!name(r"a\200.c").as_ref().is_plain());
    }
}
