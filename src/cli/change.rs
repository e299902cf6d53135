//! `stubborn allow` and `stubborn disallow`: exceptions written into the configuration file, and taken out of it.

use std::path::Path;

use serde_json::{Value, json};

use super::args::{Allow, Disallow, EditArguments};
use super::check::json_errors;
use super::home::network;
use super::operate::DAEMON;
use super::output::waiting_for;
use super::show::{duration, visible, visible_lines};
use super::target::{self, Taken, Target};
use super::{FINE, NO, TROUBLE, complain, last, say, say_json};
use crate::config::{self, printable};
use crate::edit::{self, ArgumentError, EditError, Editor, Hunk, Line, Plan, Request};

/// Allows; the answer is no where `check` would refuse it.
pub(super) fn allow(arguments: &Allow) -> u8 {
    let file = &arguments.file;
    let until = match arguments.span.map(|span| edit::after(edit::now(), span)) {
        Some(Ok(until)) => Some(until),
        Some(Err(why)) => return failed(file.json, TROUBLE, &format!("--for: {why}"), json!({})),
        None => arguments.until.clone(),
    };
    let target = match find(file) {
        Ok(target) => target,
        Err(code) => return code,
    };
    let mut request = Request {
        domain: arguments.domain.clone().unwrap_or_default(),
        preset: arguments.preset.clone(),
        exact: arguments.exact,
        networks: arguments.to.clone(),
        clients: arguments.client.clone(),
        until,
        reason: arguments.reason.clone(),
    };
    if arguments.last {
        match last::agreed(arguments, request, &target) {
            Ok(agreed) => request = agreed,
            Err(code) => return code,
        }
    }
    let network = network(Some(target.file.as_path()).filter(|file| file.exists()));
    let allow = |editor: &Editor<'_>| editor.in_network(network.clone()).allow(&request);
    told(file, &target, true, edit::edit(&target.file, file.dry_run, allow))
}

/// Disallows; the answer is no where there was no such exception.
pub(super) fn disallow(arguments: &Disallow) -> u8 {
    let file = &arguments.file;
    let target = match find(file) {
        Ok(target) => target,
        Err(code) => return code,
    };
    told(
        file,
        &target,
        false,
        edit::edit(&target.file, file.dry_run, |editor| editor.disallow(&arguments.domain)),
    )
}

fn find(arguments: &EditArguments) -> Result<Target, u8> {
    let _waiting = waiting_for(DAEMON);
    let target = target::find(arguments.config.as_deref(), arguments.socket.as_deref());
    target.map_err(|error| failed(arguments.json, TROUBLE, &error.to_string(), json!({})))
}

/// Says why nothing was changed, and passes the exit code on. JSON gets the members of `more` besides.
pub(super) fn failed(json: bool, code: u8, why: &str, more: Value) -> u8 {
    if !json {
        complain(&visible_lines(why));
        return code;
    }
    let mut report = json!({ "changed": false, "error": why });
    if let (Some(report), Value::Object(more)) = (report.as_object_mut(), more) {
        report.extend(more);
    }
    say_json(&report);
    code
}

fn told(arguments: &EditArguments, target: &Target, allows: bool, done: Result<Plan, EditError>) -> u8 {
    if let Some(note) = target.note.as_ref().filter(|_| !arguments.json) {
        complain(&format!("warning: {}", visible(note)));
    }
    let plan = match done {
        Ok(plan) => plan,
        Err(error) => return failed(arguments.json, code(&error), &error.to_string(), details(&error)),
    };
    let main = plan.files.first().filter(|_| !arguments.dry_run);
    let taken = main.and_then(|main| Some(target.reader.as_ref()?.take(&main.path)));
    let taken = taken.as_ref();
    if arguments.json {
        say_json(&json_plan(&plan, arguments.dry_run, target, taken));
    } else {
        say(&text(&plan, arguments.dry_run, taken));
        for note in &plan.notes {
            complain(&format!("warning: {note}"));
        }
        match taken {
            Some(Taken::No(why)) => {
                complain(&visible_lines(why));
                complain("written, but the daemon does not use it");
            }
            Some(Taken::Unknown(why)) => {
                complain(&format!(
                    "warning: written, but it is not known if the daemon uses it: {}",
                    visible(why)
                ));
            }
            Some(Taken::Yes(_)) if allows => say(&caches(&target.file)),
            _ => {}
        }
    }
    if matches!(taken, Some(Taken::No(_))) { NO } else { FINE }
}

