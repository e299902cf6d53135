//! Asking for names that lead inside, where that leaves no trace among real blocks.

use std::net::SocketAddr;
use std::thread;

use super::observe::{Ask, Daemon};
use super::trial::{Plan, Trial};
use crate::control::{Command, Probed, Reply};

/// What decides whether names can be asked for.
pub(super) struct Trials<'a> {
    pub(super) ask: &'a Ask<'a>,
    pub(super) offline: bool,
    /// Something shows that a daemon runs, whether or not it speaks to this user.
    pub(super) may_run: bool,
    pub(super) daemon: &'a Daemon,
}

/// What came of it.
#[derive(Default)]
pub(super) struct Tried {
    pub(super) programs: Vec<Trial>,
    pub(super) upstreams: Vec<Trial>,
    pub(super) not_tried: Option<String>,
}

/// Why no daemon has been told of the names.
enum Untold {
    /// There is no daemon.
    NoDaemon,
    /// There may be one.
    Because(String),
}

impl Trials<'_> {
    /// Asks at these servers, at all of them at once.
    pub(super) fn run(&self, programs: Vec<SocketAddr>, upstreams: Vec<SocketAddr>) -> Tried {
        if self.offline {
            return not_tried("with --offline nobody outside is asked".to_owned());
        }
        let mut plans: Vec<Plan> =
            programs.iter().chain(&upstreams).map(|server| Plan::new(*server)).collect();
        // A daemon knows so many names at a time.
        plans.truncate(10);
        let names: Vec<Vec<String>> = plans.iter().map(Plan::names).collect();
        let is_told = match self.announce(&names) {
            Ok(_) => true,
            Err(Untold::NoDaemon) => false,
            Err(Untold::Because(why)) => return not_tried(why),
        };
        let mut trials: Vec<Trial> = thread::scope(|scope| {
            let running: Vec<_> = plans.iter().map(|plan| scope.spawn(|| plan.run())).collect();
            running.into_iter().filter_map(|trial| trial.join().ok()).collect()
        });
        if is_told && let Ok(probes) = self.announce(&names) {
            for (trial, plan) in trials.iter_mut().zip(&plans) {
                trial.seen = Some(plan.seen(&probes));
            }
        }
        let upstreams = trials.split_off(programs.len().min(trials.len()));
        Tried { programs: trials, upstreams, not_tried: None }
    }

    /// Tells the daemon of the names, so that it reports no block of them, and learns what it has seen of them.
    fn announce(&self, names: &[Vec<String>]) -> Result<Vec<Probed>, Untold> {
        let untold = |why: String| {
            Untold::Because(format!(
                "its blocks would be taken for an attack, since the daemon cannot be told: {why}"
            ))
        };
        match self.daemon {
            Daemon::Runs(_) => {}
            Daemon::Absent(_) if !self.may_run => return Err(Untold::NoDaemon),
            Daemon::Absent(why) | Daemon::Silent(why) => return Err(untold(why.clone())),
        }
        let mut probes = Vec::new();
        for names in names {
            match (self.ask)(&Command::Probe { names: names.clone() }) {
                Ok(Reply::Probed { probes: some }) => probes.extend(some),
                Ok(Reply::Refused { message }) => return Err(untold(message)),
                Ok(_) => return Err(untold("it gave another reply than was asked for".to_owned())),
                Err(error) => return Err(untold(error.to_string())),
            }
        }
        Ok(probes)
    }
}

fn not_tried(why: String) -> Tried {
    Tried { not_tried: Some(why), ..Tried::default() }
}
