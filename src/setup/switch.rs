//! The order of things: look, plan, see that it can work, keep the originals, switch, ask as programs do; or undo it all.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::ending::{After, Cause, Failed, SetupError};
use super::journal::{Journal, JournalError, Undone, lock};
use super::patience::Patience;
use super::preflight::writable;
use super::proof::{self, Proof};
use super::survey::{Ours, survey};
use super::{JOURNAL, Machine, Plan, SAVED_SERVERS, Step, plan};
use crate::config::{self, Disk};
use crate::machine::{self, Instead, Root};

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
    /// It had been done already, and questions reach stubborn; with what stubborn itself finds wrong.
    Already(Vec<String>),
}

/// Points this machine at stubborn. `tell` gets each step as it is taken, and what is waited for.
///
/// # Errors
/// See [`SetupError`], which also says what is true of the machine then.
pub fn setup(options: &Options, tell: &mut dyn FnMut(&str)) -> Result<Outcome, SetupError> {
    let mut patience = Patience::new(tell);
    let place = Path::new(JOURNAL);
    let unchanged = |failed: Failed| failed.then(After::Unchanged);
    let _lock = if options.dry_run { None } else { Some(locked(place).map_err(unchanged)?) };
    let journal = opened(place).map_err(unchanged)?;
    let saved = Root::default().text(SAVED_SERVERS).unwrap_or_default();
    let mut stale = Vec::new();
    let mut originals = Vec::new();
    if let Some(journal) = &journal {
        stale = journal.changed().into_iter().map(Path::to_owned).collect();
        if journal.is_done() && !journal.is_put_back() && stale.is_empty() {
            let is_wanted =
                is_as_wanted(options, &mut patience).map_err(|failed| failed.then(After::StillSetUp))?;
            if is_wanted {
                return already(options, &mut patience).map_err(|failed| failed.then(After::StillSetUp));
            }
        }
        originals = journal.originals();
    }
    let (plan, ours) = planned(options, originals, &saved, &mut patience).map_err(unchanged)?;
    writable(place, plan.steps()).map_err(|refused| unchanged(fixed(refused)))?;
    if options.dry_run {
        return Ok(Outcome::Planned(plan, stale));
    }
    let proof = Proof {
        socket: &ours
            .config
            .control
            .socket
            .clone()
            .ok_or_else(|| unchanged(Failed::new(Cause::NoSocket, "")))?,
        name: &options.name,
    };
    if let Some(first) = plan.first {
        return Err(unchanged(first.into()));
    }
    if ours.running.is_some() && plan.prepare.iter().all(|step| !touches_the_daemon(step)) {
        is_ready(&plan, &proof, false, &mut patience).map_err(unchanged)?;
    }
    patience.catch_signals().map_err(|error| unchanged(Failed::new(Cause::Step, error.to_string())))?;
    let Some(journal) = journal else { return change(plan, &ours, &proof, &mut patience, After::Unchanged) };
    match journal.is_done() {
        true if journal.is_put_back() => {}
        true => patience.tell("files were changed since the last setup: it is undone and done again"),
        false => patience.tell("an interrupted setup is undone first"),
    }
    let undone =
        journal.undo(false, &mut patience).map_err(|error| Failed::from(error).then(After::Partly))?;
    let before = match undone.back.is_empty() {
        true => After::Unchanged,
        false => After::EarlierPutBack,
    };
    told(&undone, &mut patience);
    let (plan, ours) =
        planned(options, Vec::new(), &saved, &mut patience).map_err(|failed| failed.then(before))?;
    change(plan, &ours, &proof, &mut patience, before)
}

/// Looks at the machine as it is once these files are put back, and plans.
fn planned(
    options: &Options,
    originals: Vec<(PathBuf, Instead)>,
    saved: &str,
    patience: &mut Patience<'_>,
) -> Result<(Plan, Ours), Failed> {
    let root = Root::default().with(originals);
    let ours = ours(options, options.listen, &root, patience)?;
    let plan = plan(&Machine { saved: saved.to_owned(), ..survey(&root) }, &ours)?;
    checked(&plan, &ours)?;
    Ok((plan, ours))
}

