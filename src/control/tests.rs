use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::socket::ControlSocket;
use super::*;
use crate::telemetry::Telemetry;

const DEADLINE: Duration = Duration::from_secs(20);

/// A server with a daemon behind it that answers everything with [`Reply::End`].
struct Server {
    directory: TempDir,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start() -> Self {
        let directory = TempDir::new().unwrap();
        let (stop, socket) = (CancellationToken::new(), directory.path().join("control.sock"));
        let until = stop.clone();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            LocalSet::new().block_on(&runtime, async {
                let (calls, mut called) = mpsc::channel::<Call>(4);
                let telemetry = Arc::new(Telemetry::default());
                start(Control { socket, telemetry, calls });
                ready.send(()).unwrap();
                loop {
                    tokio::select! {
                        Some(call) = called.recv() => drop(call.reply.send(Reply::End)),
                        () = until.cancelled() => return,
                    }
                }
            });
        });
        is_ready.recv_timeout(DEADLINE).unwrap();
        Self { directory, stop, thread: Some(thread) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("control.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.path()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// What comes back for these octets.
    fn say(&self, octets: &[u8]) -> String {
        let mut stream = self.connect();
        // It may answer before it has read all.
        let _ = stream.write_all(octets);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8(reply).unwrap()
    }

    fn is_sound(&self) -> bool {
        self.say(b"{\"version\":1,\"command\":\"status\"}\n") == "{\"version\":1,\"reply\":\"end\"}\n"
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.cancel();
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking());
    }
}

#[test]
fn whatever_is_no_request_is_told_why_and_nothing_worse_happens() {
    let server = Server::start();
    let long = [b"{\"version\":1,\"command\":\"".as_slice(), &[b'x'; 10_000], b"\"}\n"].concat();
    for (octets, why) in [
        (b"\n".as_slice(), "this is not a request"),
        (b"status\n", "this is not a request"),
        (b"{}\n", "missing field `version`"),
        (b"{\"version\":2,\"command\":\"status\"}\n", "this daemon speaks version 1, and not 2"),
        (b"{\"version\":1,\"command\":\"destroy\"}\n", "unknown variant `destroy`"),
        (b"{\"version\":1,\"command\":\"blocked\",\"since_seconds\":-1}\n", "this is not a request"),
        (b"{\"version\":1,\"command\":\"log-level\"}\n", "missing field `level`"),
        (b"\xff\xfe\0\n", "this is not a request"),
        (&long, "a request has at most 4096 octets"),
        (&vec![b'['; 4000], ""),
    ] {
        // A client that ends its side has said all it has to say.
        let mut octets = octets.to_vec();
        octets.push(b'\n');
        let reply = server.say(&octets);
        assert!(reply.contains("\"reply\":\"refused\"") && reply.contains(why), "{reply}");
        assert_eq!(reply.matches('\n').count(), 1, "{reply}");
    }
    assert!(server.is_sound());
}

#[test]
fn a_time_without_end_is_no_time_at_all() {
    let server = Server::start();
    for since in ["0", "18446744073709551615"] {
        let request = format!("{{\"version\":1,\"command\":\"blocked\",\"since_seconds\":{since}}}\n");
        assert_eq!(server.say(request.as_bytes()), "{\"version\":1,\"reply\":\"end\"}\n");
    }
}

#[test]
fn clients_that_say_nothing_hold_up_nobody_for_long() {
    let server = Server::start();
    let silent: Vec<UnixStream> = (0..40).map(|_| server.connect()).collect();
    // Most lose their places to those that come after them, the others when their time is over.
    for mut stream in silent {
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        assert_eq!(reply, b"");
    }
    assert!(server.is_sound());
}

/// Without waiting until the silent ones have used up their time.
#[test]
fn a_new_client_takes_the_place_of_the_longest_silent_one() {
    let server = Server::start();
    let silent: Vec<UnixStream> = (0..40).map(|_| server.connect()).collect();
    let begun = Instant::now();
    assert!(server.is_sound());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    let is_gone = |mut client: &UnixStream| {
        client.set_nonblocking(true).unwrap();
        client.read(&mut [0]).is_ok()
    };
    assert!(is_gone(&silent[0]) && !is_gone(&silent[39]));
}

