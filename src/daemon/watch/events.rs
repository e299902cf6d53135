//! The system's file events, used as a wake-up only.

use std::path::Path;
use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode, EventKind};
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

pub(super) fn system_events(wake: SyncSender<()>) -> notify::Result<Box<dyn Events>> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Our own reading opens and closes the files: waking on that would never end.
        let only_read = event.is_ok_and(|event| {
            matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write))
        });
        if !only_read {
            let _ = wake.try_send(());
        }
    })?;
    Ok(Box::new(SystemEvents(watcher)))
}
