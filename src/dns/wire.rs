//! Reading octets strictly: every access is checked, every error ends the message.

use super::name::{MAX_LABEL, MAX_NAME, NameRef};

/// The fixed length of a message's header (RFC 1035 §4.1.1).
pub(super) const HEADER: usize = 12;

/// The octets are not what the format says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed message")]
pub struct Malformed;

/// A place in a message.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    wire: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader of `wire` that stands at `at`.
    pub(super) fn new(wire: &'a [u8], at: usize) -> Self {
        Self { wire, at }
    }

    /// Where the reader stands.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.wire.len()
    }

    /// The next `length` octets.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let end = self.at.checked_add(length).ok_or(Malformed)?;
        let taken = self.wire.get(self.at..end).ok_or(Malformed)?;
        self.at = end;
        Ok(taken)
    }

    /// The next octet.
    pub(super) fn u8(&mut self) -> Result<u8, Malformed> {
        self.take(1)?.first().copied().ok_or(Malformed)
    }

    /// The next 16 bits.
    pub(super) fn u16(&mut self) -> Result<u16, Malformed> {
        let octets = self.take(2)?.try_into().map_err(|_| Malformed)?;
        Ok(u16::from_be_bytes(octets))
    }

    /// The next 32 bits.
    pub(super) fn u32(&mut self) -> Result<u32, Malformed> {
        let octets = self.take(4)?.try_into().map_err(|_| Malformed)?;
        Ok(u32::from_be_bytes(octets))
    }

    /// Steps over a name, checking all of it (see [`Labels`]); returns where it began.
    pub(super) fn skip_name(&mut self) -> Result<usize, Malformed> {
        let start = self.at;
        let mut labels = Labels::new(self.wire, start);
        while labels.next()?.is_some() {}
        self.at = labels.end;
        Ok(start)
    }

    /// Copies a name, compressed or not, into `name`.
    pub(super) fn name(&mut self, name: &mut NameBuf) -> Result<(), Malformed> {
        let mut labels = Labels::new(self.wire, self.at);
        name.clear();
        while let Some(label) = labels.next()? {
            name.push(label)?;
        }
        name.push(&[])?;
        self.at = labels.end;
        Ok(())
    }
}

/// The labels of a possibly compressed name.
///
/// Strict: a pointer leads to before the run of labels it ends (so no loop is possible), there are at most
/// [`MAX_JUMPS`] of them, lengths are 0–63, the whole is at most 255 octets (RFC 1035 §4.1.4, §3.1).
pub(super) struct Labels<'a> {
    wire: &'a [u8],
    at: usize,
    run: usize,
    length: usize,
    /// Where the name ends in the place it was read at.
    end: usize,
    jumps: usize,
}

/// Pointers one name may be pieced together with: as many as it can have labels. More lead through no labels, and cost time
/// whenever the name is looked at.
const MAX_JUMPS: usize = 127;

impl<'a> Labels<'a> {
    /// The labels of the name at `at`.
    pub(super) fn new(wire: &'a [u8], at: usize) -> Self {
        Self { wire, at, run: at, length: 1, end: at, jumps: 0 }
    }

    /// The next label; `None` at the root.
    pub(super) fn next(&mut self) -> Result<Option<&'a [u8]>, Malformed> {
        loop {
            let length = *self.wire.get(self.at).ok_or(Malformed)?;
            match length >> 6 {
                0 if length == 0 => {
                    if self.jumps == 0 {
                        self.end = self.at + 1;
                    }
                    return Ok(None);
                }
                0 => {
                    let start = self.at + 1;
                    let end = start + usize::from(length);
                    self.length += usize::from(length) + 1;
                    if self.length > MAX_NAME {
                        return Err(Malformed);
                    }
                    self.at = end;
                    return self.wire.get(start..end).ok_or(Malformed).map(Some);
                }
                3 => {
                    let low = *self.wire.get(self.at + 1).ok_or(Malformed)?;
                    let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if target >= self.run || target < HEADER {
                        return Err(Malformed);
                    }
                    if self.jumps == 0 {
                        self.end = self.at + 2;
                    }
                    self.jumps += 1;
                    if self.jumps > MAX_JUMPS {
                        return Err(Malformed);
                    }
                    self.at = target;
                    self.run = target;
                }
                _ => return Err(Malformed),
            }
        }
    }
}

/// The name at `at` of a message whose names were checked equals `name`, ASCII case folded.
pub(super) fn name_at_is(wire: &[u8], at: usize, name: NameRef<'_>) -> bool {
    let mut labels = Labels::new(wire, at);
    let mut expected = name.labels();
    loop {
        match (labels.next(), expected.next()) {
            (Ok(Some(label)), Some(other)) if label.eq_ignore_ascii_case(other) => {}
            (Ok(None), None) => return true,
            _ => return false,
        }
    }
}

/// Room for one uncompressed name.
#[derive(Clone, Copy)]
pub(super) struct NameBuf {
    octets: [u8; MAX_NAME],
    length: u8,
}

impl NameBuf {
    /// The root.
    pub(super) fn new() -> Self {
        Self { octets: [0; MAX_NAME], length: 1 }
    }

    /// A copy of `name`.
    pub(super) fn of(name: NameRef<'_>) -> Self {
        let mut buffer = Self::new();
        let wire = name.as_wire();
        if let Some(room) = buffer.octets.get_mut(..wire.len()) {
            room.copy_from_slice(wire);
            buffer.length = u8::try_from(wire.len()).unwrap_or(1);
        }
        buffer
    }

