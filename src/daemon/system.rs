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

/// Becomes the user with this one group, in every thread (the C library sees to that), and lets no program it might start
/// have more rights than it has itself.
///
/// # Errors
/// What the system does not allow; by then a part of it may have been done.
pub(super) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: one group, which is read from a place that outlives the call.
    succeeded(unsafe { libc::setgroups(1, &raw const gid) })?;
    // SAFETY: numbers in, a number out.
    succeeded(unsafe { libc::setgid(gid) })?;
    // SAFETY: as above. After the groups, which take the rights that this gives up.
    succeeded(unsafe { libc::setuid(uid) })?;
    #[cfg(target_os = "linux")]
    {
        let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: this option takes numbers, each as wide as the kernel reads it.
        succeeded(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) })?;
    }
    Ok(())
}

/// Whether this process can become root's user or group: tries it.
pub(super) fn may_be_root() -> bool {
    // SAFETY: numbers in, a number out.
    unsafe { libc::setuid(0) == 0 || libc::setgid(0) == 0 }
}

fn succeeded(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
