//! The calls that change what this process is, for which no safe interface is among the dependencies: taking over passed
//! descriptors, and giving up privileges, files and memory. All `unsafe` of these is in this file.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::{FdFlags, fcntl_setfd};

/// Standard output was closed when the program started.
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before `main`, and so before the standard library puts /dev/null in the place of what is closed.
#[cfg(target_os = "linux")]
#[used]
// SAFETY: the linker's list of functions to be called at the start, which all have this type (System V ABI).
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = note_closed_stdout;

#[cfg(target_os = "linux")]
extern "C" fn note_closed_stdout() {
    // SAFETY: numbers in, a number out.
    let flags = unsafe { libc::fcntl(libc::STDOUT_FILENO, libc::F_GETFD) };
    STDOUT_CLOSED.store(flags == -1, Ordering::Relaxed);
}

/// Whether standard output was closed when the program started. What is written to it then goes nowhere, without an error.
pub fn is_stdout_closed() -> bool {
    STDOUT_CLOSED.load(Ordering::Relaxed)
}

/// From now on, a write that would make a file larger than this process may make it (RLIMIT_FSIZE) fails with an error instead of
/// ending the process.
pub fn survive_full_files() {
    // SAFETY: no handler is installed, the signal is only ignored.
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

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

/// Gives memory back that only the start needed: what this thread has freed, and the program's code. Of that what is called
/// again is found again, in the file.
pub(super) fn give_back_memory() {
    // SAFETY: it takes no pointer, and touches only what no one holds.
    unsafe { libmimalloc_sys::mi_collect(true) }
    #[cfg(target_os = "linux")]
    // SAFETY: the function has the type that is called for, and needs no data.
    unsafe {
        libc::dl_iterate_phdr(Some(give_back_code), std::ptr::null_mut());
    }
}

/// Is called with the program itself, which comes first, and ends the enumeration (dl_iterate_phdr(3)).
#[cfg(target_os = "linux")]
unsafe extern "C" fn give_back_code(
    program: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: it is valid for this call, and so are the headers it counts.
    let (base, headers) = unsafe {
        let program = &*program;
        (program.dlpi_addr, std::slice::from_raw_parts(program.dlpi_phdr, usize::from(program.dlpi_phnum)))
    };
    // SAFETY: a number in, a number out.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
    for header in headers {
        let is_code =
            header.p_type == libc::PT_LOAD && header.p_flags & (libc::PF_X | libc::PF_W) == libc::PF_X;
        let start = base as usize + header.p_vaddr as usize;
        let Some(before) = start.checked_rem(page).filter(|_| is_code) else { continue };
        let (aligned, length) = (start - before, before + header.p_memsz as usize);
        // SAFETY: nothing was ever written there, so that its pages are those of the file, before and after (madvise(2)).
        unsafe { libc::madvise(aligned as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
    1
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
    let_nothing_gain_rights()
}

/// No program that this process might start has more rights than it has itself.
fn let_nothing_gain_rights() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: this option takes numbers, each as wide as the kernel reads it.
        succeeded(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) })?;
    }
    Ok(())
}

/// Gives up, for this thread and those it starts from now on, to gain rights by another program, and every capability
/// unless it is root's.
///
/// # Errors
/// The system does not allow it.
pub(super) fn give_up_rights() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        let_nothing_gain_rights()?;
        // SAFETY: nothing in, a number out.
        if unsafe { libc::geteuid() } == 0 {
            return Ok(());
        }
        // capget(2): a version and this thread, and two times three sets of 32.
        let (header, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
        // SAFETY: both are as long as this version of the call reads, and outlive it.
        succeeded(unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), none.as_ptr()) })?;
    }
    Ok(())
}

/// Which version of Landlock the kernel has.
///
/// # Errors
/// It has none, or it is switched off.
pub(super) fn landlock_version() -> io::Result<u32> {
    #[cfg(target_os = "linux")]
    {
        const VERSION: libc::c_uint = 1;
        let none = std::ptr::null::<libc::c_void>();
        // SAFETY: with this flag the call reads nothing and returns a number (landlock_create_ruleset(2)).
        let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, none, 0_usize, VERSION) };
        u32::try_from(version).map_err(|_| io::Error::last_os_error())
    }
    #[cfg(not(target_os = "linux"))]
    Err(io::ErrorKind::Unsupported.into())
}

/// Takes the `handled` rights over files from this thread and from those it starts from now on, but for those that a rule
/// leaves it below a directory. To be called after [`give_up_rights`], without which only root may.
///
/// # Errors
/// The system does not allow it, or knows one of the rights not.
#[cfg_attr(not(target_os = "linux"), allow(unused_variables))]
pub(super) fn restrict_files(handled: u64, rules: &[(File, u64)]) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;

        /// `struct landlock_path_beneath_attr`
        #[repr(C, packed)]
        struct Beneath {
            allowed: u64,
            directory: RawFd,
        }
        const PATH_BENEATH: libc::c_uint = 1;
        const NO_FLAGS: libc::c_uint = 0;

        // SAFETY: the first field of `struct landlock_ruleset_attr` and its length; later fields count as zero.
        let ruleset = unsafe {
            libc::syscall(
                libc::SYS_landlock_create_ruleset,
                &raw const handled,
                size_of_val(&handled),
                NO_FLAGS,
            )
        };
        let ruleset = RawFd::try_from(ruleset).unwrap_or(-1);
        if ruleset < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just opened it for us.
        let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset) };
        for (directory, allowed) in rules {
            let rule = Beneath { allowed: *allowed, directory: directory.as_raw_fd() };
            // SAFETY: the rule outlives the call, and so do both descriptors.
            succeeded(unsafe {
                libc::syscall(
                    libc::SYS_landlock_add_rule,
                    ruleset.as_raw_fd(),
                    PATH_BENEATH,
                    &raw const rule,
                    NO_FLAGS,
                )
            })?;
        }
        // SAFETY: a descriptor that is open, and a number.
        succeeded(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), NO_FLAGS) })?;
    }
    Ok(())
}

/// Whether this process can become root's user or group: tries it.
pub(super) fn may_be_root() -> bool {
    // SAFETY: numbers in, a number out.
    unsafe { libc::setuid(0) == 0 || libc::setgid(0) == 0 }
}

fn succeeded(result: impl Into<libc::c_long>) -> io::Result<()> {
    if result.into() == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
