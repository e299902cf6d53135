//! The calls that change what this process is, for which no safe interface is among the dependencies: taking over passed
//! descriptors, and giving up privileges. All `unsafe` of both is in this file.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::io::{FdFlags, fcntl_setfd};

/// Takes over descriptors that were passed to this process, and closes them to programs it might start. To be called once,
/// before anything else could have opened a file: by then they are open, or nothing is there.
///
/// # Errors
/// One of them is not open.
pub(super) fn take_descriptors(numbers: std::ops::Range<RawFd>) -> io::Result<Vec<OwnedFd>> {
    numbers.map(take_descriptor).collect()
}

fn take_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: borrowed for this call only, which fails where nothing is open; the number is from 3 on, not -1.
    fcntl_setfd(unsafe { BorrowedFd::borrow_raw(number) }, FdFlags::CLOEXEC)?;
    // SAFETY: it is open, and whoever started this process passed it on to be owned here (sd_listen_fds(3)).
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
