//! Other people's resolvers between a client and stubborn: with what they keep of its answers, and make of them by themselves,
//! they lead nobody inside.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may end where it stands"
)]

#[path = "fronts/attacks.rs"]
mod attacks;
#[path = "fronts/play.rs"]
mod play;
#[path = "fronts/programs.rs"]
mod programs;
#[path = "peers/server.rs"]
mod server;
mod support;
mod support_more;
#[path = "fronts/world.rs"]
mod world;

use play::{assert_nothing_leads_inside, through};
use support_more::namespace::{etc, network};
use support_more::{ip, isolated, set_host_name};

/// What a client of stubborn's own has to see: the same without anybody in between.
#[test]
fn nothing_leads_inside_that_comes_from_stubborn_itself() {
    assert_nothing_leads_inside("stubborn itself", |stubborn| (stubborn, ()));
}

/// A client that asks somebody else for what an alias leads to must not be led to the name of this host either.
#[test]
fn nothing_leads_to_the_name_of_the_host_that_comes_from_stubborn_itself() {
    if !isolated() {
        return;
    }
    ip("link set lo up");
    set_host_name(attacks::HOST);
    assert_nothing_leads_inside("stubborn itself", |stubborn| (stubborn, ()));
}

#[test]
fn nothing_leads_inside_through_bind() {
    through("named", programs::named);
}

#[test]
fn nothing_leads_inside_through_unbound() {
    through("unbound", programs::unbound);
}

#[test]
fn nothing_leads_inside_through_knot_resolver_that_forwards() {
    through("kresd", programs::kresd_forward);
}

#[test]
fn nothing_leads_inside_through_knot_resolver_as_a_stub() {
    through("kresd", programs::kresd_stub);
}

#[test]
fn nothing_leads_inside_through_dnsmasq() {
    through("dnsmasq", programs::dnsmasq);
}

#[test]
fn nothing_leads_inside_through_powerdns_recursor() {
    through("pdns_recursor", programs::pdns_recursor);
}

#[test]
fn nothing_leads_inside_through_systemd_resolved() {
    if !isolated() {
        return;
    }
    // It believes that there is a network only where an interface has an address and a route.
    network();
    ip("route add default via 1.2.3.1");
    // It answers this name with the addresses of the host.
    set_host_name(attacks::HOST);
    let etc = etc(None);
    through("systemd-resolved", |program, stubborn| programs::resolved(program, stubborn, etc.path()));
}
