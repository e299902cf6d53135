//! What a watched path holds: compared by content, because no event and no time stamp can be relied on
//! (editors write in several steps, a touch changes nothing, a ConfigMap swap never touches the file).

use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::files;

/// A file is compared by this many octets at most, and by its length.
const MAX_OCTETS: u64 = 64 << 20;

/// A time stamp tells nothing within this time after the change it stamps: a second write may fall into the same
/// tick of the clock (2 s on FAT, 1 s on old NFS, a few ms elsewhere).
const UNSETTLED: Duration = Duration::from_secs(2);

/// What a path held when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing is there.
    Missing,
    /// A file with these octets.
    File(Digest),
    /// A directory with these names in it.
    Directory(Digest),
    /// A pipe, a socket or a device: never read here, since that would take the octets from somebody.
    Special,
    /// Something is there and cannot be read.
    Unreadable(io::ErrorKind),
}

/// A hash of a content; it is compared within one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(u64);

impl Content {
    /// The content of a file that was read as `octets`.
    pub fn of_file(octets: &[u8]) -> Self {
        let mut hasher = FileHasher::default();
        hasher.feed(octets);
        Self::File(hasher.finish())
    }

    /// The content of a directory that was listed as `names`, in any order. Hidden names (with a dot in front) do not
    /// count: they are editors' swap files and a ConfigMap's own links.
    pub fn of_directory<N: AsRef<std::ffi::OsStr>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut sum: u64 = 0;
        for name in names {
            let name = name.as_ref();
            if !name.as_encoded_bytes().starts_with(b".") {
                let mut hasher = DefaultHasher::new();
                name.hash(&mut hasher);
                // A sum needs no sorted copy of the names.
                sum = sum.wrapping_add(hasher.finish() | 1);
            }
        }
        Self::Directory(Digest(sum))
    }
}

#[derive(Default)]
struct FileHasher {
    hasher: DefaultHasher,
    length: u64,
}

impl FileHasher {
    fn feed(&mut self, octets: &[u8]) {
        let room = usize::try_from(MAX_OCTETS.saturating_sub(self.length)).unwrap_or(usize::MAX);
        if let Some(counted) = octets.get(..octets.len().min(room)) {
            self.hasher.write(counted);
        }
        self.length = self.length.saturating_add(octets.len() as u64);
    }

    fn finish(mut self) -> Digest {
        self.hasher.write_u64(self.length);
        Digest(self.hasher.finish())
    }
}

/// A content, and by what to know without reading that it is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observed {
    pub(super) content: Content,
    /// Only where the stamp was old enough to rule out a later write under the same stamp.
    stamp: Option<Stamp>,
}

impl From<Content> for Observed {
    fn from(content: Content) -> Self {
        Self { content, stamp: None }
    }
}

/// Looks at `path`, through symlinks. A file whose stamp is the one `before` had is not read again.
pub(super) fn observe(path: &Path, before: Option<&Observed>, now: SystemTime) -> Observed {
    look(path, before, now).unwrap_or_else(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Content::Missing.into(),
        kind => Content::Unreadable(kind).into(),
    })
}

fn look(path: &Path, before: Option<&Observed>, now: SystemTime) -> io::Result<Observed> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_dir() {
        let names = std::fs::read_dir(path)?.map(|entry| entry.map(|e| e.file_name()));
        return Ok(Content::of_directory(names.collect::<io::Result<Vec<_>>>()?).into());
    }
    if !metadata.is_file() {
        return Ok(Content::Special.into());
    }
    let stamp = Stamp::of(&metadata).filter(|stamp| stamp.is_settled(now));
    match before {
        Some(known) if stamp.is_some() && known.stamp == stamp => Ok(*known),
        _ => Ok(Observed { content: Content::File(read(path)?), stamp }),
    }
}

fn read(path: &Path) -> io::Result<Digest> {
    let mut file = files::open(path)?;
    let length = file.metadata()?.len();
    let mut hasher = FileHasher::default();
    let mut chunk = vec![0; 16 << 10];
    while hasher.length < MAX_OCTETS {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.feed(chunk.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    hasher.length = hasher.length.max(length);
    Ok(hasher.finish())
}

/// Which file it is, and when it was changed last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    id: (u64, u64),
    length: u64,
    changed: SystemTime,
}

impl Stamp {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        // The change time and not the modification time: that one can be set back (tar, rsync, touch -r).
        let seconds = Duration::from_secs(u64::try_from(metadata.ctime()).ok()?);
        let nanos = Duration::from_nanos(u64::try_from(metadata.ctime_nsec()).ok()?);
        let changed = SystemTime::UNIX_EPOCH.checked_add(seconds)?.checked_add(nanos)?;
        Some(Self { id: (metadata.dev(), metadata.ino()), length: metadata.len(), changed })
    }

    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Option<Self> {
        None
    }

    /// False also for a stamp from the future (a server's clock, a clock set back).
    fn is_settled(&self, now: SystemTime) -> bool {
        now.duration_since(self.changed).is_ok_and(|age| age > UNSETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_hash_the_same_however_they_are_split() {
        let octets: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
        for step in [1, 7, 64 << 10, 199_999] {
            let mut hasher = FileHasher::default();
            octets.chunks(step).for_each(|chunk| hasher.feed(chunk));
            assert_eq!(Content::File(hasher.finish()), Content::of_file(&octets), "in pieces of {step}");
        }
        assert_ne!(Content::of_file(b""), Content::of_file(b"\0"));
        assert_ne!(Content::of_file(b"a"), Content::of_file(b"b"));
    }

    #[test]
    fn a_listing_is_its_names_in_any_order_without_hidden_ones() {
        let listing = Content::of_directory(["a.toml", "b.toml"]);
        assert_eq!(listing, Content::of_directory(["b.toml", ".a.toml.swp", "..data", "a.toml"]));
        assert_ne!(listing, Content::of_directory(["a.toml"]));
        assert_ne!(listing, Content::of_directory(["a.toml", "b.tom"]));
        assert_ne!(Content::of_directory(Vec::<String>::new()), Content::Missing);
    }

    #[test]
    fn what_is_read_equals_what_the_caller_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, b"one").unwrap();
        let now = SystemTime::now();
        assert_eq!(observe(&file, None, now).content, Content::of_file(b"one"));
        assert_eq!(observe(dir.path(), None, now).content, Content::of_directory(["f"]));
        assert_eq!(observe(&dir.path().join("x"), None, now).content, Content::Missing);
        assert_eq!(observe(&file.join("x"), None, now).content, Content::Missing);
    }

    #[cfg(unix)]
    #[test]
    fn a_settled_stamp_saves_the_reading_and_a_fresh_one_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, b"one").unwrap();
        let (soon, later) = (SystemTime::now(), SystemTime::now() + Duration::from_secs(3600));
        assert_eq!(observe(&file, None, soon).stamp, None);
        let known = observe(&file, None, later);
        let pretended = Observed { content: Content::of_file(b"not read"), ..known };
        assert_eq!(observe(&file, Some(&pretended), later), pretended);
        assert_eq!(observe(&file, Some(&pretended), soon).content, Content::of_file(b"one"));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("p");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(observe(&pipe, None, SystemTime::now()).content, Content::Special);
    }
}