/// Who may still have the old answer.
fn caches(file: &Path) -> String {
    let ttl = config::load(Some(file)).map(|loaded| loaded.config.guard.block_ttl).unwrap_or_default();
    format!(
        "\nPrograms, and other resolvers in front, may keep the blocked answer for up to {}.",
        duration(ttl)
    )
}

fn code(error: &EditError) -> u8 {
    match error {
        EditError::Broken(_)
        | EditError::Refused(_)
        | EditError::Arguments(_)
        | EditError::Over(_)
        | EditError::NotThere(_)
        | EditError::ChangesNothing(_) => NO,
        EditError::Place { .. } | EditError::Read { .. } | EditError::Unfit { .. } => TROUBLE,
    }
}

/// One line, and the lines of the file.
pub(super) fn text(plan: &Plan, dry_run: bool, taken: Option<&Taken>) -> String {
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
        let hunks: Vec<String> = file.hunks.iter().map(Hunk::to_string).collect();
        let before = if index == 0 { ": " } else { "\n\n" };
        let used = match taken {
            Some(Taken::Yes(generation)) if index == 0 => format!("; in use now (generation {generation})"),
            _ => String::new(),
        };
        text.push_str(&format!("{before}{done}{used}\n\n{}", hunks.join("\n").trim_end()));
    }
    text
}

fn json_plan(plan: &Plan, dry_run: bool, target: &Target, taken: Option<&Taken>) -> Value {
    let files: Vec<Value> = plan
        .files
        .iter()
        .map(|file| {
            let hunks: Vec<Value> = file.hunks.iter().map(json_hunk).collect();
            json!({ "file": file.path.display().to_string(), "created": file.old.is_none(), "changes": hunks })
        })
        .collect();
    let (in_use, generation, why) = match taken {
        Some(Taken::Yes(generation)) => (Some(true), Some(*generation), None),
        Some(Taken::No(why)) => (Some(false), None, Some(why)),
        Some(Taken::Unknown(why)) => (None, None, Some(why)),
        None => (None, None, None),
    };
    let warnings: Vec<&String> = target.note.iter().chain(&plan.notes).chain(why).collect();
    json!({
        "changed": !plan.files.is_empty() && !dry_run,
        "dry_run": dry_run,
        "what": plan.what,
        "config_file": target.file.display().to_string(),
        "files": files,
        "in_use": in_use,
        "generation": generation,
        "warnings": warnings,
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

/// What JSON says of an error besides its text.
fn details(error: &EditError) -> Value {
    match error {
        EditError::Broken(errors) | EditError::Refused(errors) => {
            json!({ "errors": json_errors(&errors.errors) })
        }
        EditError::Arguments(errors) => {
            let error = |error: &ArgumentError| {
                json!({
                    "argument": error.argument,
                    "key": error.key,
                    "message": error.message,
                    "help": error.help,
                })
            };
            json!({ "errors": errors.iter().map(error).collect::<Vec<_>>() })
        }
        EditError::NotThere(not_there) => json!({ "hints": not_there.hints }),
        EditError::ChangesNothing(refused) => {
            let instead: Vec<&str> = refused.instead.iter().map(|(_, table)| table.as_str()).collect();
            json!({ "instead": instead })
        }
        EditError::Place { plan, .. } => {
            let hunks: Vec<Value> = plan.files.iter().flat_map(|file| &file.hunks).map(json_hunk).collect();
            json!({ "by_hand": hunks })
        }
        EditError::Over(_) | EditError::Read { .. } | EditError::Unfit { .. } => json!({}),
    }
}
