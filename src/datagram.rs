//! Datagrams in batches: `recvmmsg` and `sendmmsg`, with the address a query was sent to.
//!
//! The one file of the data path with `unsafe`, for clients' and upstreams' sockets alike: neither the standard library nor tokio nor socket2 has these calls. Every
//! pointer handed to the kernel is made from a slice this file owns, in the call that uses it.

#![allow(unsafe_code)]

mod parcels;
#[cfg(test)]
mod tests;

use std::io;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use parcels::Parcels;

/// Datagrams in one call.
pub(crate) const BATCH: usize = 64;
/// Room for the control messages of a datagram: its address here, and the size of its segments.
const CONTROL: usize = 96;

/// Where a datagram came from, and which of our addresses it was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    local: Option<Local>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Local {
    address: IpAddr,
    interface: u32,
}

#[derive(Clone, Copy)]
#[repr(C, align(8))]
struct Control([u8; CONTROL]);

/// Room for datagrams that are received together.
pub(crate) struct Inbox {
    data: Vec<u8>,
    /// Octets for each.
    room: usize,
    rest: Vectors,
    lengths: Vec<usize>,
    /// How many of the first heads the kernel has written since they were made ready.
    used: usize,
}

/// What the kernel is told of a batch.
struct Vectors {
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    heads: Vec<libc::mmsghdr>,
    vectors: Vec<libc::iovec>,
}

impl Vectors {
    fn new() -> Self {
        // SAFETY: all-zero octets are a valid value of these C structures.
        let (name, head, vector) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            names: vec![name; BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            heads: vec![head; BATCH],
            vectors: vec![vector; BATCH],
        }
    }
}

impl Inbox {
    /// For datagrams of at most `room` octets; longer ones are left out.
    pub(crate) fn new(room: usize) -> Self {
        Self { data: vec![0; room * BATCH], room, rest: Vectors::new(), lengths: vec![0; BATCH], used: BATCH }
    }

    /// Receives what is there, at most [`BATCH`] datagrams, without waiting.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let Vectors { names, controls, heads, vectors } = &mut self.rest;
        let rooms = self.data.chunks_exact_mut(self.room);
        // The others are as they were made ready; most reads bring few.
        let each = heads.iter_mut().zip(vectors).zip(rooms).zip(names).zip(controls).take(self.used);
        for ((((head, vector), room), name), control) in each {
            vector.iov_base = room.as_mut_ptr().cast();
            vector.iov_len = room.len();
            head.msg_hdr.msg_name = ptr::from_mut(name).cast();
            head.msg_hdr.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            head.msg_hdr.msg_iov = ptr::from_mut(vector);
            head.msg_hdr.msg_iovlen = 1;
            head.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            head.msg_hdr.msg_controllen = CONTROL as _;
            head.msg_hdr.msg_flags = 0;
        }
        self.used = 0;
        // SAFETY: each of the `BATCH` heads points to one vector, one name and one control buffer of its own, all of
        // which live as long as `self`, never move (no vector here grows), and have the lengths given.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.rest.heads.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        self.used = received;
        for (length, head) in self.lengths.iter_mut().zip(&self.rest.heads).take(received) {
            *length = head.msg_len as usize;
        }
        Ok(received)
    }

    /// The received datagram of this number with where it came from. One that did not fit, is of an unknown address family
    /// or from port 0, to which nothing can be sent, is none.
    pub(crate) fn datagram(&mut self, index: usize) -> Option<(&mut [u8], Peer)> {
        if self.is_cut_off(index) {
            return None;
        }
        let address = read_name(self.rest.names.get(index)?).filter(|address| address.port() != 0)?;
        let peer = Peer { address, local: read_control(&self.rest.heads.get(index)?.msg_hdr) };
        Some((self.octets(index)?, peer))
    }

    /// What fitted of a received datagram that did not.
    pub(crate) fn cut_off(&mut self, index: usize) -> Option<&mut [u8]> {
        if self.is_cut_off(index) { self.octets(index) } else { None }
    }

    fn is_cut_off(&self, index: usize) -> bool {
        self.rest.heads.get(index).is_some_and(|head| head.msg_hdr.msg_flags & libc::MSG_TRUNC != 0)
    }

    fn octets(&mut self, index: usize) -> Option<&mut [u8]> {
        let start = index * self.room;
        self.data.get_mut(start..start + *self.lengths.get(index)?)
    }
}

