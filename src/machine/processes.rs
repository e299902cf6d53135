//! The programs that run, by `/proc`.

use super::Root;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name, which the kernel cuts after 15 octets: `systemd-resolve`.
    pub name: String,
    /// Its arguments, the program's own name the first.
    pub arguments: Vec<String>,
}

/// All processes that see the same files as this one: a container's programs do not concern this machine.
pub fn processes(root: &Root) -> Vec<Process> {
    let numbers = root.names("/proc").into_iter().filter_map(|name| name.parse::<u32>().ok());
    let files_of = |who: &str| std::fs::read_link(root.at(format!("/proc/{who}/ns/mnt"))).ok();
    let ours = files_of("self");
    numbers
        .filter(|pid| {
            let theirs = files_of(&pid.to_string());
            theirs.is_none() || ours.is_none() || theirs == ours
        })
        .filter_map(|pid| process(root, pid))
        .collect()
}

/// One process, as long as it runs.
pub(super) fn process(root: &Root, pid: u32) -> Option<Process> {
    let name = root.text(format!("/proc/{pid}/comm"))?.trim_end().to_owned();
    let arguments = root.text(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let arguments = arguments.split_terminator('\0').map(str::to_owned).collect();
    Some(Process { pid, name, arguments })
}
