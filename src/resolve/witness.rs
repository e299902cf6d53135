//! One name that an operator watches: whether a client asks for it shows whether that client's questions come here.
//!
//! The answer is made here, so that neither an upstream nor the cache has a say in it. An operator chooses the name, but only
//! one with a first label that no real name has: no name that somebody needs can be hidden.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use arc_swap::ArcSwapOption;

use crate::dns::{LocalAnswer, Name, NameRef, Question};

/// How long a name is watched after an operator last asked about it, in milliseconds.
const WATCHED_FOR: u64 = 60_000;
/// What the first label of a watched name starts with; 16 hexadecimal digits follow.
const LABEL: &[u8] = b"stubborn-";
const DIGITS: usize = 16;

/// The watched name, if there is one.
#[derive(Debug, Default)]
pub(super) struct Witness(ArcSwapOption<Watched>);

#[derive(Debug)]
struct Watched {
    name: Name,
    until: AtomicU64,
    times: AtomicU64,
}

/// Whether a name may be watched.
pub fn may_be_watched(name: NameRef<'_>) -> bool {
    let digits = name.labels().next().and_then(|label| {
        let (prefix, digits) = label.split_at_checked(LABEL.len())?;
        prefix.eq_ignore_ascii_case(LABEL).then_some(digits)
    });
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

impl Witness {
    /// Watches `name`, and says how often it was asked for since it was first named here. It takes the place of another name.
    pub(super) fn watch(&self, name: NameRef<'_>, now: u64) -> u64 {
        let until = now.saturating_add(WATCHED_FOR);
        match self.0.load().as_deref() {
            Some(watched) if watched.is_for(name, now) => {
                watched.until.store(until, Relaxed);
                watched.times.load(Relaxed)
            }
            _ => {
                let (name, until) = (name.to_name(), AtomicU64::new(until));
                self.0.store(Some(Watched { name, until, times: AtomicU64::new(0) }.into()));
                0
            }
        }
    }

    /// The answer to a question for the watched name: it exists, and has no records.
    pub(super) fn answer(&self, question: &Question, now: u64) -> Option<LocalAnswer> {
        let watched = self.0.load();
        let watched = watched.as_deref().filter(|watched| watched.is_for(question.name(), now))?;
        watched.times.fetch_add(1, Relaxed);
        Some(LocalAnswer::nodata(question))
    }
}

impl Watched {
    fn is_for(&self, name: NameRef<'_>, now: u64) -> bool {
        self.name.as_ref().same(name) && now < self.until.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::RecordType;

    #[test]
    fn a_watched_name_is_answered_and_counted_until_its_time_is_over() {
        let name = |text: &str| Name::from_text(text).unwrap();
        let question = |text: &str| Question::new(name(text).as_ref(), RecordType::A);
        let (watched, other) =
            ("stubborn-0123456789abcdef.example.com", "stubborn-0123456789abcdee.example.com");
        let witness = Witness::default();
        assert!(witness.answer(&question(watched), 0).is_none());
        assert_eq!(witness.watch(name(watched).as_ref(), 0), 0);
        assert!(witness.answer(&question(other), 1).is_none());
        assert!(witness.answer(&question("Stubborn-0123456789ABCDEF.example.com"), 1).is_some());
        assert!(witness.answer(&question(watched), 1).is_some());
        assert_eq!(witness.watch(name(watched).as_ref(), 2), 2);
        assert!(witness.answer(&question(watched), WATCHED_FOR + 1).is_some());
        assert!(witness.answer(&question(watched), WATCHED_FOR + 2).is_none());
        assert_eq!(witness.watch(name(watched).as_ref(), WATCHED_FOR + 2), 0, "it begins anew");
        assert_eq!(witness.watch(name(other).as_ref(), WATCHED_FOR + 2), 0);
        assert!(witness.answer(&question(watched), WATCHED_FOR + 3).is_none());
    }

    #[test]
    fn only_a_name_that_nobody_has_may_be_watched() {
        for (text, expected) in [
            ("stubborn-0123456789abcdef.example.com", true),
            ("STUBBORN-0123456789ABCDEF.example.com", true),
            ("stubborn-0123456789abcdef", true),
            ("stubborn-0123456789abcde.example.com", false),
            ("stubborn-0123456789abcdefa.example.com", false),
            ("stubborn-0123456789abcdeg.example.com", false),
            ("www.stubborn-0123456789abcdef.example.com", false),
            ("stubborn.example.com", false),
            ("example.com", false),
            (".", false),
        ] {
            assert_eq!(may_be_watched(Name::from_text(text).unwrap().as_ref()), expected, "{text}");
        }
    }
}
