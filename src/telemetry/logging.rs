//! Writes the events of `tracing` to standard error, each as one line in the form of the settings.
//!
//! Names and reasons in an event come from the network, so every value is escaped at this one place: whatever it holds,
//! it can neither end the line, nor command the terminal, nor pass for another field. A caller that puts a value into the
//! message itself gives up the last of the three.

mod escape;
mod journal;
mod line;
mod queue;
#[cfg(test)]
mod tests;

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use super::{Format, Level, LogSettings};
use journal::{Journal, event_name};
use line::{Fields, Kind, Style};
use queue::Queue;

pub use journal::MESSAGE_IDS;

/// How long the end of the program waits for lines not yet written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Standard error is closed.
    #[error("standard error cannot be used for the log: {0}")]
    Output(#[source] io::Error),
    /// No thread could be had.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(#[source] io::Error),
    /// There is a log already.
    #[error("the log is already set up")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// The log. Dropped at the end of the program, it waits at most a second for what is not yet written.
#[derive(Debug)]
pub struct Logging {
    level: LogHandle,
    queue: Arc<Queue>,
}

/// Changes the level while the daemon runs.
#[derive(Debug, Clone)]
pub struct LogHandle {
    filter: reload::Handle<Targets, Registry>,
    level: Arc<Mutex<Level>>,
}

impl LogHandle {
    /// From now on, events down to `level` are written; those of the DNS library never below `warn`.
    pub fn set_level(&self, level: Level) {
        *self.lock() = level;
        // It fails when the subscriber is gone, and then nothing is written at any level.
        let _ = self.filter.reload(filter(level));
    }

    /// The level in use.
    pub fn level(&self) -> Level {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Logging {
    /// Makes standard error the log of the whole program.
    ///
    /// Colour is used for text on a terminal, unless `NO_COLOR` is set (no-color.org) or the terminal is dumb. Lines are handed to a thread over a
    /// buffer of 256 KiB: when the output is stuck, further lines are dropped, and their number is logged where they are
    /// missing.
    ///
    /// # Errors
    ///
    /// Standard error is closed, no thread can be had, or the program has a log already.
    pub fn install(settings: LogSettings) -> Result<Self, LogError> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let unwanted = variable("NO_COLOR").is_some();
        let able = variable("TERM").is_some_and(|terminal| terminal != "dumb");
        let colour = settings.format == Format::Text && able && !unwanted && io::stderr().is_terminal();
        let journal = (settings.format == Format::Journald).then(Journal::of_stderr).flatten();
        let style = Style { format: settings.format, colour, native: journal.is_some() };
        let output: Box<dyn Write + Send> = match journal {
            Some(journal) => Box::new(journal),
            None => Box::new(stderr().map_err(LogError::Output)?),
        };
        let (subscriber, logging) = Self::start(settings.level, style, Timestamp::now, output)?;
        tracing::subscriber::set_global_default(subscriber)?;
        Ok(logging)
    }

    fn start(
        level: Level,
        style: Style,
        clock: fn() -> Timestamp,
        output: impl Write + Send + 'static,
    ) -> Result<(impl Subscriber + Send + Sync, Self), LogError> {
        let queue = Arc::new(Queue::default());
        let writing = Arc::clone(&queue);
        let notice = move |dropped: u64| {
            let mut fields = Fields::default();
            fields.text("message", &format!("the log's output was stuck, {dropped} lines are missing here"));
            style.line(
                clock(),
                Kind { level: tracing::Level::WARN, target: module_path!(), name: None },
                &fields,
            )
        };
        let thread = std::thread::Builder::new().name("log".into());
        thread.spawn(move || writing.run(output, notice)).map_err(LogError::Thread)?;
        let (filter, handle) = reload::Layer::new(filter(level));
        let level = LogHandle { filter: handle, level: Arc::new(Mutex::new(level)) };
        let lines = Lines { style, clock, queue: Arc::clone(&queue) };
        let subscriber = tracing_subscriber::registry().with(filter).with(lines);
        Ok((subscriber, Self { level, queue }))
    }

    /// What changes the level.
    pub fn handle(&self) -> LogHandle {
        self.level.clone()
    }

    /// Waits until every line so far is written, at most for `patience`; false when they are not.
    pub fn flush(&self, patience: Duration) -> bool {
        self.queue.flush(patience)
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.queue.close();
        self.queue.flush(LAST_WORDS);
    }
}

/// Standard error without the lock of `std::io::stderr`: a thread that waits in write(2) with that lock held would stop
/// every thread that panics.
fn stderr() -> io::Result<impl Write + Send> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        io::stderr().as_fd().try_clone_to_owned().map(std::fs::File::from)
    }
    #[cfg(not(unix))]
    Ok(io::stderr())
}

fn filter(level: Level) -> Targets {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // A target stands for all that begin with it. The library reports each malformed packet below `warn`.
    Targets::new().with_default(level).with_target("hickory_", level.min(LevelFilter::WARN))
}

struct Lines {
    style: Style,
    clock: fn() -> Timestamp,
    queue: Arc<Queue>,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer.clone());
            }
        }
        fields.extend(own);
        let metadata = event.metadata();
        let (level, target) = (*metadata.level(), metadata.target());
        let kind = Kind { level, target, name: event_name(metadata.name()) };
        self.queue.push(&self.style.line((self.clock)(), kind, &fields));
    }
}
