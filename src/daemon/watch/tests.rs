#![cfg(unix)]

use super::*;
use std::fs;
use std::os::unix::fs::symlink;

/// Each behaviour is proved by events alone (the poll is an hour away) and by the poll alone.
const EVENTS: WatchOptions =
    WatchOptions { events: true, poll: Duration::from_secs(3600), debounce: Duration::from_millis(20) };
const POLL: WatchOptions =
    WatchOptions { events: false, poll: Duration::from_millis(15), debounce: Duration::from_millis(20) };

struct Stage {
    root: tempfile::TempDir,
    watcher: Watcher,
}

impl Stage {
    /// A directory with the files and links `before` makes, and a watch on `paths` in it.
    fn new(options: WatchOptions, paths: &[&str], before: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        before(root.path());
        fs::write(root.path().join("sentinel"), "0").unwrap();
        let paths = paths.iter().chain([&"sentinel"]).map(|path| root.path().join(path));
        let watcher = Watcher::start(paths, options).unwrap();
        Self { root, watcher }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    /// The names of the paths reported next.
    async fn reported(&mut self) -> Vec<String> {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.watcher.changed());
        let changed = wait.await.expect("no report within 20 s");
        let root = self.root.path();
        changed.iter().map(|path| path.strip_prefix(root).unwrap().display().to_string()).collect()
    }

    /// The watcher has read `text` in `path`, and the last report was about that.
    async fn sees(&mut self, path: &str, text: &str) {
        loop {
            assert_eq!(self.reported().await, [path]);
            if self.has_seen(path, Content::of_file(text.as_bytes())) {
                return;
            }
        }
    }

    /// Whether that was read; if so, the report of it is taken as received.
    fn has_seen(&self, path: &str, content: Content) -> bool {
        let path = self.path(path);
        let state = lock(&self.watcher.shared.state);
        let seen = state.watched[&path].is_some_and(|seen| seen.content == content);
        if seen {
            lock(&self.watcher.shared.changed).remove(&path);
        }
        seen
    }

    /// Everything so far was looked at and found unchanged: the sentinel, written after it, is reported alone.
    async fn reports_nothing_else(&mut self) {
        self.write("sentinel", &format!("{:?}", Instant::now()));
        assert_eq!(self.reported().await, ["sentinel"]);
    }
}

