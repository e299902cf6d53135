//! The system's file events, used as a wake-up only.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};
use notify::{Event, RecursiveMode, Watcher as _};

/// Where file events come from; in the tests, also from nowhere.
pub(super) trait Events: Send + std::fmt::Debug {
    fn watch(&mut self, directory: &Path) -> notify::Result<()>;
    fn unwatch(&mut self, directory: &Path) -> notify::Result<()>;
}

#[derive(Debug)]
struct SystemEvents(notify::RecommendedWatcher);

impl Events for SystemEvents {
    fn watch(&mut self, directory: &Path) -> notify::Result<()> {
        self.0.watch(directory, RecursiveMode::NonRecursive)
    }

    fn unwatch(&mut self, directory: &Path) -> notify::Result<()> {
        self.0.unwatch(directory)
    }
}

/// Wakes the watch, and tells it which files somebody is at.
#[derive(Debug, Clone)]
pub(super) struct Wake {
    channel: SyncSender<()>,
    unfinished: Arc<Mutex<BTreeSet<PathBuf>>>,
}

impl Wake {
    pub(super) fn new(channel: SyncSender<()>) -> Self {
        Self { channel, unfinished: Arc::default() }
    }

    /// An event while one is pending changes nothing: there is one place.
    pub(super) fn wake(&self) {
        let _ = self.channel.try_send(());
    }

    /// Files were touched that nobody has closed or renamed since.
    pub(super) fn is_unfinished(&self) -> bool {
        !self.unfinished().is_empty()
    }

    /// What is there now is looked at, finished or not.
    pub(super) fn forget(&self) {
        self.unfinished().clear();
    }

    fn note(&self, event: notify::Result<Event>) {
        match event {
            // Our own reading opens and closes the files: waking on that would never end.
            Ok(Event { kind: EventKind::Access(kind), .. })
                if kind != AccessKind::Close(AccessMode::Write) =>
            {
                return;
            }
            Ok(Event {
                kind:
                    EventKind::Access(_) | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)),
                paths,
                ..
            }) => self.unfinished().retain(|path| !paths.contains(path)),
            Ok(Event { paths, .. }) => self.unfinished().extend(paths),
            // Lost events are a reason to look as well.
            Err(_) => {}
        }
        self.wake();
    }

    fn unfinished(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn system_events(wake: Wake) -> notify::Result<Box<dyn Events>> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| wake.note(event))?;
    Ok(Box::new(SystemEvents(watcher)))
}
