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
mod sample;
mod servers;
mod system;
mod table;
mod targets;

use std::net::{SocketAddr, UdpSocket};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use args::Arguments;
use clap::Parser as _;
use figures::Figures;
use measures::{Bench, MEASURES};
use orders::Task;
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
    known("--only", &arguments.only, MEASURES.iter().map(|measure| measure.name))?;
    known(
        "--peers",
        arguments.peers.as_deref().unwrap_or_default(),
        SERVERS.iter().map(|server| server.name),
    )?;
    if dnsperf::program().is_none() {
        return Err("dnsperf is not installed: apt-get install dnsperf".to_owned());
    }
    system::pin(servers::OTHER_CORE).map_err(|error| format!("a second core is needed: {error}"))?;
    let Some((nsd, upstream)) = servers::start_nsd() else {
        return Err("nsd is not installed: apt-get install nsd".to_owned());
    };
    let found = servers(arguments, nsd.address)?;
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

fn known(option: &str, words: &[String], known: impl Iterator<Item = &'static str>) -> Result<(), String> {
    let known: Vec<&str> = known.collect();
    match words.iter().find(|word| !known.contains(&word.as_str())) {
        Some(word) => Err(format!("{option} {word}: there is {}", known.join(", "))),
        None => Ok(()),
    }
}

/// Those that are wanted, are there, and answer.
fn servers(arguments: &Arguments, upstream: SocketAddr) -> Result<Vec<Found>, String> {
    let stubborn = arguments.stubborn.canonicalize();
    let stubborn = stubborn.map_err(|error| format!("{}: {error}", arguments.stubborn.display()))?;
    let peers = arguments.peers.as_ref();
    let mut servers = Vec::new();
    for server in SERVERS {
        let ours = matches!(server.name, "echo" | "stubborn");
        if !ours && peers.is_some_and(|peers| !peers.iter().any(|peer| peer == server.name)) {
            continue;
        }
        match Found::of(server, &stubborn) {
            None => say!("{} is left out, not installed: apt-get install {}", server.name, server.package),
            Some(found) => match catch_unwind(|| found.start(&Task::usual(upstream))) {
                Ok(_running) => servers.push(found),
                Err(_) if ours => return Err(format!("{} does not start", server.name)),
                Err(_) => say!("{} is left out", server.name),
            },
        }
    }
    Ok(servers)
}
