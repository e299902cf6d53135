//! Tells when the files behind the configuration have other content than before.
//!
//! Events (inotify through `notify`) say *when* to look; what was read says *whether* anything changed. Where no event
//! comes (NFS, some FUSE and container file systems, a renamed ancestor, no inotify instance left), a poll looks too.
//! One thread of its own does the reading, so a hung network file system stalls no query.
//!
//! A file that is being written is none of its business: each content that stays for the debounce time, and each that its
//! writer closed or renamed into place, is reported; the rest of a half-written file is a change again.

mod content;
mod events;
mod places;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::Notify;

pub use content::{Content, Digest};
use content::{Observed, observe};
use events::{Events, Wake, system_events};
use places::add_places;
pub(super) use places::places_of;

/// The shortest poll and the longest debounce, whatever is asked for: no busy loop, no minute of deafness.
const MIN_POLL: Duration = Duration::from_millis(10);
const MAX_DEBOUNCE: Duration = Duration::from_secs(10);

/// How long it must be quiet after an event that leaves a file whole; more files may be on their way.
const SETTLED: Duration = Duration::from_millis(10);

/// Events that never cease are looked at after this many debounce times.
const MAX_DEBOUNCES: u32 = 10;

/// Why nothing is watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// No thread could be had.
    #[error("cannot start the thread that watches files: {0}")]
    Thread(#[from] std::io::Error),
}

/// How to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// Use the system's file events; without them only the poll looks.
    pub events: bool,
    /// How often to look where no event comes.
    pub poll: Duration,
    /// How long it must be quiet after an event before the content is read; where a file was closed by its writer or
    /// renamed into its place, 10 ms are enough.
    pub debounce: Duration,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self { events: true, poll: Duration::from_secs(5), debounce: Duration::from_millis(100) }
    }
}

/// A path to watch, and what its user knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// A file or a directory; it need not exist.
    pub path: PathBuf,
    /// What was read of it. A change between that reading and the watch is reported then; with `None` a path not yet
    /// watched counts as seen from now on.
    pub seen: Option<Content>,
}

impl From<PathBuf> for Watched {
    fn from(path: PathBuf) -> Self {
        Self { path, seen: None }
    }
}

/// Watches a set of files and directories until it is dropped.
#[derive(Debug)]
pub struct Watcher {
    shared: Arc<Shared>,
    wake: Wake,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Mutex<BTreeSet<PathBuf>>,
    reported: Notify,
    stopped: AtomicBool,
}

impl Watcher {
    /// Starts to watch `paths`; needs no runtime. Where events cannot be had, that is logged and the poll does the work.
    pub fn start<W: Into<Watched>>(
        paths: impl IntoIterator<Item = W>,
        options: WatchOptions,
    ) -> Result<Self, WatchError> {
        Self::start_with(paths, options, system_events)
    }

    fn start_with<W: Into<Watched>>(
        paths: impl IntoIterator<Item = W>,
        options: WatchOptions,
        events: fn(Wake) -> notify::Result<Box<dyn Events>>,
    ) -> Result<Self, WatchError> {
        let (channel, woken) = sync_channel(1);
        let wake = Wake::new(channel);
        let mut state = State::default();
        if options.events {
            match events(wake.clone()) {
                Ok(events) => state.events = Some(events),
                Err(error) => state.complain(&error),
            }
        }
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Mutex::default(),
            reported: Notify::new(),
            stopped: AtomicBool::new(false),
        });
        let watcher = Self { shared: Arc::clone(&shared), wake: wake.clone() };
        watcher.set_paths(paths);
        std::thread::Builder::new()
            .name("watch".into())
            .spawn(move || run(&shared, &woken, &wake, options))?;
        Ok(watcher)
    }

    /// Waits until the content of a path is another than was last seen, and names every such path.
    ///
    /// A content is seen when it was read here or came with [`Watched::seen`]. What changes while nobody waits is kept
    /// for the next call; dropping the future loses nothing.
    pub async fn changed(&self) -> BTreeSet<PathBuf> {
        loop {
            let changed = std::mem::take(&mut *lock(&self.shared.changed));
            if !changed.is_empty() {
                return changed;
            }
            self.shared.reported.notified().await;
        }
    }

    /// Watches these paths and no others from now on. It reads them, but for those that were watched already and whose
    /// content comes with `seen`: what happens to these after that reading wakes the watch by itself.
    pub fn set_paths<W: Into<Watched>>(&self, paths: impl IntoIterator<Item = W>) {
        let mut state = lock(&self.shared.state);
        let known = std::mem::take(&mut state.watched);
        let mut unread = BTreeSet::new();
        for Watched { path, seen } in paths.into_iter().map(Into::into) {
            if seen.is_none() || !known.contains_key(&path) {
                unread.insert(path.clone());
            }
            let observed = seen.map(Observed::from).or_else(|| known.get(&path).copied().flatten());
            state.watched.entry(path).and_modify(|known| *known = observed.or(*known)).or_insert(observed);
        }
        self.shared.look(&mut state, Arming::Anew, |path| unread.contains(path));
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // A full channel wakes the thread as well.
        self.wake.wake();
    }
}

