//! The listening sockets, bound before anything is served: one set for each worker, which share their ports.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::holder::holder_of;
use super::passed::{Passed, deal};
use crate::datagram::{never_fragment, report_local_address};

/// What the kernel may queue while a worker is busy, in octets; it gives less where it is told to.
const RECEIVE_BUFFER: usize = 4 << 20;
const BACKLOG: i32 = 1024;
/// Attempts to find a port that is free for both UDP and TCP, where any will do.
const ANY_PORT_ATTEMPTS: usize = 16;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else has it.
    #[error(
        "{address} is in use{}; stop that program, or listen elsewhere with `listen = [\"…\"]` in [server] or `--listen ADDRESS:PORT`",
        .holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// Who has it.
        holder: Option<String>,
    },
    /// A port below 1024 without leave.
    #[error(
        "no permission to listen on {address}: either give the program leave for low ports \
         (`setcap cap_net_bind_service=+ep` on the binary, or AmbientCapabilities=CAP_NET_BIND_SERVICE in its unit), \
         or listen on a port from 1024 on (`--listen 127.0.0.1:5335`)"
    )]
    NoPermission {
        /// The address.
        address: SocketAddr,
    },
    /// Not an address of this host.
    #[error("{address} is not an address of this machine")]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
}

/// The sockets of one worker.
#[derive(Debug, Default)]
pub struct WorkerSockets {
    pub(super) udp: Vec<UdpSocket>,
    pub(super) tcp: Vec<TcpListener>,
}

/// All sockets, bound.
#[derive(Debug)]
pub struct Bound {
    /// For each worker.
    pub workers: Vec<WorkerSockets>,
    /// The addresses, with the ports that were chosen.
    pub addresses: Vec<SocketAddr>,
}

/// Binds every address over UDP and TCP, once for each of `workers`; what was passed for an address is taken instead.
///
/// # Errors
/// The first address that cannot be had, with who has it and what to do.
pub fn bind(addresses: &[SocketAddr], workers: usize, mut passed: Passed) -> Result<Bound, BindError> {
    let mut bound = Bound {
        workers: (0..workers.max(1)).map(|_| WorkerSockets::default()).collect(),
        addresses: Vec::new(),
    };
    for address in addresses {
        let attempts = if address.port() == 0 { ANY_PORT_ATTEMPTS } else { 1 };
        let mut result = Ok(());
        for _ in 0..attempts {
            result = bind_address(*address, &mut passed, &mut bound);
            // With another port it would be no different otherwise.
            if result.as_ref().err().map(io::Error::kind) != Some(io::ErrorKind::AddrInUse) {
                break;
            }
        }
        result.map_err(|source| explain(*address, source))?;
    }
    Ok(bound)
}

fn bind_address(address: SocketAddr, passed: &mut Passed, bound: &mut Bound) -> io::Result<()> {
    if passed.has(address) {
        return take_passed(address, passed, bound);
    }
    let share = bound.workers.len() > 1;
    // Sockets that share a port would share it with a second daemon too: first see that nobody has it.
    let udp = udp_socket(address, false)?;
    let mut chosen = address;
    chosen.set_port(udp.local_addr()?.port());
    let address = chosen;
    let tcp = tcp_socket(address, false)?;
    let mut sockets = Vec::new();
    if share {
        drop((udp, tcp));
        for _ in 0..bound.workers.len() {
            sockets.push((udp_socket(address, true)?, tcp_socket(address, true)?));
        }
    } else {
        sockets.push((udp, tcp));
    }
    for (worker, (udp, tcp)) in bound.workers.iter_mut().zip(sockets) {
        worker.udp.push(udp);
        worker.tcp.push(tcp);
    }
    bound.addresses.push(address);
    Ok(())
}

/// Takes what was passed; of UDP and TCP what was not is bound. All workers share each socket.
fn take_passed(address: SocketAddr, passed: &mut Passed, bound: &mut Bound) -> io::Result<()> {
    let (mut udp, mut tcp) = passed.take(address);
    for socket in &udp {
        prepare_udp(&Socket::from(socket.try_clone()?), address)?;
    }
    if udp.is_empty() {
        udp.push(udp_socket(address, false)?);
    }
    if tcp.is_empty() {
        tcp.push(tcp_socket(address, false)?);
    }
    let count = bound.workers.len();
    let (udp, tcp) = (deal(udp, count, UdpSocket::try_clone)?, deal(tcp, count, TcpListener::try_clone)?);
    for ((worker, udp), tcp) in bound.workers.iter_mut().zip(udp).zip(tcp) {
        worker.udp.extend(udp);
        worker.tcp.extend(tcp);
    }
    bound.addresses.push(address);
    Ok(())
}

fn udp_socket(address: SocketAddr, share: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    prepare(&socket, address, share)?;
    prepare_udp(&socket, address)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn prepare_udp(socket: &Socket, address: SocketAddr) -> io::Result<()> {
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    never_fragment(socket.as_fd(), address.is_ipv6())?;
    if address.ip().is_unspecified() {
        report_local_address(socket.as_fd(), address.is_ipv6())?;
    }
    Ok(())
}

fn tcp_socket(address: SocketAddr, share: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    prepare(&socket, address, share)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn prepare(socket: &Socket, address: SocketAddr, share: bool) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // IPv4 has a socket of its own, with its own addresses in the control messages.
        socket.set_only_v6(true)?;
    }
    if share { socket.set_reuse_port(true) } else { Ok(()) }
}

fn explain(address: SocketAddr, source: io::Error) -> BindError {
    match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, holder: holder_of(address) },
        io::ErrorKind::PermissionDenied => BindError::NoPermission { address },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address },
        _ => BindError::Other { address, source },
    }
}
