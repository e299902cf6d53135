//! What the tests share: a running daemon, its configuration, its upstream, and questions for it.

// Each test binary uses its own part of this.
#![allow(dead_code, unused_imports, unreachable_pub)]

pub mod daemon;
pub mod reply;
pub mod second;
pub mod workers;

pub use daemon::{TempConfig, TestDaemon};
pub use reply::Reply;

use std::net::IpAddr;
use std::sync::Arc;

use stubborn::audit::cases::{Action, Asked, Script};
use stubborn::audit::run::Transport;
use stubborn::audit::upstream::AttackUpstream;
use stubborn::audit::wire::{Message, Record, code, flag};

/// An upstream that answers by name.
#[derive(Default)]
pub struct Zone(Vec<(String, Script)>);

impl Zone {
    pub fn new() -> Self {
        Self::default()
    }

    /// These records, whatever type is asked for.
    pub fn answers(self, name: &str, records: impl IntoIterator<Item = Record>) -> Self {
        let records: Vec<_> = records.into_iter().collect();
        self.reply(name, move |asked| asked.reply().answer(records.clone()))
    }

    /// These addresses for the type that is asked for; NODATA where there are none.
    pub fn addresses(self, name: &str, addresses: &[&str]) -> Self {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        self.reply(name, move |asked| {
            let wanted = addresses.iter().filter(|address| match asked.qtype() {
                code::A => address.is_ipv4(),
                code::AAAA => address.is_ipv6(),
                _ => false,
            });
            let records: Vec<_> = wanted.map(|address| Record::address(*address)).collect();
            if records.is_empty() { asked.nodata() } else { asked.reply().answer(records) }
        })
    }

    pub fn reply(self, name: &str, message: impl Fn(&Asked<'_>) -> Message + Send + Sync + 'static) -> Self {
        self.script(name, move |asked| asked.send(&message(asked)))
    }

    pub fn script(
        mut self,
        name: &str,
        script: impl Fn(&Asked<'_>) -> Vec<Action> + Send + Sync + 'static,
    ) -> Self {
        self.0.push((name.to_owned(), Arc::new(script)));
        self
    }

    pub fn serve(self) -> AttackUpstream {
        AttackUpstream::with_scripts(self.0).expect("an upstream on a free port")
    }
}

/// An A or AAAA record.
pub fn address(text: &str) -> Record {
    Record::address(text.parse().unwrap())
}

/// Runs a test over UDP and over TCP, each with a daemon of its own. What it asks is asked twice: the first answer and the
/// one that was kept have to say the same.
pub fn over_both(test: impl Fn(&dyn Fn(&TestDaemon, &str, u16) -> Reply)) {
    for transport in [Transport::Udp, Transport::Tcp] {
        test(&|daemon, name, qtype| {
            let ask = || daemon.ask_as(name, qtype, Some((1232, false)), flag::RD, transport);
            let (first, again) = (ask(), ask());
            let said = |reply: &Reply| {
                let codes: Vec<u16> = reply.errors().into_iter().map(|(code, _)| code).collect();
                (reply.rcode(), reply.types(), reply.addresses(), reply.aliases(), codes)
            };
            assert_eq!(said(&first), said(&again), "{name} TYPE{qtype} over {transport}");
            first
        });
    }
}

/// The names that reached `upstream`, but for those by which the daemon itself looks for a NAT64 prefix and for a loop.
pub fn forwarded(upstream: &AttackUpstream) -> Vec<String> {
    let is_own = |name: &String| name == "ipv4only.arpa." || name.starts_with("stubborn-loop-");
    upstream.names().into_iter().filter(|name| !is_own(name)).collect()
}
