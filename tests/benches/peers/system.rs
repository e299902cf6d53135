//! What the standard library has no words for: cores, priorities, the processor time of another process, and datagrams
//! in batches.

#![allow(unsafe_code, reason = "system calls that the standard library has no words for")]

use std::io;
use std::mem::{size_of, zeroed};
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Datagrams taken with one call.
const BATCH: usize = 32;
/// The longest datagram that is sent back whole.
const DATAGRAM: usize = 1500;

/// Holds this thread, and every process it starts from now on, on one core.
pub(crate) fn pin(core: usize) -> io::Result<()> {
    // SAFETY: a cpu_set_t is an array of integers, for which zeroes are a value, and it outlives the call.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = zeroed();
        libc::CPU_SET(core, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Lets this thread run as soon as it can, before all that is not in a hurry. Only root may.
pub(crate) fn hurry() -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 1 };
    // SAFETY: the parameter outlives the call.
    let failed = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Processor time a process has used so far, in user and in kernel space, by all its threads, ended ones included.
pub(crate) fn processor_time(process: u32) -> io::Result<Duration> {
    let process = libc::pid_t::try_from(process).map_err(io::Error::other)?;
    // SAFETY: both are integers to write to, and outlive the calls.
    let (failed, time) = unsafe {
        let mut clock: libc::clockid_t = zeroed();
        let mut time: libc::timespec = zeroed();
        let failed = libc::clock_getcpuclockid(process, &raw mut clock);
        if failed != 0 {
            return Err(io::Error::from_raw_os_error(failed));
        }
        (libc::clock_gettime(clock, &raw mut time), time)
    };
    if failed != 0 {
        return Err(io::Error::last_os_error());
    }
    let seconds = u64::try_from(time.tv_sec).map_err(io::Error::other)?;
    let nanoseconds = u32::try_from(time.tv_nsec).map_err(io::Error::other)?;
    Ok(Duration::new(seconds, nanoseconds))
}

/// Asks the kernel to end a process as users do.
pub(crate) fn terminate(process: u32) {
    if let Ok(process) = libc::pid_t::try_from(process) {
        // SAFETY: takes integers only.
        unsafe { libc::kill(process, libc::SIGTERM) };
    }
}

/// Sends every datagram back with the QR bit set, for ever: the least a server can do.
pub(crate) fn echo(socket: &UdpSocket) -> io::Result<()> {
    let descriptor = socket.as_raw_fd();
    let mut datagrams = [[0_u8; DATAGRAM]; BATCH];
    // SAFETY: sockaddr_in, iovec and mmsghdr are integers and pointers, for which zeroes are a value.
    let (mut names, mut parts, mut messages): (
        [libc::sockaddr_in; BATCH],
        [libc::iovec; BATCH],
        [libc::mmsghdr; BATCH],
    ) = unsafe { (zeroed(), zeroed(), zeroed()) };
    loop {
        for at in 0..BATCH {
            parts[at] = libc::iovec { iov_base: datagrams[at].as_mut_ptr().cast(), iov_len: DATAGRAM };
            let header = &mut messages[at].msg_hdr;
            header.msg_name = (&raw mut names[at]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_in>() as libc::socklen_t;
            header.msg_iov = &raw mut parts[at];
            header.msg_iovlen = 1;
        }
        let waiting = libc::MSG_WAITFORONE;
        // SAFETY: each header points to a name and a part of its own, each part to DATAGRAM octets; all outlive the call.
        let count = unsafe {
            libc::recvmmsg(descriptor, messages.as_mut_ptr(), BATCH as _, waiting as _, std::ptr::null_mut())
        };
        let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
        for at in 0..count {
            parts[at].iov_len = messages[at].msg_len as usize;
            datagrams[at][2] |= 0x80;
        }
        // SAFETY: as above; the kernel wrote no more than it was offered.
        unsafe { libc::sendmmsg(descriptor, messages.as_mut_ptr(), count as _, 0) };
    }
}
