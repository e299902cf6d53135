//! Whether a large configuration slows queries down, and how soon a change of it takes effect.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Bench, load};
use crate::client;
use crate::figures::Figures;
use crate::process::Stretch;
use crate::servers::Running;

const EXCEPTIONS: usize = 10_000;
const ROUTES: usize = 1_000;
const LOCAL_NAMES: u32 = 100_000;
/// Changes of the configuration in a round.
const RELOADS: u8 = 3;
/// How long a change may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Hits and misses under a large configuration and under none; local names stand in a hosts file.
pub(super) fn crowd(bench: &Bench<'_>, figures: &mut Figures) {
    let (_directory, hosts) = hosts();
    let many = format!("{}{}", named(&hosts), many(bench.upstream));
    let tasks = [("none", ""), ("many", many.as_str())].map(|(server, more)| (server, bench.task_with(more)));
    for (measure, kind) in [("crowd-hit", &load::HITS), ("crowd-miss", &load::MISSES)] {
        load::in_turns(measure, &tasks, kind, bench, figures);
    }
}

/// How soon a change takes effect, with local names in a hosts file and in the configuration itself.
pub(super) fn reload(bench: &Bench<'_>, figures: &mut Figures) {
    let Some(stubborn) = bench.stubborn() else { return };
    let (_directory, hosts) = hosts();
    for (server, local) in [("hosts", named(&hosts)), ("tables", tables())] {
        let running = stubborn.start(&bench.task_with(&format!("{local}{}", many(bench.upstream))));
        let stretch = Stretch::begin();
        let mut times: Vec<f64> = (1..=RELOADS).map(|number| change(&running, number)).collect();
        times.sort_by(f64::total_cmp);
        let middle = times[times.len() / 2];
        crate::say!("  reload: {server}: a change takes effect after {middle:.0} ms");
        figures.add("reload", server, "ms", middle);
        if stretch.was_disturbed() {
            figures.disturbed("reload", server);
        }
    }
}

/// The address that the changing name has after so many changes.
fn changing(number: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, number)
}

fn many(upstream: SocketAddr) -> String {
    let mut text = String::new();
    let first = changing(0);
    let _written = write!(text, "[[local]]\nname = \"changing.example\"\naddresses = [\"{first}\"]\n");
    for number in 0..EXCEPTIONS {
        let _written = write!(text, "[[exception]]\ndomain = \"e{number}.exceptions.example\"\n");
    }
    for number in 0..ROUTES {
        let _written =
            write!(text, "[[route]]\ndomain = \"r{number}.routes.example\"\nservers = [\"{upstream}\"]\n");
    }
    text
}

/// A hosts file in a directory of its own, where nothing else changes.
fn hosts() -> (TempDir, PathBuf) {
    let mut text = String::new();
    for number in 0..LOCAL_NAMES {
        let _written = writeln!(text, "{} l{number}.names.example", address(number));
    }
    let directory = TempDir::new().expect("a directory can be made");
    let path = directory.path().join("hosts");
    std::fs::write(&path, text).expect("the disk is not full");
    (directory, path)
}

fn named(hosts: &Path) -> String {
    format!("[names]\nhosts-files = [{:?}]\n", hosts.display().to_string())
}

fn tables() -> String {
    let mut text = String::new();
    for number in 0..LOCAL_NAMES {
        let address = address(number);
        let _written =
            write!(text, "[[local]]\nname = \"l{number}.names.example\"\naddresses = [\"{address}\"]\n");
    }
    text
}

/// Each name has its own.
fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(Ipv4Addr::new(10, 1, 0, 0).to_bits() + number)
}

/// Milliseconds from the change of the file to an answer by it.
fn change(running: &Running, number: u8) -> f64 {
    let path = running.directory.path().join("stubborn.toml");
    let text = std::fs::read_to_string(&path).expect("the server was started with it");
    let (old, new) = (changing(number - 1).to_string(), changing(number).to_string());
    let beside = running.directory.path().join("beside");
    std::fs::write(&beside, text.replacen(&old, &new, 1)).expect("a file can be written");
    let before = Instant::now();
    std::fs::rename(&beside, &path).expect("a file can be renamed");
    let octets = changing(number).octets();
    let wanted = |reply: &[u8]| reply.windows(4).any(|part| part == octets);
    let after = client::first_reply(running.address, "changing.example", before + PATIENCE, wanted);
    let after = after.unwrap_or_else(|| panic!("it was not read:\n{}", running.process.said()));
    (after - before).as_secs_f64() * 1000.0
}
