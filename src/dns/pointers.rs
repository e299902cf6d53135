//! The places of names that a compressed owner name may point to: the question, and the targets of its aliases.
//!
//! An attacker chooses all of these names, and how many records look them up. So a lookup compares octets only once with each
//! target, whatever labels the target has.

use super::name::{MAX_NAME, NameRef};
use super::wire::{HEADER, NameBuf};

/// The most targets that are remembered: as many as the longest alias chain that is followed.
const MOST: usize = super::MAX_ALIASES;

/// A name that is uncompressed in the message.
struct Place {
    /// Its offset in the message.
    at: usize,
    /// In lower case.
    name: NameBuf,
    /// The offsets of its labels and its root.
    starts: [bool; MAX_NAME],
}

/// The names of one message.
pub(super) struct Pointers {
    question: NameBuf,
    targets: Vec<Place>,
}

impl Pointers {
    /// The names of a message with this question.
    pub(super) fn new(question: NameRef<'_>) -> Self {
        Self { question: NameBuf::of(question), targets: Vec::new() }
    }

    /// Adds the target at offset `at` of the message.
    pub(super) fn add(&mut self, at: usize, name: NameRef<'_>) {
        if self.targets.len() >= MOST {
            return;
        }
        let mut starts = [false; MAX_NAME];
        for start in name.ancestors().filter_map(|ancestor| start_of(name, ancestor.as_wire().len())) {
            if let Some(start) = starts.get_mut(start) {
                *start = true;
            }
        }
        self.targets.push(Place { at, name: NameBuf::of(name).folded(), starts });
    }

    /// The offset at which `owner` can be read: as the end of the question, or of the first target that ends with it.
    pub(super) fn find(&self, owner: NameRef<'_>) -> Option<usize> {
        let length = owner.as_wire().len();
        if length == 1 {
            return None;
        }
        let question = self.question.as_name();
        if question.ancestor_of_length(length).is_some_and(|end| end.same(owner)) {
            return start_of(question, length).map(|start| HEADER + start);
        }
        if self.targets.is_empty() {
            return None;
        }
        let owner = NameBuf::of(owner).folded();
        self.targets.iter().find_map(|target| {
            let start = start_of(target.name.as_name(), length)?;
            let ends_with = *target.starts.get(start)?
                && target.name.as_name().as_wire().get(start..)? == owner.as_name().as_wire();
            ends_with.then_some(target.at + start)
        })
    }
}

/// The offset in `name` of its last `length` octets.
fn start_of(name: NameRef<'_>, length: usize) -> Option<usize> {
    name.as_wire().len().checked_sub(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{Name, Question, RecordType, UpstreamResponse};
    use proptest::prelude::*;

    /// The definition: the first name in the message, in order, of which `owner` is an ancestor or the whole.
    fn defined(names: &[(usize, Name)], owner: NameRef<'_>) -> Option<usize> {
        names.iter().find_map(|(at, name)| {
            let found = name.as_ref().ancestors().find(|ancestor| ancestor.same(owner))?;
            let start = name.as_wire().len() - found.as_wire().len();
            (found.as_wire().len() > 1).then_some(at + start)
        })
    }

    fn check(question: &str, targets: &[String], owner: &str) {
        let name = |text: &str| Name::from_text(text).unwrap();
        let mut names = vec![(HEADER, name(question))];
        let mut pointers = Pointers::new(names[0].1.as_ref());
        for (index, target) in targets.iter().enumerate() {
            let at = 300 * (index + 1);
            names.push((at, name(target)));
            pointers.add(at, name(target).as_ref());
        }
        let owner = name(owner);
        let upper = owner.as_wire().to_ascii_uppercase();
        for spelled in [owner.as_ref(), NameRef::from_wire(&upper).unwrap()] {
            assert_eq!(pointers.find(spelled), defined(&names, spelled), "{owner} in {names:?}");
        }
    }

    #[test]
    fn a_pointer_leads_to_the_first_name_that_ends_with_the_owner() {
        let targets = ["cdn.example.net", "a.cdn.example.net", r"x\004evil.org"].map(str::to_owned);
        for owner in [
            "www.example.org",
            "example.org",
            "org",
            ".",
            "cdn.example.net",
            "a.cdn.example.net",
            "net",
            "dn.example.net",
            "b.cdn.example.net",
            // Octets that end a target, but do not begin at one of its labels.
            r"evil.org",
            r"x\004evil.org",
        ] {
            check("www.Example.org", &targets, owner);
        }
    }

    /// An alias chain of so many names of 255 octets and 127 labels, which differ in one label, and `records` at its end.
    fn chain(aliases: u8, records: u16, differs_at: usize) -> (Question, Vec<u8>) {
        let name = |number: u8| {
            let mut wire = b"\x01a".repeat(127);
            wire[differs_at] = b'b' + number;
            wire.push(0);
            wire
        };
        let asked = name(0);
        let question = Question::new(NameRef::from_wire(&asked).unwrap(), RecordType::A);
        let mut wire = vec![0, 0, 0x81, 0x80, 0, 1];
        wire.extend((u16::from(aliases) + records).to_be_bytes());
        wire.extend([0; 4]);
        question.write(&mut wire);
        let mut owner = HEADER;
        let pointer = |at: usize| (0xc000 | u16::try_from(at).unwrap()).to_be_bytes();
        for alias in 1..=aliases {
            wire.extend(pointer(owner));
            wire.extend([0, 5, 0, 1, 0, 0, 0, 9, 0, 255]);
            owner = wire.len();
            wire.extend(name(alias));
        }
        for record in 0..records {
            wire.extend(pointer(owner));
            wire.extend([0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 1]);
            wire.extend(record.to_be_bytes());
        }
        (question, wire)
    }

    /// Each lookup compares once with each name that is remembered, so their number bounds the work for a reply.
    #[test]
    fn no_more_names_are_remembered_than_the_longest_alias_chain_has() {
        let name = |number: u8| Name::from_text(&format!("n{number}.example")).unwrap();
        let mut pointers = Pointers::new(name(0).as_ref());
        for number in 1..100 {
            pointers.add(300 * usize::from(number), name(number).as_ref());
        }
        assert_eq!(pointers.targets.len(), MOST);
        assert_eq!(pointers.find(name(16).as_ref()), Some(300 * MOST));
        assert_eq!(pointers.find(name(17).as_ref()), None);
    }

    #[test]
    fn long_aliases_and_the_records_behind_them_are_read_whole() {
        for differs_at in [1, 127, 253] {
            let (question, wire) = chain(16, 3_300, differs_at);
            let response = UpstreamResponse::parse(&wire, &question, true).unwrap();
            assert_eq!(response.message().answer_count(), 16 + 3_300);
        }
    }

    proptest! {
        #[test]
        fn it_is_what_the_definition_says(
            question in "[ab](\\.[ab]{1,2}){0,3}",
            targets in proptest::collection::vec("([ab]|a\\\\001|\\\\002b)(\\.([ab]|\\\\001[ab])){0,5}", 0..16),
            owner in "([ab]|\\\\001)(\\.[ab]{1,2}){0,4}",
        ) {
            check(&question, &targets, &owner);
        }
    }
}
