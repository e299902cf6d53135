//! The order of things: look, plan, keep the originals, have stubborn answer, switch, ask as programs do; or undo it all.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::task::Poll;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::yield_now;

use super::journal::{Journal, JournalError, Undone, lock};
use super::survey::{Ours, survey};
use super::{JOURNAL, Plan, SetupError, Step, plan, proof};
use crate::config::{self, Disk};
use crate::machine::{self, Root};

/// How it is to be done.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--listen`
    pub listen: Option<SocketAddr>,
    /// The name that is asked for to see that there are answers.
    pub name: String,
    /// Only say what would be done.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Debug)]
pub enum Outcome {
    /// This would be done, once what an earlier setup made is undone: files of which somebody else has changed these.
    Planned(Plan, Vec<PathBuf>),
    /// It was done.
    Done(Plan),
    /// It had been done already, and works.
    Already,
}

/// Points this machine at stubborn. `tell` gets each step as it is taken.
///
/// # Errors
/// See [`SetupError`]. Where something did not work after all, everything was put back.
pub fn setup(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<Outcome, SetupError> {
    let place = Path::new(JOURNAL);
    let _lock = if options.dry_run { None } else { Some(locked(place)?) };
    let mut stale = Vec::new();
    if let Some(journal) = opened(place)? {
        stale = journal.changed().into_iter().map(Path::to_owned).collect();
        let is_over = journal.is_put_back();
        if journal.is_done() && !is_over && stale.is_empty() && is_as_wanted(options)? {
            return already(options);
        }
        if !options.dry_run {
            match journal.is_done() {
                true if is_over => {}
                true => tell("files were changed since the last setup: begun anew"),
                false => tell("an interrupted setup is undone first"),
            }
            told(&journal.undo(false)?, tell);
        }
    }
    let ours = Ours::read(options.config.as_deref(), options.listen)?;
    let plan = plan(&survey(&Root::default()), &ours)?;
    checked(&plan, &ours)?;
    if options.dry_run {
        return Ok(Outcome::Planned(plan, stale));
    }
    let mut journal = Journal::record(place, plan.steps())?;
    let done = carry_out(&journal, &plan, &ours, &options.name, tell)
        .and_then(|()| journal.finish().map_err(|error| error.to_string()));
    match done {
        Ok(()) => Ok(Outcome::Done(plan)),
        Err(why) => {
            tell(&format!("{why}: everything is put back"));
            let undone = journal.undo(false)?;
            told(&undone, tell);
            let undone = undone.left.is_empty() && undone.trouble.is_empty();
            Err(SetupError::FellBack { why, undone })
        }
    }
}

/// Whether the daemon listens where the arguments want it.
fn is_as_wanted(options: &Options) -> Result<bool, SetupError> {
    let Some(wanted) = options.listen else { return Ok(true) };
    Ok(Ours::read(options.config.as_deref(), None)?.listeners().contains(&wanted))
}

/// The journal, which only root may read.
fn opened(place: &Path) -> Result<Option<Journal>, SetupError> {
    match Journal::open(place) {
        Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(SetupError::NotRoot)
        }
        opened => Ok(opened?),
    }
}

/// Only root may, and one at a time.
fn locked(place: &Path) -> Result<File, SetupError> {
    if fs::metadata("/proc/self").map_or(true, |process| process.uid() != 0) {
        return Err(SetupError::NotRoot);
    }
    lock(place)?.ok_or(SetupError::Busy)
}

/// What would be written to our own configuration has to be one.
fn checked(plan: &Plan, ours: &Ours) -> Result<(), SetupError> {
    for step in &plan.prepare {
        if let Step::Write { path, text, .. } = step
            && *path == ours.path
        {
            config::from_text(path, text, &Disk, crate::edit::now())?;
        }
    }
    Ok(())
}

fn carry_out(
    journal: &Journal,
    plan: &Plan,
    ours: &Ours,
    name: &str,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    let socket = ours.config.control.socket.as_deref();
    let socket =
        socket.ok_or("the control socket is off, and without it nobody can tell that stubborn answers")?;
    let mut stop = Stop::watch().map_err(|error| error.to_string())?;
    take(journal, &plan.prepare, &mut stop, tell)?;
    if ours.running.is_some() {
        proof::reload(socket)?;
    }
    proof::answers(socket, plan.listen, name)?;
    tell(&format!("stubborn answers at {}", plan.listen));
    take(journal, &plan.switch, &mut stop, tell)?;
    // The servers it follows are elsewhere now.
    proof::reload(socket)?;
    works(plan, socket, name)?;
    stop.check()?;
    tell(&format!("{} answers, and asks stubborn", plan.server));
    Ok(())
}

