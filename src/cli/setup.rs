//! `stubborn setup` and `stubborn restore`: the machine pointed at stubborn, and put back.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::args::{Restore, Setup};
use super::setup_domains;
use super::show::{visible, visible_lines};
use super::{FINE, NO, TROUBLE, complain, progress, say, say_json};
use crate::setup::{
    After, Cause, Options, Outcome, Plan, Restored, SetupError, Step, Undone, restore as put_back,
    setup as switch,
};

/// Points the machine at stubborn.
pub(super) fn setup(arguments: &Setup) -> u8 {
    let options = Options {
        config: arguments.config.clone(),
        listen: arguments.listen,
        name: arguments.name.to_string(),
        dry_run: arguments.dry_run,
    };
    match switch(&options, &mut teller(arguments.json)) {
        Ok(outcome) => {
            if arguments.json {
                say_json(&as_json(&outcome))
            } else {
                say(&text(&outcome));
                setup_domains::propose(arguments);
            }
            if !arguments.json {
                warnings(&outcome)
                    .iter()
                    .for_each(|warning| complain(&format!("warning: {}", visible_lines(warning))));
            }
            FINE
        }
        Err(error) => failed(&error, arguments.json),
    }
}

/// Puts it back; the answer is no where something was left as somebody else made it.
pub(super) fn restore(arguments: &Restore) -> u8 {
    let undone = match put_back(arguments.force, arguments.dry_run, &mut teller(arguments.json)) {
        Ok(Restored::Nothing) => None,
        Ok(Restored::Undone(undone)) => Some(undone),
        Err(error) => return failed(&error, arguments.json),
    };
    let empty = Undone::default();
    let Undone { back, left, older, run, trouble } = undone.as_ref().unwrap_or(&empty);
    if arguments.json {
        let files = |files: &[(PathBuf, Option<PathBuf>)]| -> Vec<Value> {
            files.iter().map(|(path, copy)| json!({ "file": path, "original": copy })).collect()
        };
        let report = json!({
            "changed": undone.is_some() && !arguments.dry_run,
            "dry_run": arguments.dry_run,
            "back": back,
            "left": files(left),
            "older": files(older),
            "programs": run,
            "warnings": trouble,
        });
        say_json(&report);
    } else if undone.is_none() {
        say("nothing to do: `stubborn setup` has changed nothing here");
    } else if arguments.dry_run {
        back.iter().for_each(|path| say(&format!("would put back {}", path.display())));
        run.iter().for_each(|words| say(&format!("would run `{words}`")));
        left.iter().for_each(|(path, _)| {
            say(&format!("would leave {}: somebody else changed it since", path.display()))
        });
        older.iter().for_each(|(path, _)| {
            say(&format!("would keep what {} was before an earlier setup", path.display()))
        });
    } else if left.is_empty() && trouble.is_empty() {
        say(if older.is_empty() {
            "everything is as it was before `stubborn setup`"
        } else {
            "everything is as it was before the last `stubborn setup`; `stubborn restore --force` goes back to before the first"
        });
    } else {
        if !left.is_empty() {
            complain(
                "not everything is as it was: `stubborn restore --force` also puts back what somebody else changed since",
            );
        }
        if !trouble.is_empty() {
            complain(match arguments.force {
                false => {
                    "not everything could be done: once what is in the way is mended, `stubborn restore` does the rest; `stubborn restore --force` gives up on programs that fail"
                }
                true => "not everything could be done: do the rest by hand",
            });
        }
    }
    if left.is_empty() && trouble.is_empty() { FINE } else { NO }
}

fn teller(json: bool) -> impl FnMut(&str) {
    move |line| {
        if !json {
            progress(&visible(line));
        }
    }
}

fn failed(error: &SetupError, json: bool) -> u8 {
    if json {
        let undone = match error.after {
            After::Unchanged | After::StillSetUp => None,
            After::PutBack | After::EarlierPutBack => Some(true),
            After::Partly => Some(false),
        };
        let is_changed = matches!(error.after, After::Partly | After::EarlierPutBack);
        say_json(&json!({
            "outcome": "failed",
            "cause": error.cause.name(),
            "changed": is_changed,
            "error": error.to_string(),
            "undone": undone,
        }));
    } else {
        complain(&error.to_string());
    }
    if error.cause == Cause::Config { NO } else { TROUBLE }
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Already(_) => {
            "nothing to do: this machine is set up, and its questions pass through stubborn".to_owned()
        }
        Outcome::Done(_) => {
            "done: this machine asks stubborn, and nobody else; `stubborn restore` puts everything back"
                .to_owned()
        }
        Outcome::Planned(plan, stale) => planned(plan, stale),
    }
}

fn warnings(outcome: &Outcome) -> Vec<String> {
    match outcome {
        Outcome::Already(problems) => problems.clone(),
        Outcome::Done(plan) => plan.warnings.clone(),
        Outcome::Planned(plan, _) => {
            let first = plan.first.iter().map(|first| format!("not yet: {first}"));
            first.chain(plan.warnings.iter().cloned()).collect()
        }
    }
}

fn planned(plan: &Plan, stale: &[PathBuf]) -> String {
    let mut lines = vec![visible(&plan.machine)];
    if !stale.is_empty() {
        let stale: Vec<String> = stale.iter().map(|path| visible(&path.to_string_lossy())).collect();
        lines.push(format!(
            "what an earlier setup made would be undone first; changed since: {}",
            stale.join(", ")
        ));
    }
    let mut number = 0;
    let mut step = |text: &str| {
        number += 1;
        format!("{number:>3}. {text}")
    };
    for one in &plan.prepare {
        lines.push(step(&visible(&one.to_string())));
    }
    lines.push(step(&format!("ask stubborn at {}: no further without an answer", plan.listen)));
    for one in &plan.switch {
        lines.push(step(&visible(&one.to_string())));
    }
    lines.push(step(&format!(
        "ask {}: without an answer through stubborn, everything is put back",
        plan.server
    )));
    lines.join("\n")
}

fn as_json(outcome: &Outcome) -> Value {
    let (plan, name) = match outcome {
        Outcome::Already(problems) => {
            return json!({ "outcome": "already", "changed": false, "warnings": problems });
        }
        Outcome::Planned(plan, _) => (plan, "planned"),
        Outcome::Done(plan) => (plan, "done"),
    };
    let steps: Vec<Value> = plan.steps().map(json_step).collect();
    json!({
        "outcome": name,
        "changed": name == "done",
        "machine": plan.machine,
        "listen": plan.listen.to_string(),
        "server": plan.server.to_string(),
        "steps": steps,
        "warnings": warnings(outcome),
    })
}

fn json_step(step: &Step) -> Value {
    match step {
        Step::Write { path, text, why } => json!({ "write": path, "text": text, "why": why }),
        Step::Run { words, why, .. } => json!({ "run": words, "why": why }),
    }
}
