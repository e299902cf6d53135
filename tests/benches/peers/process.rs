//! Programs that are started, watched and ended by their own id.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::servers::CORES;
use crate::system;

/// How long a server may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a program is, wherever PATH leads.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let places = path.split(':').chain(["/usr/bin", "/usr/sbin", "/usr/local/sbin"]);
    places.map(|place| Path::new(place).join(program)).find(|path| path.is_file())
}

/// The version a program prints: the first word that is digits and dots.
pub(crate) fn version(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).stdin(Stdio::null()).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let mut words = said.split_whitespace().map(|word| word.trim_end_matches(','));
    let found = words.find(|word| word.contains('.') && word.chars().all(|c| c == '.' || c.is_ascii_digit()));
    found.map(str::to_owned)
}

/// Processor time that a core has spent since the system was started, on whatever it was, and what the machine beneath a
/// virtual one took of it.
pub(crate) fn core_time(core: usize) -> Duration {
    let spent = spent(core);
    // The fourth is idleness, the fifth is waiting for disks.
    let busy: u64 = spent[..3].iter().chain(&spent[5..8]).sum();
    Duration::from_millis(busy * 10)
}

/// What the machine beneath a virtual one took of these cores since the system was started.
pub(crate) fn stolen(cores: &[usize]) -> Duration {
    Duration::from_millis(cores.iter().map(|core| spent(*core)[7]).sum::<u64>() * 10)
}

/// A stretch of time, to tell whether others left the cores alone in it.
pub(crate) struct Stretch {
    begun: Instant,
    stolen: Duration,
}

impl Stretch {
    pub(crate) fn begin() -> Self {
        Self { begun: Instant::now(), stolen: stolen(CORES) }
    }

    /// Whether others took more than a twentieth of a core.
    pub(crate) fn was_disturbed(&self) -> bool {
        (stolen(CORES) - self.stolen) * 20 > self.begun.elapsed()
    }
}

/// What a core has spent its time on, in hundredths of a second (proc_stat(5)).
fn spent(core: usize) -> Vec<u64> {
    let text = std::fs::read_to_string("/proc/stat").expect("Linux has it");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cpu{core} ")))
        .expect("there is such a core");
    line.split(' ').filter_map(|number| number.parse().ok()).collect()
}

/// A running program; ended when dropped.
pub(crate) struct Process {
    child: Child,
    /// The moment before it was started.
    pub(crate) spawned: Instant,
    log: PathBuf,
}

impl Process {
    /// Starts it on one core, with what it says in the file `log`.
    pub(crate) fn start(mut command: Command, core: usize, log: &Path) -> io::Result<Self> {
        let said = File::create(log)?;
        command.stdin(Stdio::null()).stdout(said.try_clone()?).stderr(said);
        // A thread of its own, since a process inherits the core of the thread that starts it.
        let (spawned, child) = thread::scope(|scope| {
            let starter = scope.spawn(|| {
                system::pin(core)?;
                io::Result::Ok((Instant::now(), command.spawn()?))
            });
            starter.join().expect("the thread does not panic")
        })?;
        Ok(Self { child, spawned, log: log.to_owned() })
    }

    /// Processor time used so far.
    pub(crate) fn processor_time(&self) -> Duration {
        system::processor_time(self.child.id()).expect("the process runs")
    }

    /// Resident memory in octets.
    pub(crate) fn resident(&self) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        let text = std::fs::read_to_string(path).expect("the process runs");
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).expect("it has a line for that");
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
        kib * 1024
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// What it said so far.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        system::terminate(self.child.id());
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if self.has_ended() {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        let _ended = self.child.kill();
        let _status = self.child.wait();
    }
}