    /// The name it holds.
    pub(super) fn as_name(&self) -> NameRef<'_> {
        let octets = self.octets.get(..usize::from(self.length)).unwrap_or_default();
        NameRef::from_checked(octets)
    }

    /// The name at `at`, which has to stand whole in one run of labels: a pointer in it is malformed.
    pub(super) fn whole(wire: &[u8], at: usize) -> Result<Self, Malformed> {
        let mut end = at;
        loop {
            let length = usize::from(*wire.get(end).ok_or(Malformed)?);
            end += 1 + length;
            if length > MAX_LABEL || end - at > MAX_NAME {
                return Err(Malformed);
            }
            if length == 0 {
                break;
            }
        }
        let mut name = Self::new();
        let octets = wire.get(at..end).ok_or(Malformed)?;
        name.octets.get_mut(..octets.len()).ok_or(Malformed)?.copy_from_slice(octets);
        name.length = u8::try_from(octets.len()).map_err(|_| Malformed)?;
        Ok(name)
    }

    /// The name in lower case.
    pub(super) fn folded(mut self) -> Self {
        // A length octet is at most 63: no ASCII letter.
        self.octets.make_ascii_lowercase();
        self
    }

    /// The name with each letter in upper case where its bit of `coins` is set, in lower case elsewhere.
    pub(super) fn with_case(mut self, coins: &[u8; 32]) -> Self {
        let name = self.octets.get_mut(..usize::from(self.length)).unwrap_or_default();
        for (octets, coins) in name.chunks_mut(8).zip(coins) {
            for (bit, octet) in octets.iter_mut().enumerate() {
                let lower = octet.to_ascii_lowercase();
                let is_letter = u8::from(lower.is_ascii_lowercase());
                *octet = lower & !((coins >> bit & is_letter) << 5);
            }
        }
        self
    }

    fn clear(&mut self) {
        self.length = 0;
    }

    fn push(&mut self, label: &[u8]) -> Result<(), Malformed> {
        let start = usize::from(self.length);
        let end = start + 1 + label.len();
        let (length, room) =
            self.octets.get_mut(start..end).and_then(<[u8]>::split_first_mut).ok_or(Malformed)?;
        *length = u8::try_from(label.len()).ok().filter(|&l| usize::from(l) <= MAX_LABEL).ok_or(Malformed)?;
        room.copy_from_slice(label);
        self.length = u8::try_from(end).map_err(|_| Malformed)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve octets of header, then `rest`.
    fn message(rest: &[u8]) -> Vec<u8> {
        let mut wire = vec![0; HEADER];
        wire.extend_from_slice(rest);
        wire
    }

    fn read(rest: &[u8], at: usize) -> Result<(String, usize), Malformed> {
        let wire = message(rest);
        let mut reader = Reader::new(&wire, HEADER + at);
        let mut name = NameBuf::new();
        reader.name(&mut name)?;
        let mut skipper = Reader::new(&wire, HEADER + at);
        skipper.skip_name()?;
        assert_eq!(skipper.position(), reader.position());
        Ok((name.as_name().to_string(), reader.position() - HEADER))
    }

    #[test]
    fn names_are_read_with_and_without_pointers() {
        assert_eq!(read(b"\x01a\x01b\0", 0), Ok(("a.b".into(), 5)));
        assert_eq!(read(b"\x01a\x01b\0\x01c\xc0\x0c", 5), Ok(("c.a.b".into(), 9)));
        assert_eq!(read(b"\x01a\x01b\0\xc0\x0e", 5), Ok(("b".into(), 7)));
        assert_eq!(read(b"\x01b\0\x01a\xc0\x0c\x01x\xc0\x0f", 7), Ok(("x.a.b".into(), 11)));
    }

    #[test]
    fn a_name_is_pieced_together_with_127_pointers_at_most() {
        // Each pointer leads to the one before it, the first to a name.
        let chain = |jumps: usize| {
            let mut rest = b"\x01a\0".to_vec();
            let mut target = HEADER;
            for _ in 0..jumps {
                let pointer = 0xc000 | u16::try_from(target).unwrap();
                target = HEADER + rest.len();
                rest.extend(pointer.to_be_bytes());
            }
            read(&rest, target - HEADER)
        };
        assert!(chain(127).is_ok());
        assert_eq!(chain(128), Err(Malformed));
    }

    #[test]
    fn hostile_names_are_malformed() {
        let long: Vec<u8> = [b"\x3f".as_slice(), &[b'a'; 63]].concat().repeat(4);
        for (what, rest, at) in [
            ("self", b"\xc0\x0c".to_vec(), 0),
            ("forward", b"\xc0\x10\0\0\x01a\0".to_vec(), 0),
            ("into the header", b"\xc0\x02".to_vec(), 0),
            ("loop", b"\x01a\xc0\x0c".to_vec(), 0),
            ("pair", b"\xc0\x0e\xc0\x0c".to_vec(), 2),
            ("extended label type", b"\x41a\0".to_vec(), 0),
            ("reserved label type", b"\x80a\0".to_vec(), 0),
            ("past the end", b"\x05ab".to_vec(), 0),
            ("no root", b"\x01a".to_vec(), 0),
            ("half a pointer", b"\x01a\xc0".to_vec(), 0),
            ("too long", [long, vec![0]].concat(), 0),
        ] {
            assert_eq!(read(&rest, at), Err(Malformed), "{what}");
        }
    }
}