#[test]
fn those_who_follow_leave_room_for_others() {
    let server = Server::start();
    let mut clients: Vec<UnixStream> = (0..9).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"{\"version\":1,\"command\":\"blocked\",\"follow\":true}\n").unwrap();
        client.set_nonblocking(true).unwrap();
    }
    // One of the nine is told something; the others wait for what is blocked.
    let deadline = Instant::now() + DEADLINE;
    let refused = loop {
        let mut reply = [0; 200];
        if let Some(length) = clients.iter_mut().find_map(|client| client.read(&mut reply).ok()) {
            break String::from_utf8_lossy(&reply[..length]).into_owned();
        }
        assert!(Instant::now() < deadline, "nobody was refused");
        std::thread::yield_now();
    };
    assert!(refused.contains("8 clients follow already"), "{refused}");
    assert!(server.is_sound());
}

/// A path at which this test has put something.
fn in_runtime<T>(test: impl FnOnce(&Path) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let directory = TempDir::new().unwrap();
    test(&directory.path().join("below/control.sock"))
}

#[test]
fn the_directory_is_made_and_the_socket_is_for_owner_and_group() {
    in_runtime(|path| {
        let socket = ControlSocket::open(path).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(path), mode(path.parent().unwrap())), (0o660, 0o755));
        assert!(socket.is_in_place());
        drop(socket);
        assert!(!path.exists(), "it goes with its owner");
    });
}

#[test]
fn a_dead_daemons_socket_is_taken_over_and_a_living_ones_is_not() {
    in_runtime(|path| {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        // What kill -9 leaves behind.
        drop(UnixListener::bind(path).unwrap());
        let first = ControlSocket::open(path).unwrap();
        let second = ControlSocket::open(path);
        assert!(matches!(second, Err(SocketError::InUse { .. })), "{second:?}");
        assert!(first.is_in_place());
        // Taken away and made anew by another: then it is not the first one's to remove.
        std::fs::remove_file(path).unwrap();
        let third = ControlSocket::open(path).unwrap();
        assert!(!first.is_in_place() && third.is_in_place());
        drop(first);
        assert!(third.is_in_place());
    });
}

#[test]
fn what_is_no_socket_is_left_alone() {
    in_runtime(|path| {
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        std::fs::write(path, "something of value").unwrap();
        let opened = ControlSocket::open(path);
        assert!(matches!(opened, Err(SocketError::NotASocket { .. })), "{opened:?}");
        std::fs::remove_file(path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", path).unwrap();
        let opened = ControlSocket::open(path);
        assert!(matches!(opened, Err(SocketError::NotASocket { .. })), "{opened:?}");
    });
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    in_runtime(|path| {
        let far = path.join("further/down/control.sock");
        let error = ControlSocket::open(&far).unwrap_err();
        assert!(matches!(error, SocketError::NoDirectory { .. }) && error.is_about_permission(), "{error}");
        assert!(error.to_string().contains("below/control.sock/further/down"), "{error}");
    });
}

#[test]
fn a_daemon_that_does_not_answer_is_told_from_one_that_is_not_there() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("control.sock");
    let error = ask(&path, &Command::Status).unwrap_err();
    assert!(matches!(error, ClientError::NoDaemon { .. }), "{error}");
    let listener = UnixListener::bind(&path).unwrap();
    let answered = Arc::new(AtomicBool::new(false));
    let said = [&b""[..], b"no JSON\n", b"{\"version\":9,\"reply\":\"end\"}\n"];
    let answering = Arc::clone(&answered);
    let server = std::thread::spawn(move || {
        for reply in said {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]);
            let _ = stream.write_all(reply);
        }
        answering.store(true, Ordering::Relaxed);
    });
    for wanted in ["does not answer", "does not understand (expected", "does not understand (version 9)"] {
        let error = ask(&path, &Command::Status).and_then(|mut daemon| daemon.reply()).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    }
    server.join().unwrap();
    assert!(answered.load(Ordering::Relaxed));
    assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_socket());
}