fn take(
    journal: &Journal,
    steps: &[Step],
    stop: &mut Stop,
    tell: &mut dyn FnMut(&str),
) -> Result<(), String> {
    for step in steps {
        stop.check()?;
        tell(&step.to_string());
        journal.apply(step)?;
    }
    Ok(())
}

/// Signals that would end the program half-way, such as Ctrl-C or a terminal that goes away: what was begun is undone first.
///
/// They are looked for between the steps, on this thread: a signal that came during a step is seen at its end.
struct Stop {
    runtime: Runtime,
    signals: [Signal; 3],
    came: bool,
}

impl Stop {
    fn watch() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _inside = runtime.enter();
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal)
        };
        let [Ok(interrupt), Ok(terminate), Ok(hangup)] = signals else {
            return Err(io::Error::other("signals cannot be caught"));
        };
        Ok(Self { runtime, signals: [interrupt, terminate, hangup], came: false })
    }

    fn check(&mut self) -> Result<(), String> {
        let Self { runtime, signals, came } = self;
        *came |= runtime.block_on(async {
            // The runtime takes note of signals while this task gives way.
            yield_now().await;
            poll_fn(|context| {
                Poll::Ready(signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()))
            })
            .await
        });
        if *came { Err("interrupted".to_owned()) } else { Ok(()) }
    }
}

/// A question asked as programs do it.
fn works(plan: &Plan, socket: &Path, name: &str) -> Result<(), String> {
    let servers = machine::resolv_conf(&Root::default()).servers;
    if servers != [plan.server] {
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        return Err(format!("{} names {}, not {}", machine::RESOLV_CONF, servers.join(", "), plan.server));
    }
    match plan.is_behind {
        true => proof::passes(socket, plan.server, name),
        // Whose address that is was seen before.
        false => proof::replies(plan.server, name),
    }
}

fn already(options: &Options) -> Result<Outcome, SetupError> {
    let ours = Ours::read(options.config.as_deref(), options.listen)?;
    let silent = |why: &str| SetupError::Silent(why.to_owned());
    let socket = ours.config.control.socket.as_deref().ok_or_else(|| silent("its control socket is off"))?;
    let servers = machine::resolv_conf(&Root::default()).servers;
    let server = servers.first().ok_or_else(|| silent("/etc/resolv.conf names no server"))?;
    proof::passes(socket, *server, &options.name).map_err(SetupError::Silent)?;
    Ok(Outcome::Already)
}

fn told(undone: &Undone, tell: &mut dyn FnMut(&str)) {
    for path in &undone.back {
        tell(&format!("{} is as it was", path.display()));
    }
    let is_in = |copy: &Option<PathBuf>| {
        copy.as_ref()
            .map_or(String::new(), |copy| format!("; what was there before is in {}", copy.display()))
    };
    for (path, copy) in &undone.left {
        let copy = is_in(copy);
        tell(&format!("{} was changed by somebody else since, and is left so{copy}", path.display()));
    }
    for (path, copy) in &undone.older {
        let copy = is_in(copy);
        tell(&format!("{} was changed by somebody else after an earlier setup{copy}", path.display()));
    }
    for line in &undone.trouble {
        tell(&format!("warning: {line}"));
    }
}

/// Puts everything back as it was before [`setup`], whether that came to its end or not; nothing where there is nothing.
/// With `dry_run` the files are only named: those that would be put back, and those that would be left.
///
/// # Errors
/// See [`SetupError`].
pub fn restore(force: bool, dry_run: bool, tell: &mut dyn FnMut(&str)) -> Result<Option<Undone>, SetupError> {
    let place = Path::new(JOURNAL);
    if dry_run {
        return Ok(opened(place)?.map(|journal| journal.forecast(force)));
    }
    // Where there never was a setup, nothing is left behind by looking.
    if !place.exists() {
        return Ok(None);
    }
    let _lock = locked(place)?;
    let Some(journal) = opened(place)? else { return Ok(None) };
    let undone = journal.undo(force)?;
    told(&undone, tell);
    Ok(Some(undone))
}
