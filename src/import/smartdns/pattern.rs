//! Which names a setting is for, as SmartDNS writes it.

use crate::import::spelling;

/// `/domain/rest`
pub(super) fn domain(text: &str) -> (&str, &str) {
    text.strip_prefix('/').and_then(|text| text.split_once('/')).unwrap_or(("", text))
}

/// Why a pattern is not a domain.
pub(super) enum Unfit {
    /// It is for every name.
    Every,
    /// It is for a set of names.
    Set,
}

/// A domain, and which of its names are meant.
pub(super) struct Pattern {
    pub(super) domain: String,
    itself: bool,
    below: bool,
}

impl Pattern {
    pub(super) fn of(text: &str) -> Result<Self, Unfit> {
        if matches!(text, "" | "#" | "*" | ".") {
            return Err(Unfit::Every);
        }
        let (domain, itself, below) = if let Some(below) = text.strip_prefix("*.") {
            (below, false, true)
        } else if let Some(itself) = text.strip_prefix("-.") {
            (itself, true, false)
        } else {
            (text, true, true)
        };
        match domain.contains(['*', ':']) {
            true => Err(Unfit::Set),
            false => Ok(Self { domain: spelling::name(domain), itself, below }),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.itself && self.below
    }

    /// The local names that it means.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let itself = self.itself.then(|| self.domain.clone());
        let below = self.below.then(|| format!("*.{}", self.domain));
        itself.into_iter().chain(below)
    }
}
