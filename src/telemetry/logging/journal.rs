//! The journal's own protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): each event is a datagram of fields, so that
//! `journalctl STUBBORN_CLIENT=192.168.1.7` finds it, and has an id by which its kind is known whatever its words are.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use super::escape::push_visible;

const SOCKET: &str = "/run/systemd/journal/socket";

/// The ids of the kinds of events that programs may wait for (journal fields' `MESSAGE_ID`); `packaging/systemd` explains
/// them to `journalctl -x`. An id never changes its meaning.
pub const MESSAGE_IDS: &[(&str, &str)] = &[
    ("started", "58f724d3da254908aeadea9930dffe25"),
    ("stopping", "0619690bcc244733a32948a312b27872"),
    ("stopped", "21fbc9535ca544e0b7382eb92096c894"),
    ("reloaded", "42aa11322e7f47b3b93bd6c08af0b9d8"),
    ("reload-refused", "00047ce9ff214dca88252569535cd298"),
    ("blocked", "d54f41f95238431b9baa9f1992f44565"),
    ("monitored", "7ac7ddfe2ee246a78e3bfd8f920bee6e"),
    ("sinkhole", "e0b3be1867fb4ea7b6c4c0ac253ade02"),
    ("not-public", "7b1f0c6e52d94d0f8c3e9b60a1d7f254"),
    ("repeated", "d9518d4671a0417a9839e9a419bb8786"),
    ("server-avoided", "ffa3de8698f344baabdb8d15df51f638"),
    ("server-back", "b494df0c6b9441f9a2a04ea5e8262873"),
    ("query", "19ad38b9140545da8556e71cb581c284"),
];

/// The name of an event that has one: those without are named after their place in the source, which says nothing.
pub(super) fn event_name(name: &str) -> Option<&str> {
    MESSAGE_IDS.iter().map(|(known, _)| *known).find(|known| *known == name)
}

/// Where datagrams go, from the thread that writes. What it is given are frames: the length of a datagram, and the datagram.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The journal, if this is what standard error is connected to: systemd says by `JOURNAL_STREAM` which one that is.
    pub(super) fn of_stderr() -> Option<Self> {
        let stream = std::env::var("JOURNAL_STREAM").ok()?;
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?).metadata().ok()?;
        (stream == format!("{}:{}", stderr.dev(), stderr.ino())).then_some(())?;
        Self::at(SOCKET.as_ref())
    }

    fn at(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok()?;
        Some(Self { socket: UnixDatagram::unbound().ok()?, path: path.to_owned() })
    }
}

impl Write for Journal {
    /// Sends one datagram. It has no connection, so that it needs none anew when the journal is restarted.
    fn write(&mut self, frames: &[u8]) -> io::Result<usize> {
        let Some((datagram, taken)) = first_frame(frames) else { return Ok(frames.len()) };
        match self.socket.send_to(datagram, &self.path) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            // What the journal does not take is lost: there is no other place to say so.
            _ => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn first_frame(frames: &[u8]) -> Option<(&[u8], usize)> {
    let (length, rest) = frames.split_first_chunk()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    Some((rest.get(..length)?, size_of::<u32>() + length))
}

/// A datagram in the making.
#[derive(Debug)]
pub(super) struct Entry(Vec<u8>);

impl Entry {
    pub(super) fn new() -> Self {
        Self(vec![0; size_of::<u32>()])
    }

    /// Adds a field of the protocol itself.
    pub(super) fn put(&mut self, name: &str, value: &str) {
        let mut visible = String::new();
        push_visible(&mut visible, value);
        // Without an end of line in it, a value needs no length.
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(visible.as_bytes());
        self.0.push(b'\n');
    }

    /// Adds a field of an event. Names are letters, digits and underscores, with a word before them that is ours.
    pub(super) fn put_own(&mut self, name: &str, value: &str) {
        let name: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
            .collect();
        self.put(&format!("STUBBORN_{name}"), value);
    }

    /// The frame.
    pub(super) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.0.len() - size_of::<u32>()).unwrap_or(0);
        if let Some(room) = self.0.first_chunk_mut() {
            *room = length.to_le_bytes();
        }
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_fields_a_line_each_and_no_value_makes_another() {
        let mut entry = Entry::new();
        entry.put("PRIORITY", "4");
        entry.put_own("r#type-x", "A\nPRIORITY=0");
        let mut frames = entry.finish();
        let length = frames.len();
        frames.extend(Entry::new().finish());
        let (datagram, taken) = first_frame(&frames).unwrap();
        assert_eq!(datagram, b"PRIORITY=4\nSTUBBORN_R_TYPE_X=A\\010PRIORITY=0\n");
        assert_eq!((taken, first_frame(&frames[taken..])), (length, Some((&b""[..], 4))));
    }

    #[test]
    fn each_entry_is_a_datagram_and_a_journal_that_is_gone_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        assert!(Journal::at(&path).is_none());
        let receiver = UnixDatagram::bind(&path).unwrap();
        let mut journal = Journal::at(&path).unwrap();
        let entry = |text: &str| {
            let mut entry = Entry::new();
            entry.put("MESSAGE", text);
            entry.finish()
        };
        journal.write_all(&[entry("one"), entry("two")].concat()).unwrap();
        let mut room = [0; 100];
        for text in ["MESSAGE=one\n", "MESSAGE=two\n"] {
            let length = receiver.recv(&mut room).unwrap();
            assert_eq!(&room[..length], text.as_bytes());
        }
        drop(receiver);
        journal.write_all(&entry("lost")).unwrap();
        std::fs::remove_file(&path).unwrap();
        let receiver = UnixDatagram::bind(&path).unwrap();
        journal.write_all(&entry("again")).unwrap();
        let length = receiver.recv(&mut room).unwrap();
        assert_eq!(&room[..length], b"MESSAGE=again\n");
    }

    #[test]
    fn ids_are_128_bits_and_no_two_are_the_same() {
        for (index, (name, id)) in MESSAGE_IDS.iter().enumerate() {
            assert!(
                id.len() == 32 && id.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c)),
                "{name}"
            );
            assert!(
                !MESSAGE_IDS.iter().skip(index + 1).any(|(other, same)| other == name || same == id),
                "{name}"
            );
            assert_eq!(event_name(name), Some(*name));
        }
        assert_eq!(event_name("event src/telemetry/mod.rs:5"), None);
    }
}
