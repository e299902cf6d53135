//! What the system knows of this process, by the names all exporters use for it. Where it does not say, nothing is said.

use std::fs;

use super::exposition::{Exposition, Kind};

/// The unit of times in `/proc` on every Linux there is (proc(5): `sysconf(_SC_CLK_TCK)`).
const TICKS: f64 = 100.0;

pub(super) fn write(text: &mut Exposition) {
    if let Some(seconds) = cpu_seconds() {
        let help = "User and system CPU time spent in seconds.";
        text.family("process_cpu_seconds_total", Kind::Counter, help).value(seconds);
    }
    if let Some(octets) = resident_octets() {
        text.family("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.")
            .value(octets);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        text.family("process_open_fds", Kind::Gauge, "Number of open file descriptors.").value(open.count());
    }
    if let Some(most) = most_descriptors() {
        text.family("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.").value(most);
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name, which may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut times = rest.split(' ').skip(11).map_while(|field| field.parse::<f64>().ok());
    Some((times.next()? + times.next()?) / TICKS)
}

fn resident_octets() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? << 10)
}

fn most_descriptors() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