/// Messages to be sent together. Those to one peer go to the kernel as one (UDP_SEGMENT, udp(7)): a stub that asks for A and
/// AAAA from one socket gets both answers for little more than the price of one.
pub(crate) struct Outbox<M> {
    messages: Vec<M>,
    /// What is written when there is no room.
    lost: M,
    /// For whom the first of the messages are, `None` on a connected socket; the rest is room.
    peers: Vec<Option<Peer>>,
    parcels: Parcels,
    /// Where the kernel knows how, until it says that the way out does not.
    together: Together,
    /// Whole datagrams do not fit through an interface.
    fragments: bool,
    rest: Vectors,
}

/// Whether messages to one peer go as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Together {
    Unknown,
    Yes,
    No,
}

impl<M: AsRef<[u8]> + Default> Outbox<M> {
    pub(crate) fn new() -> Self {
        Self {
            messages: std::iter::repeat_with(M::default).take(BATCH).collect(),
            lost: M::default(),
            peers: Vec::with_capacity(BATCH),
            parcels: Parcels::new(),
            together: Together::Unknown,
            fragments: false,
            rest: Vectors::new(),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.peers.len() >= BATCH
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// Where the next message is to be written; it goes nowhere unless it is [kept](Self::keep).
    pub(crate) fn room(&mut self) -> &mut M {
        self.messages.get_mut(self.peers.len()).unwrap_or(&mut self.lost)
    }

    /// Keeps what stands in the room, to be sent to `peer`; when the outbox is full it is lost, as on any full queue.
    pub(crate) fn keep(&mut self, peer: Option<Peer>) {
        if !self.is_full() {
            self.peers.push(peer);
        }
    }

    /// Sends everything. What cannot be sent is skipped: whoever misses it asks again.
    ///
    /// # Errors
    /// The last.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let (mut done, mut result) = (0, Ok(()));
        if self.together == Together::Unknown {
            // A kernel before 4.18 would send them as one datagram, and say nothing.
            self.together = if knows_segments(socket) { Together::Yes } else { Together::No };
        }
        self.pack();
        while done < self.parcels.list.len() {
            match self.send_from(done, socket) {
                Ok(sent) => done += sent,
                Err(error) if self.has_parcel(done) && is_refused(&error) => {
                    // Some network devices cannot. What was sent before goes out again: a client takes the first reply.
                    self.together = Together::No;
                    self.pack();
                    done = 0;
                }
                Err(error) if !self.fragments && error.raw_os_error() == Some(libc::EMSGSIZE) => {
                    // An interface with a smaller MTU than any path should have: fragments are better than silence.
                    self.fragments = true;
                    allow_fragments(socket);
                }
                // The first one failed: step over it.
                Err(error) => {
                    result = Err(error);
                    done += 1;
                }
            }
        }
        self.peers.clear();
        result
    }

    /// The parcel of this number is more than a message.
    fn has_parcel(&self, number: usize) -> bool {
        self.parcels.list.get(number).is_some_and(|parcel| parcel.count > 1)
    }

    /// Writes what the kernel is to be told.
    fn pack(&mut self) {
        let Self { messages, peers, parcels, together, rest, .. } = self;
        let octets = |index: usize| messages.get(index).map_or(&[][..], AsRef::as_ref);
        parcels.pack(peers, |index| octets(index).len(), *together == Together::Yes);
        let Vectors { names, controls, heads, vectors } = rest;
        for (vector, message) in vectors.iter_mut().zip(&parcels.order).take(peers.len()) {
            let octets = octets(usize::from(*message));
            // The kernel only reads what is sent.
            vector.iov_base = octets.as_ptr().cast_mut().cast();
            vector.iov_len = octets.len();
        }
        let each = heads.iter_mut().zip(names).zip(controls).zip(&parcels.list);
        for (((head, name), control), parcel) in each {
            let Some(vectors) = vectors.get_mut(parcel.start..parcel.start + parcel.count) else { continue };
            let head = &mut head.msg_hdr;
            head.msg_iov = vectors.as_mut_ptr();
            head.msg_iovlen = vectors.len() as _;
            head.msg_flags = 0;
            let first = parcels.order.get(parcel.start).map_or(0, |message| usize::from(*message));
            let peer = peers.get(first).copied().flatten();
            (head.msg_name, head.msg_namelen) = (ptr::null_mut(), 0);
            if let Some(peer) = peer {
                head.msg_namelen = write_name(name, peer.address);
                head.msg_name = ptr::from_mut(name).cast();
            }
            let size = (parcel.count > 1).then(|| u16::try_from(parcel.size).unwrap_or(0));
            write_controls(head, control, peer.and_then(|peer| peer.local), size);
        }
    }

    /// Sends parcels from this number on; says how many.
    fn send_from(&mut self, number: usize, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let Some(heads) = self.rest.heads.get_mut(number..self.parcels.list.len()) else { return Ok(1) };
        // SAFETY: the heads of all parcels were set by `pack`; each points to vectors, a name and a control buffer of its
        // own within `self`, and the vectors to messages within `self`, none of which has changed since.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                heads.as_mut_ptr(),
                heads.len() as libc::c_uint,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map(|sent| sent.max(1)).map_err(|_| io::Error::last_os_error())
    }
}

/// What the kernel says of a parcel that it would take message by message.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE | libc::EOPNOTSUPP))
}

