//! `stubborn allow` and `stubborn disallow`: exceptions written into the configuration file, and taken out of it.

use serde_json::{Value, json};

use super::args::{Allow, Disallow, EditArguments};
use super::check::json_errors;
use super::home::network;
use super::{FINE, NO, TROUBLE, complain, last, say, say_json};
use crate::config::printable;
use crate::edit::{self, EditError, Hunk, Line, Plan, Request};

/// Allows; the answer is no where `check` would refuse it.
pub(super) fn allow(arguments: &Allow) -> u8 {
    let until = match arguments.span.map(|span| edit::after(edit::now(), span)) {
        Some(Ok(until)) => Some(until),
        Some(Err(why)) => {
            complain(&format!("--for: {why}"));
            return TROUBLE;
        }
        None => arguments.until.clone(),
    };
    let wanted = match arguments.last {
        false => Request {
            domain: arguments.domain.clone().unwrap_or_default(),
            preset: arguments.preset.clone(),
            exact: arguments.exact,
            networks: arguments.to.clone(),
            ..Request::default()
        },
        true => match last::proposed(arguments) {
            Ok(Some(request)) => request,
            Ok(None) => return FINE,
            Err(code) => return code,
        },
    };
    let request =
        Request { clients: arguments.client.clone(), until, reason: arguments.reason.clone(), ..wanted };
    let file = &arguments.file;
    let network = network(file.config.as_deref());
    told(
        file,
        edit::edit(file.config.as_deref(), file.dry_run, |editor| {
            editor.in_network(network.clone()).allow(&request)
        }),
    )
}

/// Disallows; the answer is no where there was no such exception.
pub(super) fn disallow(arguments: &Disallow) -> u8 {
    let file = &arguments.file;
    told(file, edit::edit(file.config.as_deref(), file.dry_run, |editor| editor.disallow(&arguments.domain)))
}

fn told(arguments: &EditArguments, done: Result<Plan, EditError>) -> u8 {
    match done {
        Ok(plan) if arguments.json => say_json(&json_plan(&plan, arguments.dry_run)),
        Ok(plan) => {
            say(&text(&plan, arguments.dry_run));
            for note in &plan.notes {
                complain(&format!("warning: {note}"));
            }
        }
        Err(error) => {
            if arguments.json {
                say_json(&json_error(&error));
            } else {
                complain(&error.to_string());
            }
            return code(&error);
        }
    }
    FINE
}

fn code(error: &EditError) -> u8 {
    match error {
        EditError::Broken(_)
        | EditError::Refused(_)
        | EditError::Over(_)
        | EditError::NotThere(_)
        | EditError::ChangesNothing(_) => NO,
        EditError::Place { .. } | EditError::Read { .. } | EditError::Unfit { .. } => TROUBLE,
    }
}

/// One line, and the lines of the file.
pub(super) fn text(plan: &Plan, dry_run: bool) -> String {
    let mut text = plan.what.clone();
    for (index, file) in plan.files.iter().enumerate() {
        let path = printable(&file.path.to_string_lossy());
        let line = file.hunks.first().map_or(1, |hunk| hunk.line);
        let done = match (dry_run, &file.old) {
            (true, Some(_)) => format!("would be written to {path}, line {line}"),
            (true, None) => format!("would be written to {path}, which is not there yet"),
            (false, Some(_)) => format!("written to {path}, line {line}"),
            (false, None) => format!("written to {path}, which was not there"),
        };
        let reload = if dry_run { "" } else { "; a running daemon takes it by itself" };
        let hunks: Vec<String> = file.hunks.iter().map(Hunk::to_string).collect();
        let before = if index == 0 { ": " } else { "\n\n" };
        text.push_str(&format!("{before}{done}{reload}\n\n{}", hunks.join("\n").trim_end()));
    }
    text
}

fn json_plan(plan: &Plan, dry_run: bool) -> Value {
    let files: Vec<Value> = plan
        .files
        .iter()
        .map(|file| {
            let hunks: Vec<Value> = file.hunks.iter().map(json_hunk).collect();
            json!({ "file": file.path.display().to_string(), "created": file.old.is_none(), "changes": hunks })
        })
        .collect();
    json!({
        "changed": !plan.files.is_empty() && !dry_run,
        "dry_run": dry_run,
        "what": plan.what,
        "files": files,
        "warnings": plan.notes,
    })
}

fn json_hunk(hunk: &Hunk) -> Value {
    let added = hunk.lines.iter().filter_map(|line| match line {
        Line::Added(text) => Some(text.as_str()),
        Line::Removed(_) | Line::Kept(_) => None,
    });
    let removed = hunk.lines.iter().filter_map(|line| match line {
        Line::Removed(text) => Some(text.as_str()),
        Line::Added(_) | Line::Kept(_) => None,
    });
    json!({ "line": hunk.line, "removed": removed.collect::<Vec<_>>(), "added": added.collect::<Vec<_>>() })
}

fn json_error(error: &EditError) -> Value {
    let mut report = json!({ "changed": false, "error": error.to_string() });
    let (key, value) = match error {
        EditError::Broken(errors) | EditError::Refused(errors) => {
            ("errors", json!(json_errors(&errors.errors)))
        }
        EditError::NotThere(not_there) => ("hints", json!(not_there.hints)),
        EditError::ChangesNothing(refused) => {
            let instead: Vec<&str> = refused.instead.iter().map(|(_, table)| table.as_str()).collect();
            ("instead", json!(instead))
        }
        EditError::Place { plan, .. } => {
            let hunks: Vec<Value> = plan.files.iter().flat_map(|file| &file.hunks).map(json_hunk).collect();
            ("by_hand", json!(hunks))
        }
        EditError::Over(_) | EditError::Read { .. } | EditError::Unfit { .. } => return report,
    };
    if let Some(report) = report.as_object_mut() {
        report.insert(key.to_owned(), value);
    }
    report
}
