//! Reading all files outside the daemon's loop: a file system that hangs does not block `status` or SIGTERM.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use tokio::sync::oneshot;

use super::build::{BuildError, Built, Environment, Memory, Source};
use super::watch::{Watched, Watcher};
use crate::control::Reply;

/// How often everything is read if each reading names files that the one before did not.
const BUILD_ATTEMPTS: usize = 4;
/// The most causes of one reload that are named.
const CAUSES: usize = 4;

/// A requested reload.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    causes: Vec<String>,
    /// Log it even if nothing changed.
    pub(super) say_unchanged: bool,
    /// Where to send its outcome.
    pub(super) replies: Vec<oneshot::Sender<Reply>>,
}

impl Wanted {
    pub(super) fn new(cause: &str, say_unchanged: bool) -> Self {
        Self { causes: vec![cause.to_owned()], say_unchanged, replies: Vec::new() }
    }

    /// A reload whose outcome somebody waits for.
    pub(super) fn by(cause: &str, reply: oneshot::Sender<Reply>) -> Self {
        Self { replies: vec![reply], ..Self::new(cause, true) }
    }

    /// Merges another requested reload into this one: neither has begun.
    pub(super) fn join(&mut self, other: Self) {
        for cause in other.causes {
            if self.causes.len() < CAUSES && !self.causes.contains(&cause) {
                self.causes.push(cause);
            }
        }
        self.say_unchanged |= other.say_unchanged;
        self.replies.extend(other.replies);
    }

    pub(super) fn cause(&self) -> String {
        self.causes.join(", ")
    }
}

/// The reload in progress, and the one after it.
#[derive(Debug, Default)]
pub(super) struct Reloads {
    under_way: Option<(Wanted, oneshot::Receiver<Read>)>,
    pub(super) next: Option<Wanted>,
}

impl Reloads {
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way.is_some()
    }

    /// Begins a reload; [`Reloads::finished`] returns what was read.
    pub(super) fn begin(&mut self, wanted: Wanted, reading: Reading) {
        let (give, given) = mpsc::channel::<Reading>();
        let (sender, mut receiver) = oneshot::channel();
        let read = move || {
            if let Ok(reading) = given.recv() {
                // A daemon that is stopping no longer waits.
                drop(sender.send(reading.read()));
            }
        };
        let unread = match std::thread::Builder::new().name("reload".into()).spawn(read) {
            Ok(_) => give.send(reading).err().map(|unread| unread.0),
            Err(_) => Some(reading),
        };
        if let Some(reading) = unread {
            // If no thread can be started, read here.
            let (sender, here) = oneshot::channel();
            drop(sender.send(reading.read()));
            receiver = here;
        }
        self.under_way = Some((wanted, receiver));
    }

    /// Waits for the reload in progress; `None` if its thread panicked. Dropping the future loses nothing.
    pub(super) async fn finished(&mut self) -> (Wanted, Option<Read>) {
        let Some((_, receiver)) = &mut self.under_way else { return std::future::pending().await };
        let read = receiver.await.ok();
        let wanted = self.under_way.take().map(|(wanted, _)| wanted).unwrap_or_default();
        (wanted, read)
    }
}

/// What a reading needs.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) source: Source,
    pub(super) environment: Environment,
    pub(super) memory: Memory,
    pub(super) watcher: Arc<Watcher>,
    pub(super) watched: BTreeSet<PathBuf>,
}

/// What was read, and what the next reading needs.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) built: Result<Built, BuildError>,
    pub(super) memory: Memory,
    pub(super) watched: BTreeSet<PathBuf>,
}

impl Reading {
    /// Builds from files that are watched before they are read, so that no change goes unseen. The files that a refused
    /// configuration names are watched too: the mistake may be in a file that it includes for the first time.
    pub(super) fn read(mut self) -> Read {
        let mut attempts = 0;
        loop {
            let built = self.source.build_again(&self.environment, &mut self.memory);
            attempts += 1;
            let watch: Vec<Watched> = match &built {
                Ok(built) => built.watch.clone(),
                Err(error) => {
                    error.watch().into_iter().chain(self.watched.iter().cloned()).map(Watched::from).collect()
                }
            };
            let watched: BTreeSet<PathBuf> = watch.iter().map(|watched| watched.path.clone()).collect();
            let known = watched.is_subset(&self.watched);
            if built.is_ok() || !known {
                self.watcher.set_paths(watch);
                self.watched = watched;
            }
            // If files come and go faster than they are read, the watcher reports the change later.
            if known || attempts == BUILD_ATTEMPTS {
                return Read { built, memory: self.memory, watched: self.watched };
            }
        }
    }
}
