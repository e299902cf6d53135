//! Datagrams in batches: `recvmmsg` and `sendmmsg`, with the address a query was sent to.
//!
//! The one file of the data path with `unsafe`, for clients' and upstreams' sockets alike: neither the standard library nor tokio nor socket2 has these calls. Every
//! pointer handed to the kernel is made from a slice this file owns, in the call that uses it.

#![allow(unsafe_code)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

/// Datagrams in one call.
pub(crate) const BATCH: usize = 64;
/// Room for one control message with a packet's addresses, aligned as `cmsghdr` has to be.
const CONTROL: usize = 64;

/// Where a datagram came from, and which of our addresses it was sent to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    local: Option<Local>,
}

#[derive(Debug, Clone, Copy)]
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
        Self { data: vec![0; room * BATCH], room, rest: Vectors::new(), lengths: vec![0; BATCH] }
    }

    /// Receives what is there, at most [`BATCH`] datagrams, without waiting.
    pub(crate) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let Vectors { names, controls, heads, vectors } = &mut self.rest;
        let rooms = self.data.chunks_exact_mut(self.room);
        let each = heads.iter_mut().zip(vectors).zip(rooms).zip(names).zip(controls);
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
        // SAFETY: each of the `BATCH` heads points to one vector, one name and one control buffer of its own, all of
        // which live as long as `self` and have the lengths given.
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
        for (length, head) in self.lengths.iter_mut().zip(&self.rest.heads).take(received) {
            *length = head.msg_len as usize;
        }
        Ok(received)
    }

    /// The received datagram of this number with where it came from. One that did not fit, or of an unknown address
    /// family, is none.
    pub(crate) fn datagram(&mut self, index: usize) -> Option<(&mut [u8], Peer)> {
        if self.is_cut_off(index) {
            return None;
        }
        let address = read_name(self.rest.names.get(index)?)?;
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

/// Messages to be sent together.
pub(crate) struct Outbox<M> {
    messages: Vec<M>,
    /// What is written when there is no room.
    lost: M,
    /// For whom the first of the messages are, `None` on a connected socket; the rest is room.
    peers: Vec<Option<Peer>>,
    rest: Vectors,
}

impl<M: AsRef<[u8]> + Default> Outbox<M> {
    pub(crate) fn new() -> Self {
        Self {
            messages: std::iter::repeat_with(M::default).take(BATCH).collect(),
            lost: M::default(),
            peers: Vec::with_capacity(BATCH),
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
    /// The first.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let count = self.peers.len();
        let Vectors { names, controls, heads, vectors } = &mut self.rest;
        let each = heads.iter_mut().zip(vectors).zip(&self.messages).zip(names).zip(controls);
        for (((((head, vector), message), name), control), peer) in each.zip(&self.peers) {
            let octets = message.as_ref();
            // The kernel only reads what is sent.
            vector.iov_base = octets.as_ptr().cast_mut().cast();
            vector.iov_len = octets.len();
            head.msg_hdr.msg_iov = ptr::from_mut(vector);
            head.msg_hdr.msg_iovlen = 1;
            head.msg_hdr.msg_flags = 0;
            head.msg_hdr.msg_name = ptr::null_mut();
            head.msg_hdr.msg_namelen = 0;
            if let Some(peer) = peer {
                head.msg_hdr.msg_name = ptr::from_mut(name).cast();
                head.msg_hdr.msg_namelen = write_name(name, peer.address);
            }
            head.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            head.msg_hdr.msg_controllen = CONTROL as _;
            let local = peer.and_then(|peer| peer.local);
            let used = local.map_or(0, |local| write_control(&head.msg_hdr, local));
            head.msg_hdr.msg_controllen = used as _;
            if used == 0 {
                head.msg_hdr.msg_control = ptr::null_mut();
            }
        }
        let mut done = 0;
        let mut result = Ok(());
        while done < count {
            let left = libc::c_uint::try_from(count - done).unwrap_or(0);
            let Some(rest) = heads.get_mut(done..) else { break };
            // SAFETY: the first `count` heads were set just above; each points to buffers of its own within `self`.
            let sent = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), left, libc::MSG_DONTWAIT as _)
            };
            done += usize::try_from(sent).unwrap_or_else(|_| {
                // The first one failed: step over it.
                result = mem::replace(&mut result, Ok(())).and(Err(io::Error::last_os_error()));
                1
            });
        }
        self.peers.clear();
        result
    }
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

