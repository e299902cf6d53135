//! What the parts of long files said when they were last read: most changes are to one table of many.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::parts::Part;
use crate::policy::{Exception, Origin};
use crate::resolve::{LocalName, Route};

/// What the tables of a part say.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) exceptions: Vec<Exception>,
    pub(super) routes: Vec<Route>,
    pub(super) locals: Vec<LocalName>,
}

impl Said {
    /// Each line it names is `from` lines after the start no longer, but `to` lines.
    fn moved(mut self, from: usize, to: usize) -> Self {
        if from != to {
            let exceptions = self.exceptions.iter_mut().map(|exception| &mut exception.origin);
            let routes = self.routes.iter_mut().map(|route| &mut route.trust.origin);
            let locals = self.locals.iter_mut().map(|local| &mut local.origin);
            for origin in exceptions.chain(routes).chain(locals) {
                if let Origin::File { line, .. } = origin {
                    let moved = usize::try_from(*line).map(|line| line.saturating_sub(from) + to);
                    *line = moved.ok().and_then(|line| u32::try_from(line).ok()).unwrap_or(u32::MAX);
                }
            }
        }
        self
    }
}

/// What one reading leaves for the next. It changes how long that takes, never what comes of it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// A route's servers are judged by where the daemon listens.
    listen: Vec<SocketAddr>,
    hasher: RandomState,
    parts: HashMap<Key, Arc<Known>, RandomState>,
}

/// The hash of a part and of its file's path, with a seed of this process, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, usize);

/// A part in which nothing was wrong.
#[derive(Debug)]
struct Known {
    lines_before: usize,
    said: Said,
}

impl Memory {
    /// An empty one for a reading that comes after `before`.
    pub(super) fn after(before: &Self) -> Self {
        Self { listen: Vec::new(), hasher: before.hasher.clone(), parts: HashMap::default() }
    }

    /// The settings that what is remembered depends on.
    pub(super) fn set_listen(&mut self, listen: &[SocketAddr]) {
        self.listen = listen.to_vec();
    }

    /// Where a part of the file at `path` is found; none if it may mean another thing elsewhere: one that starts with no
    /// array's table is the first of its file, and what that may hold depends on whether there are more.
    pub(super) fn key(&self, path: &Path, part: &Part<'_>) -> Option<Key> {
        let hash = || self.hasher.hash_one((path, part.text));
        part.starts_with_table().then(|| Key(hash(), part.text.len()))
    }

    /// What a part said in the reading before; `now` in Unix seconds, since a warning comes of an exception that is over.
    pub(super) fn recall(&mut self, before: &Self, key: Key, part: &Part<'_>, now: i64) -> Option<Said> {
        let known = before.parts.get(&key).filter(|_| self.listen == before.listen)?;
        if known.said.exceptions.iter().any(|exception| exception.until.is_some_and(|until| until <= now)) {
            return None;
        }
        self.parts.insert(key, Arc::clone(known));
        Some(known.said.clone().moved(known.lines_before, part.lines_before))
    }

    /// Remembers what a part says.
    pub(super) fn keep(&mut self, key: Key, part: &Part<'_>, said: &Said) {
        let known = Known { lines_before: part.lines_before, said: said.clone() };
        self.parts.insert(key, Arc::new(known));
    }
}

#[cfg(test)]
impl Memory {
    /// How many parts are not in `before`.
    pub(super) fn new_parts(&self, before: &Self) -> usize {
        self.parts.keys().filter(|key| !before.parts.contains_key(key)).count()
    }
}
