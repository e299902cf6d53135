//! What makes two questions the same.

use crate::dns::{NameRef, Question};

/// A name, its type, the flags, and the route.
const MAX_KEY: usize = 255 + 2 + 1 + 8;

/// The key of a question: its name without letter case, its type, DO and CD, and the route it takes.
///
/// The class is always IN. A route's number comes from its content, so that after a reload what other servers said is
/// not found.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    octets: [u8; MAX_KEY],
    length: usize,
}

impl Key {
    /// The key of `question` on the route numbered `route`.
    pub fn new(question: &Question, dnssec_ok: bool, checking_disabled: bool, route: u64) -> Self {
        let mut octets = [0; MAX_KEY];
        let name = question.name().as_wire();
        for (folded, octet) in octets.iter_mut().zip(name) {
            *folded = octet.to_ascii_lowercase();
        }
        let [high, low] = question.rtype.0.to_be_bytes();
        let flags = u8::from(dnssec_ok) | u8::from(checking_disabled) << 1;
        let length = name.len() + 11;
        let rest = octets.get_mut(name.len()..length).and_then(<[u8]>::split_first_chunk_mut);
        if let Some((kind, number)) = rest {
            *kind = [high, low, flags];
            number.copy_from_slice(&route.to_be_bytes());
        }
        Self { octets, length }
    }

    /// The octets to look up.
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }

    /// Whether octets that were a key's are of `ancestor` or a name below it.
    pub(super) fn is_within(key: &[u8], ancestor: NameRef<'_>) -> bool {
        // The name ends with the root's empty label; what follows is none of it.
        let mut end = 0;
        while let Some(&length) = key.get(end).filter(|length| **length > 0) {
            end += 1 + usize::from(length);
        }
        let name = key.get(..=end).and_then(|wire| NameRef::from_wire(wire).ok());
        name.is_some_and(|name| name.is_within(ancestor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, RecordType};

    fn key(name: &str, rtype: RecordType, dnssec_ok: bool, checking_disabled: bool, route: u64) -> Vec<u8> {
        let question = Question::new(Name::from_text(name).unwrap().as_ref(), rtype);
        Key::new(&question, dnssec_ok, checking_disabled, route).as_bytes().to_vec()
    }

    #[test]
    fn letter_case_does_not_matter_and_everything_else_does() {
        let base = key("a.example", RecordType::A, false, false, 1);
        let upper = Question::new(Name::from_text("a.example").unwrap().as_ref(), RecordType::A)
            .with_case(&[0xff; 32]);
        assert_eq!(Key::new(&upper, false, false, 1).as_bytes(), base);
        for other in [
            key("b.example", RecordType::A, false, false, 1),
            key("a.example", RecordType::AAAA, false, false, 1),
            key("a.example", RecordType::A, true, false, 1),
            key("a.example", RecordType::A, false, true, 1),
            key("a.example", RecordType::A, false, false, 2),
        ] {
            assert_ne!(other, base);
        }
    }
}
