//! The adversary and the oracle: plays a catalogue of rebinding attacks, and of honest answers beside them, against a
//! running resolver, and reads what comes back with the eyes of the clients it protects.
//!
//! Nothing here uses the resolver's own reader, writer or policy: an audit that shared them would share their mistakes.
//!
//! ```no_run
//! use stubborn::audit::{AttackUpstream, Report, Setup, Transport, catalogue, play};
//!
//! let cases = catalogue(&Setup::default());
//! let upstream = AttackUpstream::start(&cases)?;
//! // A resolver on 127.0.0.1:5300 that forwards to `upstream.address()`.
//! let target = std::net::SocketAddr::from(([127, 0, 0, 1], 5300));
//! let mut findings = play(target, &cases, &upstream, Transport::Udp, true);
//! findings.extend(play(target, &cases, &upstream, Transport::Tcp, true));
//! let report = Report::new(&cases, findings);
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod cases;
pub mod expect;
pub mod oracle;
pub mod report;
pub mod run;
pub mod upstream;
pub mod wire;

#[cfg(test)]
mod tests;

pub use cases::{Case, Expect, FIXTURE, Group, RouteSetup, Setup, catalogue};
pub use oracle::Leak;
pub use report::Report;
pub use run::{Exchange, Finding, Problem, Target, Transport, play, play_and_watch};
pub use upstream::AttackUpstream;
