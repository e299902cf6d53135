//! The domains above a set of names.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher;

use foldhash::quality::RandomState;

use super::name::{Name, NameRef};

/// The domains of two or more labels above a set of names. A single lookup finds a name of the set below a domain.
#[derive(Debug, Default)]
pub struct Ancestors {
    /// A name below each domain, by the domain's hash. The domains themselves would take more memory than the names.
    below: HashMap<u64, Name, RandomState>,
}

impl Ancestors {
    /// Adds `name`. With `itself`, the name also counts as a domain above itself.
    pub fn add(&mut self, name: &Name, itself: bool) {
        let skipped = usize::from(!itself);
        for ancestor in name.as_ref().ancestors().skip(skipped).take_while(|ancestor| ancestor.has_dot()) {
            let hash = self.below.hasher().hash_one(ancestor.as_wire());
            match self.below.entry(hash) {
                // The name that added this domain also added the domains above it.
                Entry::Occupied(_) => return,
                Entry::Vacant(place) => place.insert(name.clone()),
            };
        }
    }

    /// A name of the set below `domain`, lower-cased.
    pub fn find(&self, domain: NameRef<'_>) -> Option<&Name> {
        let found = self.below.get(&self.below.hasher().hash_one(domain.as_wire()))?;
        found.as_ref().is_within(domain).then_some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::from_text(text).unwrap()
    }

    #[test]
    fn a_domain_is_above_the_names_below_it() {
        let mut above = Ancestors::default();
        above.add(&name("a.nas.example.org"), false);
        above.add(&name("b.nas.example.org"), false);
        above.add(&name("dev.example.net"), true);
        for (domain, below) in [
            ("nas.example.org", Some("a.nas.example.org")),
            ("example.org", Some("a.nas.example.org")),
            ("a.nas.example.org", None),
            ("x.nas.example.org", None),
            ("dev.example.net", Some("dev.example.net")),
            ("example.net", Some("dev.example.net")),
            ("example.com", None),
            ("ample.org", None),
        ] {
            assert_eq!(above.find(name(domain).as_ref()), below.map(name).as_ref(), "{domain}");
        }
    }
}
