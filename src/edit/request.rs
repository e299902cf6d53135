//! What is asked for, as it will stand in the file.

use std::io;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use toml_edit::{Array, Datetime, Table, Value, value};

use super::ArgumentError;
use crate::config::{self, ConfigError, ConfigErrors, Files};
use crate::policy::Exception;

/// An exception to be written. Its texts are what `[[exception]]` takes; the configuration's own reader judges them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// `domain`; empty for the preset's own domains.
    pub domain: String,
    /// `preset`
    pub preset: Option<String>,
    /// `exact`
    pub exact: bool,
    /// `networks`; none for those an exception has by default.
    pub networks: Vec<String>,
    /// `clients`; none for all.
    pub clients: Vec<String>,
    /// `until`: a moment as [`moment`] and [`after`] return it.
    pub until: Option<String>,
    /// `reason`
    pub reason: Option<String>,
}

/// Reads a moment, such as `2027-01-31T00:00:00Z`.
///
/// # Errors
/// What would be right, where it is none. One without a time or a zone is for the configuration's reader to refuse.
pub fn moment(text: &str) -> Result<String, String> {
    let moment: Result<Datetime, _> = text.trim().parse();
    moment.map(|moment| moment.to_string()).map_err(|_| "not a moment; write 2027-01-31T00:00:00Z".to_owned())
}

/// The moment so long after `now`, in Unix seconds.
///
/// # Errors
/// Where that is at once, or further off than dates go.
pub fn after(now: i64, duration: Duration) -> Result<String, String> {
    if duration < Duration::from_secs(1) {
        return Err("it would end at once: write a longer time, such as 1h".to_owned());
    }
    let far = || "no date is so far off".to_owned();
    let duration = SignedDuration::try_from(duration).map_err(|_| far())?;
    let start = Timestamp::from_second(now).map_err(|_| far())?;
    let end = start.checked_add(duration).map_err(|_| far())?;
    // TOML has years of four digits.
    let text = Timestamp::from_second(end.as_second()).map_err(|_| far())?.to_string();
    text.parse::<Datetime>().map(|_| text).map_err(|_| far())
}

impl Request {
    /// The table of the file.
    pub(super) fn table(&self) -> Table {
        let mut table = Table::new();
        if let Some(preset) = &self.preset {
            table.insert("preset", value(preset.as_str()));
        }
        if self.preset.is_none() || !self.domain.is_empty() {
            table.insert("domain", value(self.domain.as_str()));
        }
        if self.exact {
            table.insert("exact", value(true));
        }
        for (key, texts) in [("networks", &self.networks), ("clients", &self.clients)] {
            if !texts.is_empty() {
                table.insert(key, value(list(texts)));
            }
        }
        if let Some(until) = &self.until {
            table.insert("until", value(datetime(until)));
        }
        if let Some(reason) = &self.reason {
            table.insert("reason", value(reason.as_str()));
        }
        table
    }

    /// What the configuration's reader makes of it, one exception for each domain; else what is wrong with which argument.
    pub(super) fn read(&self, now: i64) -> Result<Vec<Exception>, Vec<ArgumentError>> {
        let read = read_keys(&self.table().to_string(), now);
        read.map_err(|errors| errors.errors.iter().map(argument_error).collect())
    }

    /// The same in the words of the configuration's reader, and the exception it makes of it.
    pub(super) fn normal(&self, now: i64) -> Result<(Self, Exception), Vec<ArgumentError>> {
        let exception = self.read(now)?.pop().ok_or_else(Vec::new)?;
        let texts = |own: &[String], read: &[ipnet::IpNet]| {
            let mut texts: Vec<String> = read.iter().map(ToString::to_string).collect();
            texts.sort();
            texts.dedup();
            if own.is_empty() { Vec::new() } else { texts }
        };
        let normal = Self {
            domain: exception.domain.to_string(),
            networks: texts(&self.networks, &exception.networks),
            clients: texts(&self.clients, &exception.clients),
            ..self.clone()
        };
        Ok((normal, exception))
    }
}

/// The arguments of `allow`, by the key that each is written as.
const ARGUMENTS: [(&str, &str); 7] = [
    ("exception.domain", "DOMAIN"),
    ("exception.preset", "--preset"),
    ("exception.exact", "--exact"),
    ("exception.networks", "--to"),
    ("exception.clients", "--client"),
    ("exception.until", "--until"),
    ("exception.reason", "--reason"),
];

fn argument_error(error: &ConfigError) -> ArgumentError {
    let argument = ARGUMENTS.iter().find(|(key, _)| *key == error.key);
    ArgumentError {
        argument: argument.map_or("the exception", |(_, argument)| argument),
        key: error.key.clone(),
        message: error.message.clone(),
        help: error.help.clone(),
    }
}

/// What the configuration's reader makes of the keys of one `[[exception]]`; nothing where it refuses them.
pub(super) fn read_one(keys: &str, now: i64) -> Vec<Exception> {
    read_keys(keys, now).unwrap_or_default()
}

fn read_keys(keys: &str, now: i64) -> Result<Vec<Exception>, ConfigErrors> {
    let text = format!("[[exception]]\n{keys}");
    let loaded = config::from_text(Path::new("one exception"), &text, &NoFiles, now);
    loaded.map(|loaded| loaded.config.guard.exceptions)
}

pub(super) fn list(texts: &[String]) -> Array {
    texts.iter().map(String::as_str).collect()
}

pub(super) fn datetime(text: &str) -> Value {
    text.parse::<Datetime>().map_or_else(|_| Value::from(text), Value::from)
}

/// A file system with nothing in it.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<std::ffi::OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments() {
        for (text, expected) in [
            ("2027-01-31T00:00:00Z", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31 00:00:00+01:00", Some("2027-01-31T00:00:00+01:00")),
            ("2027-01-31", Some("2027-01-31")),
            ("tomorrow", None),
            ("2027-13-31T00:00:00Z", None),
            ("2027-01-31T00:00:00Z\nexact = false", None),
            ("", None),
        ] {
            assert_eq!(moment(text).ok().as_deref(), expected, "{text}");
        }
        assert_eq!(after(0, Duration::from_secs(3600)).as_deref(), Ok("1970-01-01T01:00:00Z"));
        assert!(after(0, Duration::from_millis(500)).is_err());
        assert!(after(0, Duration::MAX).is_err());
        assert!(after(0, Duration::from_secs(400_000_000_000)).is_err());
    }

    #[test]
    fn a_request_reads_back_as_it_was_meant() {
        let request = Request {
            domain: "Bücher.Example".into(),
            preset: None,
            exact: true,
            networks: vec!["192.168.1.20".into(), "192.168.1.20/32".into()],
            clients: vec!["10.0.0.0/8".into()],
            until: Some("2027-01-31T00:00:00Z".into()),
            reason: Some("a \"quoted\" \\ reason".into()),
        };
        let (normal, exception) = request.normal(0).unwrap();
        assert_eq!(normal.domain, "xn--bcher-kva.example");
        assert_eq!(normal.networks, ["192.168.1.20/32"]);
        assert_eq!(exception.reason, request.reason);
        assert_eq!(exception.until, Some(1_801_353_600));
        assert!(Request { domain: "com".into(), ..request.clone() }.normal(0).is_err());
        assert!(Request { networks: vec!["10.0.0.1/8".into()], ..request }.normal(0).is_err());
    }
}
