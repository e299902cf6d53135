//! What is wrong with a file, and how it is shown: pointed at, or in one line for the log.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dns::Shown;

/// What is wrong with one value, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// What is wrong, the value quoted.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl Wrong {
    /// A complaint without advice.
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    /// The same with advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, " ({help})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Wrong {}

/// Whether the file can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but hardly means what it says.
    Warning,
}

/// The place of a problem within its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// The characters it spans on that line, at least 1.
    pub width: u32,
    /// The line's text.
    pub text: String,
}

/// One problem of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Error or warning.
    pub severity: Severity,
    /// The file as it was named.
    pub path: Arc<Path>,
    /// Where in the file; `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// The key with its table, such as `guard.mode`; empty where there is none.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

impl ConfigError {
    /// A problem of the file as a whole.
    pub(super) fn of_file(path: &Path, wrong: Wrong) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            place: None,
            key: String::new(),
            message: wrong.message,
            help: wrong.help,
        }
    }

    /// `file:line:column: key: message (help)`, for a log line.
    pub fn one_line(&self) -> String {
        let mut line = self.position();
        if !self.key.is_empty() {
            line.push_str(&format!(": {}", self.key));
        }
        line.push_str(&format!(": {}", self.message));
        if let Some(help) = &self.help {
            line.push_str(&format!(" ({help})"));
        }
        line
    }

    fn position(&self) -> String {
        let path = printable(&self.path.to_string_lossy());
        match &self.place {
            Some(place) => format!("{path}:{}:{}", place.line, place.column),
            None => path,
        }
    }

    fn order(&self) -> (u32, u32) {
        self.place.as_ref().map_or((0, 0), |place| (place.line, place.column))
    }
}

impl fmt::Display for ConfigError {
    /// As compilers show it: the message, the place, the line with a caret run under the value, the advice.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: ")?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.message)?;
        let margin = self.place.as_ref().map_or(1, |place| place.line.to_string().len());
        write!(f, "\n{:margin$}--> {}", "", self.position())?;
        if let Some(place) = &self.place {
            let (before, under) = marks(place);
            write!(f, "\n{:margin$} |\n{} | {}", "", place.line, printable(&place.text))?;
            write!(f, "\n{:margin$} | {:before$}{:^<under$}", "", "", "")?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:margin$} = help: {help}", "")?;
        }
        Ok(())
    }
}

/// How far the caret run is indented and how long it is, counted in what [`printable`] makes of the line.
fn marks(place: &Place) -> (usize, usize) {
    let columns = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    let start = columns(place.column).saturating_sub(1);
    let shown = |from: usize, count: usize| {
        let part: String = place.text.chars().skip(from).take(count).collect();
        printable(&part).chars().count()
    };
    (shown(0, start), shown(start, columns(place.width)).max(1))
}

/// All problems of a configuration: why it cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The errors, at least one; by file, then by line.
    pub errors: Vec<ConfigError>,
    /// The warnings beside them.
    pub warnings: Vec<ConfigError>,
    /// The files that were read or should have been.
    pub files: Vec<PathBuf>,
    /// The directories in which `include` looks for files.
    pub directories: Vec<PathBuf>,
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Sorts the problems of one file as they stand in it.
pub(super) fn sort(problems: &mut [ConfigError]) {
    problems.sort_by_key(ConfigError::order);
}

/// The text with everything escaped that would not show as itself; a tab becomes four blanks.
pub(crate) fn printable(text: &str) -> String {
    Shown::text(&text.replace('\t', "    ")).to_string()
}

/// The value in quotes, printable, and not too long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    if text.chars().count() <= LONGEST {
        return format!("\"{}\"", printable(text));
    }
    let head: String = text.chars().take(LONGEST).collect();
    format!("\"{}…\"", printable(&head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str, column: u32, width: u32) -> ConfigError {
        ConfigError {
            severity: Severity::Error,
            path: Path::new("a.toml").into(),
            place: Some(Place { line: 12, column, width, text: text.into() }),
            key: "guard.mode".into(),
            message: "\"x\" is not a mode".into(),
            help: Some("did you mean \"y\"?".into()),
        }
    }

    #[test]
    fn an_error_points_at_its_value() {
        let shown = error("mode = \"x\"", 8, 3).to_string();
        assert_eq!(
            shown,
            "error: guard.mode: \"x\" is not a mode\n  --> a.toml:12:8\n   |\n12 | mode = \"x\"\n   |        ^^^\n   = help: did you mean \"y\"?"
        );
    }

    #[test]
    fn carets_stay_under_the_value_after_tabs_and_escapes() {
        let shown = error("\tm = \"\u{202e}x\"", 6, 4).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[3], "12 |     m = \"\\226\\128\\174x\"");
        assert_eq!(lines[4], "   |         ^^^^^^^^^^^^^^^");
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(
            error("mode = \"x\"", 8, 3).one_line(),
            "a.toml:12:8: guard.mode: \"x\" is not a mode (did you mean \"y\"?)"
        );
        let file = ConfigError::of_file(Path::new("b\nc"), Wrong::new("no such file"));
        assert_eq!(file.one_line(), "b\\010c: no such file");
        assert_eq!(file.to_string(), "error: no such file\n --> b\\010c");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(quoted("a\u{1b}[1m"), "\"a\\027[1m\"");
        assert!(quoted(&"x".repeat(1000)).chars().count() < 70);
    }
}
