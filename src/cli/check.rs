//! `stubborn check`: the configuration's errors, all of them.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::Check;
use super::output::summary;
use super::{FINE, NO, complain, say, say_json};
use crate::config::{ConfigError, DEFAULT_PATH};
use crate::control::ErrorParts;
use crate::daemon::{BuildError, Environment, Source};
use crate::upstream::in_container;

/// Checks as start and reload do. That no upstream is to be found on this machine is worth a warning only: the file may be
/// meant for another.
pub(super) fn check(arguments: &Check) -> u8 {
    let source = Source { config: arguments.config.clone(), ..Source::default() };
    let environment = Environment { in_container: in_container(), ..Environment::default() };
    let (errors, warnings, files) = match source.build(&environment) {
        Ok(built) => (Vec::new(), built.warnings, built.files),
        Err(BuildError::Config(errors)) => {
            (errors.errors, errors.warnings.iter().map(ConfigError::one_line).collect(), errors.files)
        }
        Err(other) => {
            // The configuration has no error then, so it can be read.
            let files = source.load().map(|loaded| loaded.files).unwrap_or_default();
            (Vec::new(), vec![other.to_string()], files.into_iter().filter(|file| file.exists()).collect())
        }
    };
    if arguments.json {
        say_json(&json_report(&errors, &warnings, &files));
    } else {
        for error in &errors {
            complain(&format!("{error}\n"));
        }
        for warning in &warnings {
            complain(&format!("warning: {warning}"));
        }
        match errors.len() {
            0 => say(&fine(&files)),
            1 => complain("error: the configuration has 1 error"),
            count => complain(&format!("error: the configuration has {count} errors")),
        }
    }
    if errors.is_empty() { FINE } else { NO }
}

/// Says what is fine: which files, or that there is none.
fn fine(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    match names.split_first() {
        None => format!("there is no {DEFAULT_PATH}: stubborn uses its defaults, which are fine"),
        Some((main, [])) => format!("the configuration is fine: {main}"),
        Some((main, included)) => {
            format!("the configuration is fine: {main}, which includes {}", included.join(", "))
        }
    }
}

fn json_report(errors: &[ConfigError], warnings: &[String], files: &[PathBuf]) -> Value {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    let errors_json = json_errors(errors);
    let mut report =
        json!({ "ok": errors.is_empty(), "files": files, "errors": errors_json, "warnings": warnings });
    if let (Some(report), false) = (report.as_object_mut(), errors.is_empty()) {
        report.insert("error".to_owned(), summary(&lines(errors)).into());
    }
    report
}

/// Each error on one line.
pub(super) fn lines(errors: &[ConfigError]) -> Vec<String> {
    errors.iter().map(ConfigError::one_line).collect()
}

/// Errors as every command's `--json` has them.
pub(super) fn json_errors(errors: &[ConfigError]) -> Vec<Value> {
    errors.iter().map(|error| json_error(&error.into(), &error.to_string())).collect()
}

/// `text` is what people see.
pub(super) fn json_error(parts: &ErrorParts, text: &str) -> Value {
    let mut error = serde_json::to_value(parts).unwrap_or_default();
    if let Some(error) = error.as_object_mut() {
        error.insert("text".to_owned(), text.into());
    }
    error
}