/// stubborn as it is configured and as it runs; the daemon may take its time to say that.
fn ours(
    options: &Options,
    wanted: Option<SocketAddr>,
    root: &Root,
    patience: &mut Patience<'_>,
) -> Result<Ours, Failed> {
    let (config, root) = (options.config.clone(), root.clone());
    let what = "the daemon to answer on its control socket";
    let read = patience.wait(what, move || Ours::read(config.as_deref(), wanted, &root));
    Ok(read.map_err(|_| Failed::new(Cause::Interrupted, ""))??)
}

/// Carries out the plan. `before` is true if not even the originals can be kept.
fn change(
    plan: Plan,
    ours: &Ours,
    proof: &Proof<'_>,
    patience: &mut Patience<'_>,
    before: After,
) -> Result<Outcome, SetupError> {
    if let Some(first) = plan.first {
        return Err(Failed::from(first).then(before));
    }
    let recorded = Journal::record(Path::new(JOURNAL), plan.steps());
    let mut journal = recorded.map_err(|error| Failed::from(error).then(before))?;
    let done = carry_out(&journal, &plan, ours, proof, patience)
        .and_then(|()| journal.finish().map_err(Failed::from));
    let Err(failed) = done else { return Ok(Outcome::Done(plan)) };
    patience.heed();
    patience.tell(&format!("{}: what was changed is put back", failed.why()));
    let after = match journal.undo(false, patience) {
        Ok(undone) => {
            told(&undone, patience);
            match undone.left.is_empty() && undone.trouble.is_empty() {
                true if before == After::EarlierPutBack => before,
                true => After::PutBack,
                false => After::Partly,
            }
        }
        Err(error) => {
            patience.tell(&format!("warning: {error}"));
            After::Partly
        }
    };
    Err(failed.then(after))
}

/// Whether the step changes where the daemon listens or whom it asks.
fn touches_the_daemon(step: &Step) -> bool {
    match step {
        Step::Write { .. } => true,
        Step::Run { words, .. } => words.iter().any(|word| word == "restart" || word == "--now"),
    }
}

/// The daemon can be reached, and has answers.
fn is_ready(
    plan: &Plan,
    proof: &Proof<'_>,
    is_starting: bool,
    patience: &mut Patience<'_>,
) -> Result<(), Failed> {
    proof.listens(plan.listen, is_starting, patience)?;
    proof.has_upstream(plan.listen, patience)
}

fn fixed(refused: super::Refused) -> Failed {
    Failed { cause: Cause::Fixed, ..refused.into() }
}

/// Whether the daemon listens where the arguments want it.
fn is_as_wanted(options: &Options, patience: &mut Patience<'_>) -> Result<bool, Failed> {
    let Some(wanted) = options.listen else { return Ok(true) };
    Ok(ours(options, None, &Root::default(), patience)?.listeners().contains(&wanted))
}

/// The journal, which only root may read.
fn opened(place: &Path) -> Result<Option<Journal>, Failed> {
    match Journal::open(place) {
        Err(JournalError::File { source, .. }) if source.kind() == io::ErrorKind::PermissionDenied => {
            Err(Failed::new(Cause::NotRoot, ""))
        }
        opened => Ok(opened?),
    }
}

/// Only root may, and one at a time.
fn locked(place: &Path) -> Result<File, Failed> {
    if fs::metadata("/proc/self").map_or(true, |process| process.uid() != 0) {
        return Err(Failed::new(Cause::NotRoot, ""));
    }
    lock(place)?.ok_or_else(|| Failed::new(Cause::Busy, ""))
}

/// What would be written to our own configuration has to be one.
fn checked(plan: &Plan, ours: &Ours) -> Result<(), Failed> {
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
    proof: &Proof<'_>,
    patience: &mut Patience<'_>,
) -> Result<(), Failed> {
    take(journal, &plan.prepare, patience)?;
    if ours.running.is_some() {
        proof.reload(patience)?;
    }
    is_ready(plan, proof, !plan.prepare.is_empty(), patience)?;
    patience.tell(&format!("stubborn answers at {}", plan.listen));
    take(journal, &plan.switch, patience)?;
    // The servers it follows are elsewhere now.
    proof.reload(patience)?;
    works(plan, proof, patience)?;
    uninterrupted(patience)?;
    patience.tell(&format!("{} answers, and asks stubborn", plan.server));
    Ok(())
}