/// Runs a scenario in both modes.
macro_rules! scenarios {
    ($($name:ident($stage:ident: $paths:expr, $before:expr) $body:block)*) => {
        mod by_events { use super::*; $(#[tokio::test] async fn $name() { super::$name(EVENTS).await; })* }
        mod by_poll { use super::*; $(#[tokio::test] async fn $name() { super::$name(POLL).await; })* }
        $(async fn $name(options: WatchOptions) {
            let mut $stage = Stage::new(options, &$paths, $before);
            $body
        })*
    };
}

fn with_file(root: &Path) {
    fs::write(root.join("f"), "one").unwrap();
}

fn with_directory(root: &Path) {
    fs::create_dir(root.join("d")).unwrap();
    fs::write(root.join("d/f"), "one").unwrap();
}

/// What the kubelet makes of a ConfigMap: `f -> ..data/f`, `..data -> ..1`.
fn with_config_map(root: &Path) {
    fs::create_dir_all(root.join("cm/..1")).unwrap();
    fs::write(root.join("cm/..1/f"), "one").unwrap();
    symlink("..1", root.join("cm/..data")).unwrap();
    symlink("..data/f", root.join("cm/f")).unwrap();
}

fn with_chain(root: &Path) {
    for dir in ["x", "y", "z"] {
        fs::create_dir(root.join(dir)).unwrap();
    }
    fs::write(root.join("z/one"), "one").unwrap();
    fs::write(root.join("z/two"), "two").unwrap();
    symlink("../z/one", root.join("y/middle")).unwrap();
    symlink("../y/middle", root.join("x/first")).unwrap();
    symlink("x/first", root.join("f")).unwrap();
}

fn relink(stage: &Stage, target: &str, link: &str) {
    let new = stage.path(&format!("{link}.new"));
    symlink(target, &new).unwrap();
    fs::rename(new, stage.path(link)).unwrap();
}

scenarios! {
    truncate_and_write(stage: ["f"], with_file) {
        stage.write("f", "two");
        stage.sees("f", "two").await;
        stage.write("f", "owt");
        stage.sees("f", "owt").await;
    }

    rename_over_as_vim_does(stage: ["f"], with_file) {
        for text in ["two", "three", "four"] {
            fs::rename(stage.path("f"), stage.path("f~")).unwrap();
            stage.write("f.new", text);
            fs::rename(stage.path("f.new"), stage.path("f")).unwrap();
            fs::remove_file(stage.path("f~")).unwrap();
            stage.sees("f", text).await;
        }
    }

    two_halves(stage: ["f"], with_file) {
        use std::io::Write;
        let mut file = fs::File::create(stage.path("f")).unwrap();
        file.write_all(b"first ").unwrap();
        stage.sees("f", "first ").await;
        file.write_all(b"second").unwrap();
        stage.sees("f", "first second").await;
    }

    config_map_swap(stage: ["cm/f"], with_config_map) {
        for (dir, text) in [("cm/..2", "two"), ("cm/..3", "three")] {
            let old = fs::read_link(stage.path("cm/..data")).unwrap();
            fs::create_dir(stage.path(dir)).unwrap();
            stage.write(&format!("{dir}/f"), text);
            relink(&stage, dir.trim_start_matches("cm/"), "cm/..data");
            fs::remove_dir_all(stage.path("cm").join(old)).unwrap();
            stage.sees("cm/f", text).await;
        }
    }

    middle_of_a_chain(stage: ["f"], with_chain) {
        relink(&stage, "../z/two", "y/middle");
        stage.sees("f", "two").await;
        stage.write("z/two", "two, written after the swap");
        stage.sees("f", "two, written after the swap").await;
        stage.write("z/one", "no longer on the way");
        stage.reports_nothing_else().await;
    }

    deletion_and_return(stage: ["f"], with_file) {
        fs::remove_file(stage.path("f")).unwrap();
        assert_eq!(stage.reported().await, ["f"]);
        assert!(stage.has_seen("f", Content::Missing));
        stage.write("f", "back");
        stage.sees("f", "back").await;
    }

    directory_that_vanishes_and_returns(stage: ["d/f"], with_directory) {
        for text in ["two", "three"] {
            fs::remove_dir_all(stage.path("d")).unwrap();
            assert_eq!(stage.reported().await, ["d/f"]);
            fs::create_dir(stage.path("d")).unwrap();
            stage.write("d/f", text);
            stage.sees("d/f", text).await;
            stage.write("d/f", "and it is watched again");
            stage.sees("d/f", "and it is watched again").await;
        }
    }

    directory_swapped_by_rename(stage: ["d/f"], with_directory) {
        fs::create_dir(stage.path("new")).unwrap();
        stage.write("new/f", "two");
        fs::rename(stage.path("d"), stage.path("old")).unwrap();
        fs::rename(stage.path("new"), stage.path("d")).unwrap();
        stage.sees("d/f", "two").await;
        stage.write("d/f", "three");
        stage.sees("d/f", "three").await;
    }

    path_of_missing_directories(stage: ["a/b/c/f"], |_| {}) {
        fs::create_dir_all(stage.path("a/b/c")).unwrap();
        stage.write("a/b/c/f", "one");
        stage.sees("a/b/c/f", "one").await;
    }

    hard_link_replaced(stage: ["f"], with_file) {
        stage.write("other", "two");
        fs::remove_file(stage.path("f")).unwrap();
        fs::hard_link(stage.path("other"), stage.path("f")).unwrap();
        stage.sees("f", "two").await;
    }

    touch_is_no_change(stage: ["f"], with_file) {
        let file = fs::File::options().write(true).open(stage.path("f")).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
        stage.write("f", "one");
        stage.reports_nothing_else().await;
    }

    attributes_are_no_change(stage: ["f"], with_file) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(stage.path("f"), fs::Permissions::from_mode(0o640)).unwrap();
        stage.reports_nothing_else().await;
    }

    new_file_in_a_directory(stage: ["d"], with_directory) {
        stage.write("d/g", "");
        assert_eq!(stage.reported().await, ["d"]);
        stage.write("d/g", "its content is not the directory's");
        stage.write("d/.g.swp", "hidden");
        stage.reports_nothing_else().await;
        fs::remove_file(stage.path("d/f")).unwrap();
        assert_eq!(stage.reported().await, ["d"]);
    }

    burst_ends_with_the_last_content(stage: ["f"], with_file) {
        for number in 0..200 {
            stage.write("f", &number.to_string());
        }
        if !stage.has_seen("f", Content::of_file(b"199")) {
            stage.sees("f", "199").await;
        }
    }

    paths_come_and_go(stage: ["f"], with_file) {
        stage.write("g", "one");
        let paths = ["g", "sentinel"].map(|path| stage.path(path));
        stage.watcher.set_paths(paths);
        stage.write("f", "no longer watched");
        stage.write("g", "two");
        stage.sees("g", "two").await;
        stage.reports_nothing_else().await;
    }
}

#[tokio::test]
async fn a_change_between_reading_and_watching_is_reported() {
    for options in [EVENTS, POLL] {
        let mut stage = Stage::new(options, &["f"], with_file);
        stage.write("g", "what is there now");
        let read = |text: &str| Some(Content::of_file(text.as_bytes()));
        let (f, g, sentinel) = (stage.path("f"), stage.path("g"), stage.path("sentinel"));
        stage.watcher.set_paths([
            Watched { path: f, seen: read("one") },
            Watched { path: g, seen: read("what was read") },
            sentinel.into(),
        ]);
        assert_eq!(stage.reported().await, ["g"]);
        stage.reports_nothing_else().await;
    }
}

#[tokio::test]
async fn dropping_the_future_loses_no_report() {
    let stage = Stage::new(POLL, &["f"], with_file);
    stage.write("f", "two");
    // Polled once and dropped, again and again, as a branch of select! is.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        assert!(Instant::now() < deadline);
        tokio::select! {
            biased;
            changed = stage.watcher.changed() => {
                assert_eq!(changed, BTreeSet::from([stage.path("f")]));
                return;
            }
            () = tokio::task::yield_now() => {}
        }
    }
}

#[derive(Debug)]
struct NoWatchLeft;

impl Events for NoWatchLeft {
    fn watch(&mut self, _: &Path) -> notify::Result<()> {
        Err(notify::Error::new(notify::ErrorKind::MaxFilesWatch))
    }

    fn unwatch(&mut self, _: &Path) -> notify::Result<()> {
        Err(notify::Error::watch_not_found())
    }
}

#[tokio::test]
async fn without_inotify_the_poll_does_the_work() {
    let too_many: fn(Wake) -> notify::Result<Box<dyn Events>> =
        |_| Err(notify::Error::io(std::io::Error::from_raw_os_error(libc::EMFILE)));
    let no_space: fn(Wake) -> notify::Result<Box<dyn Events>> = |_| Ok(Box::new(NoWatchLeft));
    for events in [too_many, no_space] {
        let root = tempfile::tempdir().unwrap();
        with_file(root.path());
        let options = WatchOptions { events: true, ..POLL };
        let watcher = Watcher::start_with([root.path().join("f")], options, events).unwrap();
        assert!(lock(&watcher.shared.state).complained);
        let mut stage = Stage { root, watcher };
        stage.write("f", "two");
        stage.sees("f", "two").await;
    }
}

#[test]
fn events_that_never_cease_are_cut_off() {
    let (channel, woken) = sync_channel(1);
    let wake = Wake::new(channel.clone());
    let noise = std::thread::spawn(move || while channel.send(()).is_ok() {});
    await_quiet(&woken, &wake, Duration::from_millis(5));
    drop(woken);
    noise.join().unwrap();
}

#[tokio::test]
async fn a_path_named_again_without_its_content_is_looked_at() {
    let root = tempfile::tempdir().unwrap();
    with_file(root.path());
    let options = WatchOptions { events: false, poll: Duration::from_secs(3600), ..POLL };
    let watcher = Watcher::start([root.path().join("f")], options).unwrap();
    let mut stage = Stage { root, watcher };
    stage.write("f", "two");
    let path = stage.root.path().join("f");
    stage.watcher.set_paths([path]);
    stage.sees("f", "two").await;
}