fn read_name(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match libc::c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a `sockaddr_in`, which is shorter than `sockaddr_storage` and no more aligned.
            let v4 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, with `sockaddr_in6`.
            let v6 = unsafe { &*ptr::from_ref(name).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(
                SocketAddrV6::new(address, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id)
                    .into(),
            )
        }
        _ => None,
    }
}

fn write_name(name: &mut libc::sockaddr_storage, address: SocketAddr) -> libc::socklen_t {
    let storage: *mut libc::sockaddr_storage = name;
    match address {
        SocketAddr::V4(v4) => {
            // SAFETY: `sockaddr_in` fits into `sockaddr_storage`, which is aligned for it and only borrowed here.
            let out = unsafe { &mut *storage.cast::<libc::sockaddr_in>() };
            out.sin_family = libc::AF_INET as _;
            out.sin_port = v4.port().to_be();
            out.sin_addr.s_addr = u32::from(*v4.ip()).to_be();
            size_of::<libc::sockaddr_in>() as _
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above, with `sockaddr_in6`.
            let out = unsafe { &mut *storage.cast::<libc::sockaddr_in6>() };
            out.sin6_family = libc::AF_INET6 as _;
            out.sin6_port = v6.port().to_be();
            out.sin6_addr.s6_addr = v6.ip().octets();
            out.sin6_flowinfo = v6.flowinfo();
            out.sin6_scope_id = v6.scope_id();
            size_of::<libc::sockaddr_in6>() as _
        }
    }
}

