//! Names that `stubborn doctor` asks for to see what becomes of them. Their blocks are not attacks, so they are not reported; what
//! became of them is kept for the command that asks.
//!
//! Only who may use the control socket can announce such names, each with a random label. A page that imitates them does not
//! know the label, so its blocks are reported like any other.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dns::{Name, NameRef};
use crate::policy::Category;

/// How the first label of such a name begins; 16 hexadecimal digits follow.
const PREFIX: &str = "stubborn-probe-";
const DIGITS: usize = 16;
/// Names that are known at a time.
const NAMES: usize = 512;
/// How long a name is known after it was announced.
const LASTS: Duration = Duration::from_secs(30);

/// Why names are not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// Somebody else might ask for such a name.
    #[error("the first label of a probe is \"{PREFIX}\" and {DIGITS} hexadecimal digits")]
    NotRandom,
    /// There are too many.
    #[error("{NAMES} names are announced already; try again in a minute")]
    TooMany,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The name.
    pub name: Name,
    /// Queries for it that were answered.
    pub seen: u64,
    /// Those whose answer led inside and was blocked.
    pub blocked: u64,
    until: Instant,
}

/// The names that were announced.
#[derive(Debug, Default)]
pub(super) struct Probes {
    /// There may be one: read for each answer.
    any: AtomicBool,
    known: Mutex<Vec<Probe>>,
}

impl Probes {
    /// Announces names that are not known yet, and says what became so far of each.
    pub(super) fn announce(&self, names: &[Name], now: Instant) -> Result<Vec<Probe>, ProbeError> {
        if !names.iter().all(|name| is_random(name.as_ref())) {
            return Err(ProbeError::NotRandom);
        }
        let mut known = self.lock();
        known.retain(|probe| now < probe.until);
        let is_known = |known: &[Probe], name: &Name| known.iter().any(|probe| probe.name == *name);
        if known.len() + names.iter().filter(|name| !is_known(&known, name)).count() > NAMES {
            return Err(ProbeError::TooMany);
        }
        for name in names {
            if !is_known(&known, name) {
                known.push(Probe { name: name.clone(), seen: 0, blocked: 0, until: now + LASTS });
            }
        }
        self.any.store(!known.is_empty(), Relaxed);
        Ok(known.iter().filter(|probe| names.contains(&probe.name)).cloned().collect())
    }

    /// Notes an answer, if it is for such a name. Costs a load while there are none.
    pub(super) fn note(&self, name: NameRef<'_>, category: Option<Category>) -> bool {
        if !self.any.load(Relaxed) {
            return false;
        }
        let now = Instant::now();
        let mut known = self.lock();
        known.retain(|probe| now < probe.until);
        self.any.store(!known.is_empty(), Relaxed);
        let Some(probe) = known.iter_mut().find(|probe| probe.name.as_ref().same(name)) else {
            return false;
        };
        probe.seen += 1;
        probe.blocked += u64::from(category == Some(Category::Blocked));
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Probe>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_random(name: NameRef<'_>) -> bool {
    let label = name.labels().next().unwrap_or_default();
    label.split_at_checked(PREFIX.len()).is_some_and(|(prefix, digits)| {
        prefix.eq_ignore_ascii_case(PREFIX.as_bytes())
            && digits.len() == DIGITS
            && digits.iter().all(u8::is_ascii_hexdigit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn only_announced_names_are_probes_and_only_for_a_time() {
        let (probes, now) = (Probes::default(), Instant::now());
        let announced = name("stubborn-probe-0123456789abcdef.10.0.0.1.nip.io");
        assert!(!probes.note(announced.as_ref(), Some(Category::Blocked)), "not announced yet");
        probes.announce(std::slice::from_ref(&announced), now).unwrap();
        for other in [
            "10.0.0.1.nip.io",
            "stubborn-probe-0123456789abcdee.10.0.0.1.nip.io",
            "stubborn-probe-0123456789abcdef.evil.example",
        ] {
            assert!(!probes.note(name(other).as_ref(), Some(Category::Blocked)), "{other}");
        }
        let in_capitals = name("STUBBORN-probe-0123456789ABCDEF.10.0.0.1.nip.io");
        assert!(probes.note(in_capitals.as_ref(), Some(Category::Blocked)));
        assert!(probes.note(announced.as_ref(), None));
        let [seen] = &probes.announce(std::slice::from_ref(&announced), now).unwrap()[..] else { panic!() };
        assert_eq!((seen.seen, seen.blocked), (2, 1));
        let [again] = &probes.announce(&[announced], now + LASTS).unwrap()[..] else { panic!() };
        assert_eq!(again.seen, 0, "the first announcement is over");
    }

    #[test]
    fn names_that_others_may_ask_for_and_too_many_are_refused() {
        let (probes, now) = (Probes::default(), Instant::now());
        for text in [
            "evil.example",
            "stubborn-probe-0123.evil.example",
            "x.stubborn-probe-0123456789abcdef.example",
            ".",
        ] {
            assert_eq!(probes.announce(&[name(text)], now), Err(ProbeError::NotRandom), "{text}");
        }
        let many = |first: usize| -> Vec<Name> {
            (first..first + NAMES).map(|n| name(&format!("stubborn-probe-{n:016x}.example"))).collect()
        };
        assert_eq!(probes.announce(&many(0), now).map(|all| all.len()), Ok(NAMES));
        assert_eq!(probes.announce(&many(1), now), Err(ProbeError::TooMany));
        assert_eq!(probes.announce(&many(1), now + LASTS).map(|all| all.len()), Ok(NAMES));
    }
}
