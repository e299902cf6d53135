//! The two questions to the kernel for which no safe interface is among the dependencies: the interfaces' addresses, and
//! being woken when they change. All `unsafe` of this module is in this file; what it returns is checked and owned.
//!
//! The crate `if-watch` answers both, for 13 more crates: its netlink stack keeps a mirror of the kernel's list up to
//! date from messages, where here a message only says that the list is to be read again.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

#[cfg(target_os = "linux")]
use tokio::io::unix::AsyncFd;

/// The addresses of all interfaces, up or not, IPv6 without the interface of its scope.
pub(super) fn interface_addresses() -> io::Result<BTreeSet<IpAddr>> {
    struct List(*mut libc::ifaddrs);
    impl Drop for List {
        fn drop(&mut self) {
            // SAFETY: the pointer is null or came from getifaddrs, and is freed only here. Some systems do not accept
            // null.
            if !self.0.is_null() {
                unsafe { libc::freeifaddrs(self.0) }
            }
        }
    }

    let mut list = List(ptr::null_mut());
    // SAFETY: getifaddrs writes one pointer to the place it is given.
    if unsafe { libc::getifaddrs(&raw mut list.0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = BTreeSet::new();
    let mut next = list.0;
    // SAFETY: each element is null or points to an entry that lives until `list` is dropped; nothing borrowed from an
    // entry outlives the loop's body.
    while let Some(entry) = unsafe { next.as_ref() } {
        // SAFETY: `ifa_addr` is null or a socket address as long as its family's.
        addresses.extend(unsafe { ip_address(entry.ifa_addr) });
        next = entry.ifa_next;
    }
    Ok(addresses)
}

/// # Safety
///
/// `address` is null or points to a socket address that is complete for the family it names.
unsafe fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    // Read without asking for alignment: POSIX promises none beyond that of `sockaddr`.
    // SAFETY: by the contract; the family says which type is behind the pointer.
    unsafe {
        match i32::from(address.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = ptr::read_unaligned(address.cast::<libc::sockaddr_in>());
                Some(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()).into())
            }
            libc::AF_INET6 => {
                let v6 = ptr::read_unaligned(address.cast::<libc::sockaddr_in6>());
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

/// A socket that has something to read after an address came or went (rtnetlink(7)). Needs a tokio runtime with I/O.
#[cfg(target_os = "linux")]
pub(super) fn address_messages() -> io::Result<AsyncFd<socket2::Socket>> {
    use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

    let kind = Type::RAW.nonblocking().cloexec();
    let socket =
        Socket::new(Domain::from(libc::AF_NETLINK), kind, Some(Protocol::from(libc::NETLINK_ROUTE)))?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: sockaddr_nl is one of Linux' socket addresses, all integers, and the storage is zeroed, so that port and
    // padding are 0: the kernel chooses the port.
    let address = unsafe { storage.view_as::<libc::sockaddr_nl>() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = (libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
    // SAFETY: a sockaddr_nl was written, and this is its length.
    let address = unsafe { SockAddr::new(storage, size_of::<libc::sockaddr_nl>() as libc::socklen_t) };
    socket.bind(&address)?;
    // SAFETY: the socket owns its descriptor and goes into the AsyncFd, which gives it out by shared reference only.
    Ok(unsafe { AsyncFd::register_with_interest(socket, tokio::io::Interest::READABLE) }?)
}