fn take(journal: &Journal, steps: &[Step], patience: &mut Patience<'_>) -> Result<(), Failed> {
    for step in steps {
        uninterrupted(patience)?;
        patience.tell(&step.to_string());
        let taken = journal.apply(step, patience);
        // A signal that ended the step is the reason, not what it left behind.
        uninterrupted(patience)?;
        taken.map_err(|why| Failed::new(Cause::Step, why))?;
    }
    Ok(())
}

fn uninterrupted(patience: &Patience<'_>) -> Result<(), Failed> {
    if patience.is_interrupted() { Err(Failed::new(Cause::Interrupted, "")) } else { Ok(()) }
}

/// A question asked as programs do it.
fn works(plan: &Plan, proof: &Proof<'_>, patience: &mut Patience<'_>) -> Result<(), Failed> {
    let servers = machine::resolv_conf(&Root::default()).servers;
    if servers != [plan.server] {
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        let servers = if servers.is_empty() { "no server".to_owned() } else { servers.join(", ") };
        let what = format!("{} names {servers}, not {}", machine::RESOLV_CONF, plan.server);
        return Err(Failed::new(Cause::Overwritten, what));
    }
    proof.passes(plan.server, patience)?;
    proof.answers(plan.server, patience)
}

fn already(options: &Options, patience: &mut Patience<'_>) -> Result<Outcome, Failed> {
    let ours = ours(options, options.listen, &Root::default(), patience)?;
    let socket = ours.config.control.socket.ok_or_else(|| Failed::new(Cause::NoSocket, ""))?;
    let servers = machine::resolv_conf(&Root::default()).servers;
    let server = servers.first();
    let server = server.ok_or_else(|| {
        Failed::new(Cause::Overwritten, format!("{} names no server", machine::RESOLV_CONF))
    })?;
    Proof { socket: &socket, name: &options.name }.passes(*server, patience)?;
    Ok(Outcome::Already(proof::status(&socket).map(|status| status.problems).unwrap_or_default()))
}

fn told(undone: &Undone, patience: &mut Patience<'_>) {
    for path in &undone.back {
        patience.tell(&format!("{} is as it was", path.display()));
    }
    let is_in = |copy: &Option<PathBuf>| {
        copy.as_ref()
            .map_or(String::new(), |copy| format!("; what was there before is in {}", copy.display()))
    };
    for (path, copy) in &undone.left {
        let copy = is_in(copy);
        patience
            .tell(&format!("{} was changed by somebody else since, and is left so{copy}", path.display()));
    }
    for (path, copy) in &undone.older {
        let copy = is_in(copy);
        patience
            .tell(&format!("{} was changed by somebody else after an earlier setup{copy}", path.display()));
    }
    for line in &undone.trouble {
        patience.tell(&format!("warning: {line}"));
    }
}

/// What [`restore`] found.
#[derive(Debug)]
pub enum Restored {
    /// No setup has changed anything here.
    Nothing,
    /// This was put back, or would be.
    Undone(Undone),
}

/// Puts everything back as it was before [`setup`], whether that came to its end or not; nothing where there is nothing.
/// With `dry_run` the files are only named: those that would be put back, and those that would be left.
///
/// # Errors
/// See [`SetupError`].
pub fn restore(force: bool, dry_run: bool, tell: &mut dyn FnMut(&str)) -> Result<Restored, SetupError> {
    let place = Path::new(JOURNAL);
    let unchanged = |failed: Failed| failed.then(After::Unchanged);
    if dry_run {
        let forecast = opened(place).map_err(unchanged)?.map(|journal| journal.forecast(force));
        return Ok(forecast.map_or(Restored::Nothing, Restored::Undone));
    }
    // Where there never was a setup, nothing is left behind by looking.
    if !place.exists() {
        return Ok(Restored::Nothing);
    }
    let _lock = locked(place).map_err(unchanged)?;
    let Some(journal) = opened(place).map_err(unchanged)? else { return Ok(Restored::Nothing) };
    let mut patience = Patience::new(tell);
    let undone =
        journal.undo(force, &mut patience).map_err(|error| Failed::from(error).then(After::Partly))?;
    told(&undone, &mut patience);
    Ok(Restored::Undone(undone))
}
