//! `stubborn allow --last`: the exception that the last block asks for, once a person has agreed to it.

use std::io::{self, IsTerminal, Write};
use std::net::IpAddr;
use std::path::Path;

use serde_json::json;

use super::args::Allow;
use super::change::failed;
use super::operate::{DAEMON, ask_at};
use super::output::waiting_for;
use super::show::visible;
use super::target::Target;
use super::{NO, TROUBLE, progress, say};
use crate::control::{Block, ClientError, Command, Reply};
use crate::daemon::shell_word;
use crate::dns::Name;
use crate::edit::{self, LastBlock, Proposal, Request, propose};

/// What the last block asks for, together with what `given` says: only what a person agreed to, or what is there already. Else
/// the exit code, once the reason is said.
pub(super) fn agreed(arguments: &Allow, given: Request, target: &Target) -> Result<Request, u8> {
    let json = arguments.file.json;
    let no_answer = |why: String| failed(json, TROUBLE, &why, json!({}));
    let socket = target.socket.as_deref().map_err(|error| no_answer(error.to_string()))?;
    let Some(block) = last_block(socket).map_err(no_answer)? else {
        return Err(failed(json, NO, "nothing was blocked since the daemon started", json!({})));
    };
    let own = target.reader.as_ref().map(|reader| reader.own.clone()).unwrap_or_default();
    let Proposal { request, to_name } =
        proposal(&block, own).map_err(|why| failed(json, NO, &why, json!({})))?;
    let Request { domain, preset, exact, networks, .. } = request;
    let request = Request { domain, preset, exact, networks, ..given };
    if !json {
        let [text, client, last] = [&block.text, &block.client, &block.last].map(|part| visible(part));
        progress(&format!("{text}, asked by {client} at {last}"));
    }
    let is_there = edit::edit(&target.file, true, |editor| editor.allow(&request));
    if is_there.is_ok_and(|plan| plan.files.is_empty()) {
        return Ok(request);
    }
    let command = command_for(arguments, &request);
    let refused = |why: &str| {
        if !json {
            say(&command);
        }
        Err(failed(json, NO, &format!("nothing was written: {why}"), json!({ "command": command })))
    };
    if !to_name.is_empty() {
        let named: Vec<String> =
            to_name.iter().map(|(address, range)| format!("{address} ({range})")).collect();
        let named = named.join(", ");
        return refused(&format!(
            "--last does not open {named}, because what listens there often trusts everybody who reaches it. If you want \
             that, run the command above"
        ));
    }
    if arguments.yes || arguments.file.dry_run {
        return Ok(request);
    }
    if json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return refused("there is no terminal to ask at. Run the command above, or add --yes");
    }
    if confirmed(&command) { Ok(request) } else { Err(failed(json, NO, "nothing was written", json!({}))) }
}

/// Of all that is kept; what was let through or what an upstream blocks is not one.
fn last_block(socket: &Path) -> Result<Option<Block>, String> {
    let text = |error: ClientError| error.to_string();
    let command = Command::Blocked { since_seconds: None, follow: false, all: false, repeats: false };
    let _waiting = waiting_for(DAEMON);
    let mut daemon = ask_at(Some(socket), &command).map_err(text)?;
    let mut last: Option<Block> = None;
    loop {
        match daemon.reply().map_err(text)? {
            Reply::Block(block) if block.category == "blocked" => {
                // Blocks come by when they were first seen; what counts is when they last were (RFC 3339 sorts as text).
                if last.as_ref().is_none_or(|last| last.last <= block.last) {
                    last = Some(*block);
                }
            }
            Reply::Block(_) => {}
            Reply::End => return Ok(last),
            Reply::Refused { message } => return Err(message),
            _ => return Err("the daemon gave another reply than was asked for".to_owned()),
        }
    }
}

fn proposal(block: &Block, own: Vec<IpAddr>) -> Result<Proposal, String> {
    let addresses: Result<Vec<_>, _> = block.addresses.iter().map(|address| address.parse()).collect();
    let name = Name::from_text(&block.name).map_err(|error| error.to_string())?;
    let addresses = addresses.map_err(|_| "the daemon does not say for which addresses".to_owned())?;
    propose(&LastBlock { name, addresses, own }).map_err(|error| error.to_string())
}

/// The command that writes the same, with all that was given besides `--last`.
fn command_for(arguments: &Allow, request: &Request) -> String {
    let mut words = vec!["stubborn".to_owned(), "allow".to_owned()];
    let mut add = |option: &str, value: &str| {
        // What cannot be pasted cannot have been typed either.
        words.extend([option.to_owned(), shell_word(value).unwrap_or_default()]);
    };
    if let Some(preset) = &request.preset {
        add("--preset", preset);
    }
    request.networks.iter().for_each(|network| add("--to", network));
    request.clients.iter().for_each(|client| add("--client", client));
    request.until.iter().for_each(|until| add("--until", until));
    request.reason.iter().for_each(|reason| add("--reason", reason));
    let files = [("--config", &arguments.file.config), ("--socket", &arguments.file.socket)];
    for (option, path) in files {
        path.as_deref().and_then(Path::to_str).into_iter().for_each(|path| add(option, path));
    }
    let exact = request.exact.then(|| "--exact".to_owned());
    let domain = (!request.domain.is_empty()).then(|| request.domain.clone());
    // Where a preset stands, the domain comes after it.
    let at = if request.preset.is_some() { 4 } else { 2 };
    words.splice(at..at, domain.into_iter().chain(exact));
    words.join(" ")
}

fn confirmed(command: &str) -> bool {
    let mut out = io::stderr().lock();
    let asked = write!(out, "{command}\nWrite this exception? [y/N] ").and_then(|()| out.flush());
    let mut answer = String::new();
    asked.is_ok() && io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
