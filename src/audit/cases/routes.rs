//! S01–S06: the routes of a configuration. The attacker plays their servers: only the addresses that they are trusted with pass.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Case, Expect, Group, PUBLIC4, RouteSetup, Setup, address_type, ip};
use crate::audit::oracle::parse::within;
use crate::audit::wire::{Record, code, name};

/// One address of each kind of inside range.
const PROBES: [&str; 11] = [
    "10.0.0.77",
    "172.16.0.77",
    "192.168.77.77",
    "100.64.0.77",
    "127.0.0.1",
    "169.254.77.77",
    "169.254.169.254",
    "fd00:77::77",
    "fd00:ec2::254",
    "fe80::77",
    "::1",
];

/// Addresses that only a network within their range allows: a wider network never implies them.
const NEVER_IMPLIED: [&str; 10] = [
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "169.254.169.254/32",
    "100.100.100.200/32",
    "168.63.129.16/32",
    "fd00:ec2::254/128",
    "fe80::/10",
    "::/128",
    "::1/128",
];

/// A name of no route.
const END: &str = "end.rebind-audit.example";

pub(super) fn cases(setup: &Setup) -> Vec<Case> {
    let of_route = |route: &RouteSetup| match route.here_only {
        true => here_only(route),
        false => asked(setup, route),
    };
    setup.routes.iter().flat_map(of_route).collect()
}

fn case(id: &'static str, title: &'static str, route: &RouteSetup, variant: &str) -> Case {
    let RouteSetup { domain, origin, .. } = route;
    Case::new(Group::Routes, id, title)
        .variant(format!("{variant} for a name of {domain}, {origin}"))
        .named(&format!("{{slug}}.{{nonce}}.{domain}"))
}

/// Names for which only the route's servers are asked.
fn asked(setup: &Setup, route: &RouteSetup) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut probes: Vec<IpAddr> = PROBES.into_iter().map(ip).collect();
    for address in route.networks.iter().filter_map(address_within).filter(|_| !route.of_strangers) {
        if !probes.contains(&address) {
            probes.push(address);
        }
    }
    probes.retain(|probe| !setup.host.contains(probe));
    for address in probes {
        let is_trusted = reaches(&route.networks, address);
        // An exception may let it pass, for some clients or at some times.
        if !is_trusted && reaches(&route.exempt, address) {
            continue;
        }
        let text = address.to_string();
        if is_trusted && !route.of_strangers && !within(&name(END), &name(&route.domain)) {
            // By the name at the end nobody else may get it, so no cache may learn that name with it.
            cases.push(
                case("S06", "an inside address of a public name at the end of aliases", route, &text)
                    .ask(address_type(address))
                    .answers([Record::cname(END), Record::address(address).owned_by(END)])
                    .forbid_names([END])
                    .keeps_addresses([text.as_str()]),
            );
        }
        let of_type = |case: Case| case.ask(address_type(address)).answers([Record::address(address)]);
        cases.push(match (is_trusted, route.of_strangers) {
            (true, false) => {
                let title = "an inside address that a route is trusted with";
                of_type(case("S01", title, route, &text)).keeps_addresses([text.as_str()])
            }
            (true, true) => {
                let title = "a stranger's name in a route that is trusted with inside addresses";
                of_type(case("S04", title, route, &text)).forbid([text.as_str()]).blocked()
            }
            (false, _) => {
                let title = "an inside address that a route is not trusted with";
                of_type(case("S02", title, route, &text)).forbid([text.as_str()]).blocked()
            }
        });
    }
    let public = Record::address(ip(PUBLIC4));
    cases.push(
        case("S01", "a public address from a route", route, PUBLIC4)
            .answers([public])
            .keeps_addresses([PUBLIC4]),
    );
    for target in route.elsewhere.iter().map(String::as_str).chain(["localhost"]) {
        let end = Record::address(ip(PUBLIC4)).owned_by(target);
        let title = "an alias that leads out of a route to another inside name";
        cases.push(
            case("S03", title, route, target)
                .answers([Record::cname(target), end])
                .forbid_names([target])
                .blocked(),
        );
    }
    for case in &mut cases {
        case.stays_here = true;
    }
    cases
}

/// Names in a domain that is never asked outside.
fn here_only(route: &RouteSetup) -> Vec<Case> {
    let hostile = || [Record::address(ip("127.0.0.1")), Record::address(ip("::1"))];
    let types = [("A", code::A), ("AAAA", code::AAAA), ("TXT", code::TXT), ("HTTPS", code::HTTPS)];
    let of_type = |(text, qtype)| {
        case("S05", "a name of a domain that is answered here only", route, text)
            .ask(qtype)
            .answers(hostile())
            .expect(Expect::Negative(code::NXDOMAIN))
            .stays_here()
    };
    types.into_iter().map(of_type).collect()
}

/// Whether one of `networks` lets `address` through.
fn reaches(networks: &[IpNet], address: IpAddr) -> bool {
    let ranges = NEVER_IMPLIED.into_iter().filter_map(|text| text.parse::<IpNet>().ok());
    let range = ranges.filter(|range| range.contains(&address)).max_by_key(IpNet::prefix_len);
    networks.iter().any(|net| net.contains(&address) && range.is_none_or(|range| range.contains(net)))
}

/// An address of a network that is so narrow that all of it is of one kind.
fn address_within(net: &IpNet) -> Option<IpAddr> {
    let is_narrow = net.prefix_len() >= if net.addr().is_ipv4() { 12 } else { 32 };
    net.hosts().nth(1).or_else(|| net.hosts().next()).filter(|_| is_narrow)
}