impl Shared {
    fn look(&self, state: &mut State, arming: Arming, wanted: impl Fn(&Path) -> bool) {
        let changed = state.look(arming, wanted);
        if !changed.is_empty() {
            lock(&self.changed).extend(changed);
            self.reported.notify_one();
        }
    }
}

fn run(shared: &Shared, woken: &Receiver<()>, wake: &Wake, options: WatchOptions) {
    let debounce = options.debounce.min(MAX_DEBOUNCE);
    loop {
        let arming = match woken.recv_timeout(options.poll.max(MIN_POLL)) {
            Ok(()) => Arming::Anew,
            Err(RecvTimeoutError::Timeout) => Arming::WhereDifferent,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        if arming == Arming::Anew && !shared.stopped.load(Ordering::Relaxed) {
            await_quiet(woken, wake, debounce);
        }
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        wake.forget();
        shared.look(&mut lock(&shared.state), arming, |_| true);
    }
}

fn await_quiet(woken: &Receiver<()>, wake: &Wake, debounce: Duration) {
    let patience = Instant::now() + debounce * MAX_DEBOUNCES;
    loop {
        let left = patience.saturating_duration_since(Instant::now());
        let quiet = if wake.is_unfinished() { debounce } else { debounce.min(SETTLED) };
        if left.is_zero() || woken.recv_timeout(quiet.min(left)).is_err() {
            return;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arming {
    /// After an event: a directory may have been deleted and made again under the same inode number, and its watch is
    /// dead then without a difference to be seen.
    Anew,
    /// After a poll.
    WhereDifferent,
}

#[derive(Debug, Default)]
struct State {
    /// What was last seen; nothing yet of a path just added.
    watched: BTreeMap<PathBuf, Option<Observed>>,
    events: Option<Box<dyn Events>>,
    /// The directories with a watch, and which directory each was.
    armed: BTreeMap<PathBuf, Identity>,
    complained: bool,
}

impl State {
    /// Arms the watches, then reads: what happens in between is read, what happens after it wakes us.
    fn look(&mut self, arming: Arming, wanted: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
        self.arm(arming);
        let now = SystemTime::now();
        let mut changed = Vec::new();
        for (path, seen) in self.watched.iter_mut().filter(|(path, _)| wanted(path)) {
            let observed = observe(path, seen.as_ref(), now);
            if seen.is_some_and(|seen| seen.content != observed.content) {
                changed.push(path.clone());
            }
            *seen = Some(observed);
        }
        changed
    }

    fn arm(&mut self, mut arming: Arming) {
        let Some(mut events) = self.events.take() else { return };
        // A directory made between finding it missing and watching its ancestor wakes nobody: look again.
        for _ in 0..4 {
            let mut places = BTreeSet::new();
            self.watched.keys().for_each(|path| add_places(path, &mut places));
            let places: BTreeMap<_, _> = places
                .into_iter()
                .filter_map(|dir| Some((identity(&dir)?, dir)))
                .map(|(id, dir)| (dir, id))
                .collect();
            if arming == Arming::WhereDifferent && places == self.armed {
                break;
            }
            for (dir, id) in &self.armed {
                if places.get(dir) != Some(id) {
                    // It fails where the directory is gone, and its watch with it.
                    let _ = events.unwatch(dir);
                }
            }
            for (dir, id) in &places {
                let wanted = arming == Arming::Anew || self.armed.get(dir) != Some(id);
                if wanted && let Err(error) = events.watch(dir) {
                    self.complain(&error);
                }
            }
            self.armed = places;
            arming = Arming::WhereDifferent;
        }
        self.events = Some(events);
    }

    fn complain(&mut self, error: &notify::Error) {
        // Directories come and go; the system lacks nothing then.
        let passing =
            matches!(error.kind, notify::ErrorKind::PathNotFound | notify::ErrorKind::WatchNotFound);
        if !passing && !std::mem::replace(&mut self.complained, true) {
            tracing::warn!(%error, "no file events for some of the watched files, they are polled only");
        }
    }
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(directory: &Path) -> Option<Identity> {
    let metadata = std::fs::metadata(directory).ok()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Some((metadata.dev(), metadata.ino()))
    }
    #[cfg(not(unix))]
    metadata.is_dir().then_some((0, 0))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