/// Writes the control message that sets a datagram's source; returns the octets used.
fn write_control(head: &libc::msghdr, local: Local) -> usize {
    // SAFETY: `head` has a control buffer of `CONTROL` octets, more than either message needs, aligned for `cmsghdr`.
    unsafe {
        let message = libc::CMSG_FIRSTHDR(head);
        if message.is_null() {
            return 0;
        }
        match local.address {
            IpAddr::V4(v4) => {
                let mut info: libc::in_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi_spec_dst.s_addr = u32::from(v4).to_be();
                (*message).cmsg_level = libc::IPPROTO_IP;
                (*message).cmsg_type = libc::IP_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as _) as _;
                ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
                libc::CMSG_SPACE(size_of_val(&info) as _) as usize
            }
            IpAddr::V6(v6) => {
                let mut info: libc::in6_pktinfo = MaybeUninit::zeroed().assume_init();
                info.ipi6_addr.s6_addr = v6.octets();
                // The interface is needed for link-local addresses only, and would override the route of others.
                info.ipi6_ifindex = if v6.is_unicast_link_local() { local.interface as _ } else { 0 };
                (*message).cmsg_level = libc::IPPROTO_IPV6;
                (*message).cmsg_type = libc::IPV6_PKTINFO;
                (*message).cmsg_len = libc::CMSG_LEN(size_of_val(&info) as _) as _;
                ptr::write_unaligned(libc::CMSG_DATA(message).cast(), info);
                libc::CMSG_SPACE(size_of_val(&info) as _) as usize
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;
    use std::os::fd::AsFd;
    use std::time::Duration;

    fn exchange(bind: &str, ask: &str) -> SocketAddr {
        let server = UdpSocket::bind(bind).unwrap();
        report_local_address(server.as_fd(), server.local_addr().unwrap().is_ipv6()).unwrap();
        let to = SocketAddr::new(ask.parse().unwrap(), server.local_addr().unwrap().port());
        let client = UdpSocket::bind((if to.is_ipv6() { "::" } else { "0.0.0.0" }, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for text in ["one", "two", "three"] {
            client.send_to(text.as_bytes(), to).unwrap();
        }
        let (mut inbox, mut outbox) = (Inbox::new(512), Outbox::<Vec<u8>>::new());
        let mut seen = 0;
        while seen < 3 {
            let Ok(count) = inbox.receive(server.as_fd()) else { continue };
            for index in 0..count {
                let (data, peer) = inbox.datagram(index).unwrap();
                *outbox.room() = data.to_vec();
                outbox.keep(Some(peer));
            }
            seen += count;
            outbox.flush(server.as_fd()).unwrap();
        }
        let mut room = [0; 16];
        let mut from = None;
        for text in ["one", "two", "three"] {
            let (length, source) = client.recv_from(&mut room).unwrap();
            assert_eq!(&room[..length], text.as_bytes());
            from = Some(source);
        }
        assert_eq!(from.unwrap().port(), to.port());
        from.unwrap()
    }

    #[test]
    fn a_reply_leaves_from_the_address_that_was_asked() {
        // On a wildcard socket the kernel would otherwise choose 127.0.0.1.
        for (bind, ask) in [
            ("0.0.0.0:0", "127.0.0.1"),
            ("0.0.0.0:0", "127.8.9.10"),
            ("[::]:0", "::1"),
            ("127.0.0.1:0", "127.0.0.1"),
        ] {
            assert_eq!(exchange(bind, ask).ip(), ask.parse::<IpAddr>().unwrap(), "{bind} {ask}");
        }
    }
}
