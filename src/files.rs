//! Reading files that others write: never waits for anybody, and has a limit.
//!
//! open(2) of a named pipe waits until somebody writes into it, and a device may never end. So only regular files are read. A
//! pipe or a device is read only if a person named it on the command line, and with a timeout.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a named pipe may have no writer.
const UNOPENED: Duration = Duration::from_secs(2);
/// How long a pipe with a writer may be silent.
const SILENT: Duration = Duration::from_secs(10);

/// Opens a regular file to be read; never waits.
///
/// # Errors
/// It cannot be opened, or is not a regular file.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Anything else is not even opened: that could take octets from another reader, or trigger a device.
    regular(&std::fs::metadata(path)?)?;
    let file = open_at_once(path)?;
    // Another file may have taken its place meanwhile.
    regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads all of a regular file of at most `limit` octets.
///
/// # Errors
/// See [`open`]; [`ErrorKind::FileTooLarge`] if it is larger.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    if length > limit {
        return Err(too_large(limit));
    }
    let mut octets = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    // It may grow meanwhile, and files in /proc have length 0.
    file.take(limit + 1).read_to_end(&mut octets)?;
    if octets.len() as u64 > limit { Err(too_large(limit)) } else { Ok(octets) }
}

/// Whether `path` is a pipe, a device or a socket, which can be read only once or not at all.
pub(crate) fn is_stream(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// What is at `path`, as `DEVICE:INODE`; if nothing is there, the nearest directory above that is. Two processes for which it
/// differs see different files there. `None` if this process may not look.
pub(crate) fn place_id(path: &Path) -> Option<String> {
    for place in path.ancestors() {
        match std::fs::metadata(place) {
            Ok(found) => return Some(format!("{}:{}", found.dev(), found.ino())),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(_) => return None,
        }
    }
    None
}

/// Reads a file, a pipe or a character device to its end; at most `limit` octets.
///
/// # Errors
/// See [`read`]; [`ErrorKind::TimedOut`] if nothing comes.
pub(crate) fn read_once(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !is_stream(path) {
        return read(path, limit);
    }
    let mut file = open_at_once(path)?;
    let kind = file.metadata()?.file_type();
    if !kind.is_fifo() && !kind.is_char_device() {
        return Err(unfit(&file.metadata()?));
    }
    let (mut octets, mut chunk) = (Vec::new(), vec![0; 16 << 10]);
    let mut since = Instant::now();
    loop {
        let (patience, why) = match file.read(&mut chunk) {
            // The end, unless no writer has opened the pipe yet.
            Ok(0) if !kind.is_fifo() || !octets.is_empty() || has_ended(&file)? => return Ok(octets),
            Ok(0) => (UNOPENED, "nobody writes into this pipe"),
            Ok(count) => {
                octets.extend_from_slice(chunk.get(..count).unwrap_or_default());
                if octets.len() as u64 > limit {
                    return Err(too_large(limit));
                }
                since = Instant::now();
                continue;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => (SILENT, "nothing comes out of it"),
            Err(error) => return Err(error),
        };
        let left = patience.checked_sub(since.elapsed()).filter(|left| !left.is_zero());
        wait(&file, left.ok_or_else(|| io::Error::new(ErrorKind::TimedOut, why))?)?;
    }
}

fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn regular(found: &Metadata) -> io::Result<()> {
    if found.is_file() { Ok(()) } else { Err(unfit(found)) }
}

fn unfit(found: &Metadata) -> io::Error {
    let kind = found.file_type();
    let (error, what) = match kind {
        _ if kind.is_dir() => (ErrorKind::IsADirectory, "directory"),
        _ if kind.is_fifo() => (ErrorKind::InvalidInput, "pipe"),
        _ if kind.is_socket() => (ErrorKind::InvalidInput, "socket"),
        _ => (ErrorKind::InvalidInput, "device"),
    };
    io::Error::new(error, format!("it is a {what}; name a regular file"))
}

fn too_large(limit: u64) -> io::Error {
    let (size, unit) = if limit >= 1 << 20 { (limit >> 20, "MiB") } else { (limit >> 10, "KiB") };
    io::Error::new(ErrorKind::FileTooLarge, format!("it is larger than {size} {unit}"))
}

/// Whether all writers have closed the pipe. A pipe that no writer has opened yet has not ended.
fn has_ended(file: &File) -> io::Result<bool> {
    Ok(poll_for(file, Duration::ZERO)?.contains(PollFlags::HUP))
}

/// Waits until there is something to read, or the end.
fn wait(file: &File, left: Duration) -> io::Result<()> {
    match poll_for(file, left) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
        _ => Ok(()),
    }
}

fn poll_for(file: &File, left: Duration) -> io::Result<PollFlags> {
    let left = Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: left.subsec_nanos().into(),
    };
    let mut polled = [PollFd::new(file, PollFlags::IN)];
    poll(&mut polled, Some(&left))?;
    let [polled] = &polled;
    Ok(polled.revents())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::thread;

    struct Place(tempfile::TempDir);

    impl Place {
        fn at(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn pipe(&self) -> PathBuf {
            let path = self.at("pipe");
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            path
        }
    }

    fn place() -> Place {
        Place(tempfile::tempdir().unwrap())
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_waits() {
        let place = place();
        let pipe = place.pipe();
        let socket = place.at("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        let link = place.at("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, why) in [
            (pipe.as_path(), "it is a pipe; name a regular file"),
            (&link, "it is a pipe; name a regular file"),
            (place.0.path(), "it is a directory; name a regular file"),
            (&socket, "it is a socket; name a regular file"),
            (Path::new("/dev/zero"), "it is a device; name a regular file"),
            (&place.at("missing"), "No such file or directory (os error 2)"),
        ] {
            assert_eq!(read(path, 9).unwrap_err().to_string(), why);
            assert_eq!(open(path).unwrap_err().to_string(), why);
        }
        assert!(
            !read(Path::new("/proc/self/stat"), 1 << 10).unwrap().is_empty(),
            "a file whose reported length is 0"
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_not_read_at_all() {
        let place = place();
        let path = place.at("file");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(read(&path, 5).unwrap(), b"12345");
        assert_eq!(read(&path, 4).unwrap_err().kind(), ErrorKind::FileTooLarge);
        // A sparse file of 1 TiB.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let error = read(&path, 32 << 20).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 32 MiB");
        assert_eq!(read_once(Path::new("/dev/zero"), 1 << 20).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn what_comes_out_of_a_pipe_is_read_to_its_end() {
        assert_eq!(read_once(Path::new("/dev/null"), 9).unwrap(), b"");
        let place = place();
        let path = place.pipe();
        let writer = {
            let path = path.clone();
            thread::spawn(move || {
                let mut pipe = OpenOptions::new().write(true).open(path).unwrap();
                for _ in 0..64 {
                    pipe.write_all(&[b'x'; 1 << 10]).unwrap();
                }
            })
        };
        assert_eq!(read_once(&path, 64 << 10).unwrap().len(), 64 << 10);
        writer.join().unwrap();
        let error = read_once(&path, 9).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::TimedOut, "nobody writes into this pipe")
        );
    }
}
