//! The listening sockets, bound before anything is served: one set for each worker, which share their ports.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsFd;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::holder::holder_of;
use super::passed::{Passed, deal};
use crate::datagram::{never_fragment, report_local_address};

/// What the kernel may queue while a worker is busy, in octets; it gives less where it is told to.
const RECEIVE_BUFFER: usize = 4 << 20;
const BACKLOG: i32 = 1024;
/// Attempts to find a port that is free for both UDP and TCP, where any will do.
const ANY_PORT_ATTEMPTS: usize = 16;

/// What to do about an address that this machine does not have.
const WAY_OUT: &str = "listen on one that it has: `ip address` lists them, and `listen = [\"…\"]` in [server] or `--listen ADDRESS:PORT` names one";

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
    #[error("{}; {WAY_OUT}", not_ours(*.address))]
    NotOurs {
        /// The address.
        address: SocketAddr,
    },
    /// None of several addresses is one of this host's.
    #[error(
        "{}: this machine has none of these addresses; is its loopback interface up (`ip link set lo up`)? \
         Or listen elsewhere with `listen = [\"…\"]` in [server] or `--listen ADDRESS:PORT`",
        .addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    )]
    NoneOurs {
        /// The addresses.
        addresses: Vec<SocketAddr>,
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
    /// The addresses that were left out, because this machine does not have them.
    pub absent: Vec<SocketAddr>,
}

/// What becomes of an address that this machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is left out, as long as another address is left.
    LeaveOut,
    /// It is an error.
    Refuse,
}

/// Binds every address over UDP and TCP, once for each of `workers`; what was passed for an address is taken instead.
///
/// # Errors
/// The first address that cannot be had, with who has it and what to do.
pub fn bind(
    addresses: &[SocketAddr],
    absent: Absent,
    workers: usize,
    mut passed: Passed,
) -> Result<Bound, BindError> {
    let mut bound = Bound {
        workers: (0..workers.max(1)).map(|_| WorkerSockets::default()).collect(),
        addresses: Vec::new(),
        absent: Vec::new(),
    };
    for address in addresses {
        let attempts = if address.port() == 0 { ANY_PORT_ATTEMPTS } else { 1 };
        let mut result = Ok(());
        for _ in 0..attempts {
            result = bind_address(*address, &mut passed, &mut bound);
            // With another port it would be the same otherwise.
            if result.as_ref().err().map(io::Error::kind) != Some(io::ErrorKind::AddrInUse) {
                break;
            }
        }
        match result.map_err(|source| explain(*address, source)) {
            Err(BindError::NotOurs { address }) if absent == Absent::LeaveOut => bound.absent.push(address),
            result => result?,
        }
    }
    if bound.addresses.is_empty() && !bound.absent.is_empty() {
        return Err(BindError::NoneOurs { addresses: bound.absent });
    }
    Ok(bound)
}

/// Says that this machine does not have the address, and what is probably the reason.
pub fn not_ours(address: SocketAddr) -> String {
    let reason = if address.is_ipv6() && address.ip().is_loopback() { ": IPv6 is off" } else { "" };
    format!("{address} is not an address of this machine{reason}")
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
        // A kernel without IPv6 has none of its addresses.
        _ if source.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error()) => {
            BindError::NotOurs { address }
        }
        _ => BindError::Other { address, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_ipv6_does_not_have_its_addresses() {
        let address = SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 53));
        for errno in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            let error = explain(address, errno.into());
            assert!(matches!(error, BindError::NotOurs { .. }), "{error}");
            let text = error.to_string();
            assert!(text.starts_with("[::1]:53 is not an address of this machine: IPv6 is off; "), "{text}");
            assert!(text.contains("--listen ADDRESS:PORT"), "{text}");
        }
    }

    #[test]
    fn an_address_that_may_be_left_out_is_only_missing_if_another_is_left() {
        // RFC 5737: of no machine.
        let [here, elsewhere, further] =
            ["127.0.0.1:0", "192.0.2.99:0", "198.51.100.99:0"].map(|text| text.parse().unwrap());
        let bind = |addresses: &[SocketAddr], absent| bind(addresses, absent, 1, Passed::default());
        let bound = bind(&[elsewhere, here], Absent::LeaveOut).unwrap();
        assert_eq!((bound.absent.as_slice(), bound.addresses.len()), (&[elsewhere][..], 1));
        let none = bind(&[elsewhere, further], Absent::LeaveOut).unwrap_err().to_string();
        assert!(none.starts_with("192.0.2.99:0, 198.51.100.99:0: this machine has none of these"), "{none}");
        assert!(matches!(bind(&[here, elsewhere], Absent::Refuse), Err(BindError::NotOurs { .. })));
    }
}
