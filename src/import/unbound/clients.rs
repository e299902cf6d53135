//! Which clients Unbound answers.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Reader, split_port, text};
use crate::import::draft::{Draft, Setting, What};
use crate::import::spelling;

impl Reader {
    /// Unbound answers only this machine by default.
    pub(super) fn clients(&self, draft: &mut Draft) {
        let is_loopback = |address: &str| {
            let (address, _) = split_port(address);
            address == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        let denied: Vec<IpNet> = self.denied.iter().map(|(_, network)| *network).collect();
        for (from, network) in &self.allowed {
            for part in spelling::without(*network, &denied) {
                draft.list(from, "server", "allow-clients", part.to_string());
            }
        }
        for (from, network) in &self.denied {
            let is_inside = self.allowed.iter().any(|(_, allowed)| allowed.contains(network));
            draft.needless.push(from.left(match is_inside {
                true => "its network is taken out of `allow-clients`",
                false => "always so: other clients get REFUSED",
            }));
        }
        if let Some(from) = self.clients.as_ref().filter(|_| self.allowed.is_empty()) {
            draft.list(from, "server", "allow-clients", "loopback");
        }
        let open = self.listen.iter().find(|(_, address)| !is_loopback(address));
        if let Some((from, _)) = open.filter(|_| self.clients.is_none()) {
            draft.list(from, "server", "allow-clients", "loopback");
        }
    }
}

/// Who may ask. The narrower network holds, in any order.
pub(super) fn access_control(reader: &mut Reader, draft: &mut Draft, from: &Setting, values: &[String]) {
    let Some(network) = spelling::parsed_network(text(values)) else {
        return draft.leave(from, "its network is not valid");
    };
    let action = values.get(1).map_or("", String::as_str).to_ascii_lowercase();
    draft.part();
    match action.as_str() {
        "allow" | "allow_snoop" | "allow_setrd" | "allow_cookie" => {
            // This machine always may, unless it is told otherwise.
            let own = What::InList { table: "server", key: "allow-clients", value: "loopback".to_owned() };
            draft.imply(from, own);
            reader.allowed.push((from.clone(), network));
        }
        "refuse" | "deny" | "refuse_non_local" | "deny_non_local" => {
            reader.denied.push((from.clone(), network))
        }
        _ => draft.leave(from, "not a known action: clients outside `allow-clients` get REFUSED"),
    }
}
