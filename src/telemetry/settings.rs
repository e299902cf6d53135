//! How much is said, and in which form.

/// The `[log]` table, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// `level`
    pub level: Level,
    /// `format`
    pub format: Format,
    /// `queries`
    pub queries: QueryLog,
}

/// The least severe lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Only what keeps the daemon from working.
    Error,
    /// Also what was stopped.
    Warn,
    /// Also start, reload and what changed.
    #[default]
    Info,
    /// Also each query's way, with names.
    Debug,
    /// Everything.
    Trace,
}

impl Level {
    /// The word for it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Whether each query is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum QueryLog {
    /// None is.
    #[default]
    Off,
    /// Who asked for which type, and what came of it.
    WithoutNames,
    /// Also the name.
    WithNames,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
    /// Lines with the priority prefix that journald reads from a service's standard error (sd-daemon(3)).
    Journald,
}
