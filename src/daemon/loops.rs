//! Looking for servers that lead back to this daemon before a client's question goes in a circle.

use std::net::IpAddr;
use std::rc::Rc;

use crate::resolve::Resolver;
use crate::upstream::{Exchanger, LoopState, ServerState, is_inside};

/// Asks those servers that `which` picks whether they lead back here.
///
/// Must be called within the daemon's tasks.
pub(super) fn look_for_loops(resolver: &Resolver, which: impl Fn(&ServerState, &LoopState) -> bool) {
    let exchanger = Rc::new(Exchanger::new(resolver.epoch()));
    // Servers of the network's own names are those of the public DNS, and asked as these.
    for route in resolver.snapshot().written_routes() {
        exchanger.look_for_loops(&route.group, &which);
    }
}

/// Whether a server at `address` may ask this machine: it is this machine, or it is in a private network. Others are not asked
/// for a name of ours unless they are silent.
pub(super) fn is_near(address: IpAddr, own: &[IpAddr]) -> bool {
    is_inside(address) || own.iter().any(|own| own.to_canonical() == address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_this_machine_and_of_private_networks_are_near() {
        let own = ["2001:db8::5".parse().unwrap(), "203.0.113.5".parse().unwrap()];
        for (address, expected) in [
            ("127.0.0.1", true),
            ("::ffff:127.0.0.53", true),
            ("192.168.1.1", true),
            ("100.100.100.100", true),
            ("fe80::1", true),
            ("fd00::53", true),
            ("2001:db8::5", true),
            ("203.0.113.5", true),
            ("100.128.0.1", false),
            ("9.9.9.9", false),
            ("2620:fe::fe", false),
        ] {
            assert_eq!(is_near(address.parse().unwrap(), &own), expected, "{address}");
        }
    }
}