/// The local address out of the control messages of a received datagram.
fn read_control(head: &libc::msghdr) -> Option<Local> {
    if head.msg_controllen == 0 {
        return None;
    }
    // SAFETY: the kernel filled the control buffer of `head` up to `msg_controllen`; the CMSG functions stay within it,
    // and `read_unaligned` copies a structure out that the type of the message says is there.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(head);
        while !message.is_null() {
            let kind = ((*message).cmsg_level, (*message).cmsg_type);
            let data = libc::CMSG_DATA(message);
            if kind == (libc::IPPROTO_IP, libc::IP_PKTINFO) {
                let info: libc::in_pktinfo = ptr::read_unaligned(data.cast());
                let address = Ipv4Addr::from(u32::from_be(info.ipi_spec_dst.s_addr)).into();
                return Some(Local { address, interface: 0 });
            }
            if kind == (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) {
                let info: libc::in6_pktinfo = ptr::read_unaligned(data.cast());
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr).into();
                return Some(Local { address, interface: info.ipi6_ifindex });
            }
            message = libc::CMSG_NXTHDR(head, message);
        }
    }
    None
}

/// Writes the control messages that set a datagram's source and the size of its segments.
fn write_controls(
    head: &mut libc::msghdr,
    control: &mut Control,
    local: Option<Local>,
    segment: Option<u16>,
) {
    head.msg_control = control.0.as_mut_ptr().cast();
    head.msg_controllen = CONTROL as _;
    let mut used = 0;
    match local {
        Some(Local { address: IpAddr::V4(v4), .. }) => {
            // SAFETY: all-zero octets are a valid value of this C structure.
            let mut info: libc::in_pktinfo = unsafe { mem::zeroed() };
            info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
            used += write_control(head, used, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        Some(Local { address: IpAddr::V6(v6), interface }) => {
            // SAFETY: as above.
            let mut info: libc::in6_pktinfo = unsafe { mem::zeroed() };
            info.ipi6_addr.s6_addr = v6.octets();
            // The interface is needed for link-local addresses only, and would override the route of others.
            info.ipi6_ifindex = if v6.is_unicast_link_local() { interface as _ } else { 0 };
            used += write_control(head, used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
        None => {}
    }
    if let Some(size) = segment {
        used += write_control(head, used, libc::SOL_UDP, libc::UDP_SEGMENT, size);
    }
    head.msg_controllen = used as _;
    if used == 0 {
        head.msg_control = ptr::null_mut();
    }
}

/// Writes a control message after `used` octets of others; returns the octets it takes.
fn write_control<T>(
    head: &libc::msghdr,
    used: usize,
    level: libc::c_int,
    kind: libc::c_int,
    value: T,
) -> usize {
    const { assert!(size_of::<T>() <= 20, "two of them have to fit") };
    // SAFETY: `CONTROL` has room for two of these, aligned for `cmsghdr`, and what each takes is a multiple of that
    // alignment.
    unsafe {
        let message: *mut libc::cmsghdr = head.msg_control.cast::<u8>().add(used).cast();
        (*message).cmsg_level = level;
        (*message).cmsg_type = kind;
        (*message).cmsg_len = libc::CMSG_LEN(size_of::<T>() as _) as _;
        ptr::write_unaligned(libc::CMSG_DATA(message).cast(), value);
        libc::CMSG_SPACE(size_of::<T>() as _) as usize
    }
}

/// Asks the kernel to say which address each datagram was sent to.
pub(crate) fn report_local_address(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    match is_v6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
    }
}

/// Sends whole datagrams or none, whatever ICMP says of a path's MTU: fragments can be replaced by an attacker who cannot
/// see the rest (RFC 9715 §3.1), and no reply is longer than what passes every path.
pub(crate) fn never_fragment(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    match is_v6 {
        true => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_PROBE),
        false => set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_PROBE),
    }
}

/// Lets what is too long for an interface leave in fragments, whatever ICMP says of a path. One of the two is the socket's.
fn allow_fragments(socket: BorrowedFd<'_>) {
    let _ = set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT);
    let _ = set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT);
}

/// The kernel can take several datagrams as one. Setting the size to none changes nothing.
fn knows_segments(socket: BorrowedFd<'_>) -> bool {
    set_option(socket, libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok()
}

fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the option's value is an `int`, and its address and length are those of `value`.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            ptr::from_ref(&value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
