//! stubborn: a forwarding DNS resolver that refuses to be rebound.
//!
//! A public name must not point inside. Programs ask this daemon through `/etc/resolv.conf`; it asks upstream resolvers, and
//! on the way back removes every answer with which a public name would lead to the machine, the household or the cloud
//! metadata service next door.
//!
//! | module | owns |
//! |---|---|
//! | [`dns`] | the wire: names, queries, upstream replies read strictly and rebuilt |
//! | [`policy`] | the decision, pure: ranges, exceptions, verdicts, and the only type that can be sent |
//! | [`cache`] | upstream replies, below the decision |
//! | [`upstream`] | asking servers: sockets, failover, health |
//! | [`resolve`] | the way of a query, on one screen |
//! | [`listen`] | sockets of clients |
//! | [`config`] | the configuration: read, checked, every error at once |
//! | [`daemon`] | start, reload, stop |
//! | [`control`] | what operators' commands say to the running daemon |
//! | [`metrics`] | counts for Prometheus, on a listener of their own |
//! | [`count`] | counters that cost a store |
//! | `files` | reading files that others write: never waits, and has a limit |
//! | `datagram` | the system's calls for datagrams in batches |
//! | [`audit`] | the adversary: a catalogue of attacks, and its own eyes for what came through |
//! | [`machine`] | what the machine is: resolv.conf, who has port 53, interfaces' servers |
//! | [`doctor`] | what leads past this program on a machine |
//! | [`edit`], [`import`] | the configuration file changed by a command, and made of another program's |
//! | [`setup`] | the machine pointed at stubborn, and put back |
//! | [`telemetry`], [`cli`] | what is said about it all, and the commands |
//!
//! # What always holds
//!
//! * **One exit.** A listener can send a [`policy::Wire`] only; only a [`policy::ClientResponse`] writes one; and only
//!   [`policy::enforce`] makes one of an [`dns::UpstreamResponse`].
//! * **Fail closed.** What cannot be parsed, judged or built is SERVFAIL; a policy that cannot be built leaves the last one.
//! * **The decision is pure**, and trust comes from the question's route, never from anything in a reply.
//! * **Policy is data** with a name and an origin, shown in the same words wherever it decides something.

pub mod audit;
pub mod cache;
pub mod cli;
pub mod config;
pub mod control;
pub mod count;
pub mod daemon;
mod datagram;
pub mod dns;
pub mod doctor;
pub mod edit;
mod files;
pub mod import;
pub mod listen;
pub mod machine;
pub mod metrics;
pub mod policy;
pub mod resolve;
pub mod setup;
pub mod telemetry;
pub mod upstream;
