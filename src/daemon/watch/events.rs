//! The system's file events, used as a wake-up only.

use std::path::Path;
use std::sync::mpsc::SyncSender;

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

/// What an event says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// Somebody is at it.
    Writing,
    /// It was closed by its writer, or a file written elsewhere took its place.
    Written,
}

/// None where the file was only read: our own reading opens and closes the files, and waking on that would never end.
fn progress(kind: EventKind) -> Option<Progress> {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write))
        | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both)) => Some(Progress::Written),
        EventKind::Access(_) => None,
        _ => Some(Progress::Writing),
    }
}

pub(super) fn system_events(wake: SyncSender<Progress>) -> notify::Result<Box<dyn Events>> {
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // Lost events are a reason to look as well.
        if let Some(progress) = event.map_or(Some(Progress::Writing), |event| progress(event.kind)) {
            let _ = wake.try_send(progress);
        }
    })?;
    Ok(Box::new(SystemEvents(watcher)))
}
