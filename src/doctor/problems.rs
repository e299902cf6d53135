//! What findings mean, and what puts each right.

use super::Level::{self, Fine, Open, Unknown};

/// The level, what it means, and the fix.
pub(super) struct Problem(pub(super) Level, pub(super) &'static str, pub(super) &'static str);

macro_rules! problems {
    ($($name:ident $level:ident $means:literal $fix:literal)*) => {
        $(pub(super) const $name: Problem = Problem($level, $means, $fix);)*
    };
}

problems! {
    FINE Fine "" ""
    NO_DAEMON Unknown "What the daemon would say of itself is not known."
        "Start it, or run this as root or as one of the group `stubborn`."
    DAEMON_SAYS Unknown "The daemon itself says so."
        "See `stubborn status` and its log."
    MONITORS Open "What leads inside is reported and passed on."
        "Set `mode = \"enforce\"` in [guard]."
    OTHER_ANSWERS Unknown "Whoever asks there is protected only if that program asks stubborn."
        "Make stubborn its upstream, or let stubborn have the port: `stubborn setup` does either."
    NO_SERVER Unknown "Programs then ask 127.0.0.1, or nobody."
        "Run `stubborn setup`."
    NOBODY_THERE Unknown "Programs wait, and then ask the next server, or find nothing."
        "Start stubborn there, or take the line out."
    LOCAL_SERVER Unknown "Programs are protected only if it asks stubborn."
        "See below, in practice."
    LATE_SERVER Unknown "Most programs read no more than three servers; one that does goes past stubborn."
        "Take the line out."
    FIRST_SERVER Open "Programs ask it and not stubborn."
        "Run `stubborn setup`."
    SECOND_SERVER Open "It is asked when stubborn is slow or refuses, and by some programs always (musl asks all at once)."
        "Take the line out: stubborn asks several servers by itself."
    RESOLVED_PAST Open "Programs ask systemd-resolved, and it goes past stubborn."
        "Run `stubborn setup`, which makes stubborn its only server."
    RESOLVED_WITHOUT Open "It asks the servers of the interfaces, or those that are built into it."
        "Run `stubborn setup`, which makes stubborn its only server."
    LINK_PAST Open "systemd-resolved asks them for all names, beside or before stubborn."
        "Run `stubborn setup`; or `resolvectl dns LINK 127.0.0.1`, until the interface comes up anew."
    LINK_DOMAINS Unknown "Names below these domains are asked there, past stubborn: right for a VPN that you trust."
        "Give stubborn a [[route]] for them instead, which limits what they may answer."
    V6_PAST Open "The router announced it beside DHCP (RFC 8106), and it goes past stubborn."
        "Run `stubborn setup`; or have the network's configuration ignore it (`ipv6.ignore-auto-dns`)."
    BROWSER_PAST Open "The browser asks a resolver of its own, past stubborn, or does so when it sees fit."
        "Turn it off there, or by a policy: DNSOverHTTPS (Firefox), DnsOverHttpsMode \"off\" (Chromium)."
    DOCKER_TOLD Unknown "They are protected only if that is stubborn."
        "Name an address of this machine at which stubborn listens."
    DOCKER_PAST Open "A container cannot reach that, so Docker has it ask 8.8.8.8."
        "Have stubborn listen on the bridge's address too, and name that as \"dns\" in /etc/docker/daemon.json."
    LEADS_INSIDE Open "A page under such a name reaches what listens inside; so for every name, if no exception is for these."
        "Put right what stands above; `stubborn explain NAME` tells if an exception lets them through."
    FILTERS_TOO Fine "Such answers never reach stubborn, so its exceptions and its log have nothing of them."
        "For a name of your own that leads inside, make an exception there too, or a [[route]] to another server."
    NO_ANSWER Unknown "Whether it filters is not known."
        "Try again with a network, or see that it answers: `dig @SERVER 1.1.1.1.nip.io`."
    NOT_TRIED Unknown "Nobody was to be asked, or there is nobody."
        "Run it without --offline, while stubborn runs."
    CLOCK_BEHIND Open "It is wrong: exceptions that should be over hold again."
        "Set it, and have it kept right (systemd-timesyncd, chrony)."
    ANYBODY_WRITES Open "Any program of any user can let names lead inside."
        "chmod o-w it."
    OTHERS_OWN Open "Programs of that user can let names lead inside."
        "chown it to root."
}
