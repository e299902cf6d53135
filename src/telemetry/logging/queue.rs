//! Lines on their way out. A terminal held with Ctrl-S or a log reader that hangs makes write(2) on standard error wait
//! for as long as it likes; only the thread here waits with it.

use std::io::{self, ErrorKind, Write};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What may wait to be written. As much again is in the hands of the thread that writes.
pub(super) const MAX_PENDING: usize = 256 << 10;

#[derive(Debug, Default)]
pub(super) struct Queue {
    pending: Mutex<Pending>,
    /// Something is pending, or the queue was closed.
    filled: Condvar,
    /// Everything was written.
    emptied: Condvar,
}

#[derive(Debug, Default)]
struct Pending {
    octets: Vec<u8>,
    dropped: u64,
    writing: bool,
    closed: bool,
}

impl Pending {
    fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.dropped == 0
    }
}

impl Queue {
    /// Takes a line, or drops and counts it when the output is stuck. Never waits for the output.
    pub(super) fn push(&self, line: &[u8]) {
        let mut pending = self.lock();
        let was_empty = pending.is_empty();
        // Once one is dropped, all are until the thread comes by: a gap is in one place and is said there.
        if pending.dropped == 0 && pending.octets.len() + line.len() <= MAX_PENDING {
            pending.octets.extend_from_slice(line);
        } else {
            pending.dropped += 1;
        }
        drop(pending);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Writes until the queue is closed and empty. `notice` words the line that says how many were dropped, or not taken by
    /// an output on a disk that was full.
    pub(super) fn run(&self, mut output: impl Write, notice: impl Fn(u64) -> Vec<u8>) {
        let mut octets = Vec::new();
        let mut lost = 0;
        loop {
            octets.clear();
            // A burst's buffer is not kept for good.
            octets.shrink_to(4 << 10);
            let mut pending = self.lock();
            pending.writing = false;
            if pending.is_empty() {
                self.emptied.notify_all();
            }
            let idle = |pending: &mut Pending| pending.is_empty() && !pending.closed;
            pending = self.filled.wait_while(pending, idle).unwrap_or_else(PoisonError::into_inner);
            if pending.is_empty() {
                return;
            }
            std::mem::swap(&mut octets, &mut pending.octets);
            let dropped = std::mem::take(&mut pending.dropped);
            pending.writing = true;
            drop(pending);
            if dropped > 0 {
                octets.extend_from_slice(&notice(dropped));
            }
            if lost > 0 {
                // What was cut short ends here.
                let words = [b"\n", notice(lost).as_slice()].concat();
                if !write(&mut output, &words).is_empty() {
                    lost += lines(&octets);
                    continue;
                }
            }
            lost = lines(write(&mut output, &octets));
        }
    }

    /// Waits until everything is written, at most for `patience`; false when it is not.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let busy = |pending: &mut Pending| pending.writing || !pending.is_empty();
        let waited = self.emptied.wait_timeout_while(self.lock(), patience, busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Lets [`Queue::run`] return after what is pending.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lines(octets: &[u8]) -> u64 {
    octets.iter().filter(|octet| **octet == b'\n').count() as u64
}

/// Writes all, or as much as can be, and returns the rest: an output that is gone (EPIPE) or full (ENOSPC) is nothing to
/// end a daemon for, and there is no other place to say so.
fn write<'a>(output: &mut impl Write, mut octets: &'a [u8]) -> &'a [u8] {
    while !octets.is_empty() {
        match output.write(octets) {
            Ok(0) => return octets,
            Ok(written) => octets = octets.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Standard error is shared, and somebody made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(10))
            }
            Err(_) => return octets,
        }
    }
    let _: io::Result<()> = output.flush();
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::sync::Arc;

    const LONG: Duration = Duration::from_secs(20);

    fn start(output: impl Write + Send + 'static) -> (Arc<Queue>, std::thread::JoinHandle<()>) {
        let queue = Arc::new(Queue::default());
        let running = Arc::clone(&queue);
        (
            queue,
            std::thread::spawn(move || {
                running.run(output, |count| format!("dropped {count}\n").into_bytes())
            }),
        )
    }

    #[test]
    fn lines_come_out_in_order_and_the_thread_ends() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (queue, thread) = start(writer);
        let reading = std::thread::spawn(move || io::read_to_string(&mut reader).unwrap());
        let lines: String = (0..10_000).map(|n| format!("{n}\n")).collect();
        lines.split_inclusive('\n').for_each(|line| queue.push(line.as_bytes()));
        assert!(queue.flush(LONG));
        queue.close();
        thread.join().unwrap();
        assert_eq!(reading.join().unwrap(), lines);
    }

    /// A pipe nobody reads: the thread is stuck in write(2), and every push returns nevertheless.
    #[test]
    fn a_stuck_output_costs_lines_and_says_how_many() {
        let (mut reader, writer) = io::pipe().unwrap();
        let (queue, thread) = start(writer);
        let pushed = 4 * MAX_PENDING / 100;
        (0..pushed).for_each(|number| queue.push(format!("{number:099}\n").as_bytes()));
        assert!(!queue.flush(Duration::from_millis(1)));
        queue.close();
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        thread.join().unwrap();
        let (mut next, mut notices) = (0, 0);
        for line in text.lines() {
            if let Some(count) = line.strip_prefix("dropped ") {
                next += count.parse::<usize>().unwrap();
                notices += 1;
            } else {
                assert_eq!(line.parse(), Ok(next), "a gap is where it is said, and as large");
                next += 1;
            }
        }
        assert!(notices > 0);
        assert_eq!(next, pushed);
    }

    #[test]
    fn an_output_that_is_gone_stops_nothing() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let (queue, thread) = start(writer);
        queue.push(b"nobody reads this\n");
        assert!(queue.flush(LONG));
        queue.close();
        thread.join().unwrap();
    }

    /// A disk with room for so many octets, which somebody makes.
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>, std::sync::mpsc::Sender<()>);

    impl Write for Disk {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let taken = octets.len().min(disk.0);
            disk.0 -= taken;
            disk.1.extend_from_slice(&octets[..taken]);
            if taken > 0 {
                return Ok(taken);
            }
            self.1.send(()).unwrap();
            Err(ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_full_disk_did_not_take_is_told_when_it_has_room() {
        let disk = Arc::new(Mutex::new((12, Vec::new())));
        let (sender, full) = std::sync::mpsc::channel();
        let (queue, thread) = start(Disk(Arc::clone(&disk), sender));
        queue.push(b"line one\nline two\nline three\n");
        full.recv().unwrap();
        queue.push(b"line four\n");
        full.recv().unwrap();
        disk.lock().unwrap().0 = 1000;
        queue.push(b"line five\n");
        queue.close();
        thread.join().unwrap();
        let text = String::from_utf8(disk.lock().unwrap().1.clone()).unwrap();
        assert_eq!(text, "line one\nlin\ndropped 3\nline five\n");
    }

    struct Reluctant(Vec<ErrorKind>, std::sync::mpsc::Sender<u8>);

    impl Write for Reluctant {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            match self.0.pop() {
                Some(kind) => Err(kind.into()),
                None => octets
                    .first()
                    .map_or(Ok(0), |first| self.1.send(*first).map(|()| 1).map_err(io::Error::other)),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn interruptions_and_short_writes_lose_nothing() {
        let (sender, written) = std::sync::mpsc::channel();
        let (queue, thread) = start(Reluctant(vec![ErrorKind::WouldBlock, ErrorKind::Interrupted], sender));
        queue.push(b"all of it\n");
        queue.close();
        thread.join().unwrap();
        assert_eq!(written.iter().collect::<Vec<u8>>(), b"all of it\n");
    }
}
