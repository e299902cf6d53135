//! stubborn and other servers under the same load on this machine: `cargo bench --bench peers`.
//!
//! The server that is measured has one core to itself; dnsperf and the upstream, NSD, share another. What counts is the
//! processor time a server takes for a query, and its ratio to that of another in the same round.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement may end where it stands"
)]

mod args;
mod client;
mod dnsperf;
mod figures;
mod measures;
mod orders;
mod process;
mod report;
mod servers;
mod system;
mod table;
mod targets;

use std::net::UdpSocket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use args::Arguments;
use clap::Parser as _;
use figures::Figures;
use measures::{Bench, MEASURES};
use servers::{Found, SERVERS};

/// A line about how far it is.
#[macro_export]
macro_rules! say {
    ($($arguments:tt)*) => { eprintln!($($arguments)*) };
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(address) = arguments.echo {
        let error = UdpSocket::bind(address).and_then(|socket| system::echo(&socket));
        say!("echo: {error:?}");
        return ExitCode::FAILURE;
    }
    match measure(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    for measure in &arguments.only {
        if !MEASURES.iter().any(|known| known.name == measure) {
            let known: Vec<&str> = MEASURES.iter().map(|known| known.name).collect();
            return Err(format!("--only {measure}: there is {} only", known.join(", ")));
        }
    }
    if dnsperf::program().is_none() {
        return Err("dnsperf is not installed: apt-get install dnsperf".to_owned());
    }
    system::pin(servers::OTHER_CORE).map_err(|error| format!("a second core is needed: {error}"))?;
    let Some((nsd, upstream)) = servers::start_nsd() else {
        return Err("nsd is not installed: apt-get install nsd".to_owned());
    };
    let found = servers(arguments);
    let bench = Bench { arguments, servers: &found, upstream: nsd.address };
    let mut figures = Figures::default();
    let mut failed = false;
    for round in 1..=arguments.rounds() {
        say!("round {round} of {}", arguments.rounds());
        figures.begin(round);
        for measure in MEASURES.iter().filter(|measure| arguments.wants(measure.name)) {
            // What fails leaves a gap in the tables; what was measured before it is not lost.
            let measured = catch_unwind(AssertUnwindSafe(|| (measure.run)(&bench, &mut figures)));
            failed |= measured.is_err();
        }
    }
    report::print(&figures, &found, &upstream, arguments);
    if let Some(path) = &arguments.json {
        let written = report::write(path, &figures, &found, &upstream, arguments);
        written.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if failed { Err("a measurement failed".to_owned()) } else { Ok(()) }
}

/// Those that are wanted and there.
fn servers(arguments: &Arguments) -> Vec<Found> {
    let mut servers = Vec::new();
    for server in SERVERS {
        let ours = matches!(server.name, "echo" | "stubborn");
        let wanted =
            arguments.peers.as_ref().is_none_or(|peers| peers.iter().any(|peer| peer == server.name));
        if !ours && !wanted {
            continue;
        }
        match Found::of(server, &arguments.stubborn) {
            Some(found) => servers.push(found),
            None => say!("{} is left out, not installed: apt-get install {}", server.name, server.package),
        }
    }
    servers
}
