//! `stubborn allow --last`: the exception that the last block asks for, once a person has seen it.

use std::io::{self, IsTerminal, Write};

use super::args::Allow;
use super::operate::{ask_at, no_reply, other_reply};
use super::show::visible;
use super::{NO, complain, progress, say};
use crate::control::{Block, Command, Reply};
use crate::dns::Name;
use crate::edit::{LastBlock, Request, propose};

/// What the last block asks for; nothing where that is not wanted after all, and the exit code where there is nothing.
pub(super) fn proposed(arguments: &Allow) -> Result<Option<Request>, u8> {
    let Some(block) = last_block(arguments)? else {
        complain("nothing was blocked since the daemon started");
        return Err(NO);
    };
    let request = request(&block).map_err(|why| {
        complain(&visible(&why));
        NO
    })?;
    progress(&format!(
        "{}, asked by {} at {}",
        visible(&block.text),
        visible(&block.client),
        visible(&block.last)
    ));
    let command = command_for(&request);
    if arguments.yes || arguments.file.dry_run {
        return Ok(Some(request));
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        return Ok(confirmed(&command).then_some(request));
    }
    say(&command);
    Ok(None)
}

/// Of all that is kept; what was let through or what an upstream blocks is none.
fn last_block(arguments: &Allow) -> Result<Option<Block>, u8> {
    let command = Command::Blocked { since_seconds: None, follow: false, all: false };
    let asked = ask_at(arguments.socket.as_deref(), &command);
    let mut daemon = asked.map_err(|error| no_reply(&error))?;
    let mut last: Option<Block> = None;
    loop {
        match daemon.reply() {
            Ok(Reply::Block(block)) if block.category == "blocked" => {
                // Blocks come by when they were first seen; what counts is when they last were (RFC 3339 sorts as text).
                if last.as_ref().is_none_or(|last| last.last <= block.last) {
                    last = Some(*block);
                }
            }
            Ok(Reply::Block(_)) => {}
            Ok(Reply::End) => return Ok(last),
            Ok(other) => return Err(other_reply(&other)),
            Err(error) => return Err(no_reply(&error)),
        }
    }
}

fn request(block: &Block) -> Result<Request, String> {
    let addresses: Result<Vec<_>, _> = block.addresses.iter().map(|address| address.parse()).collect();
    let name = Name::from_text(&block.name).map_err(|error| error.to_string())?;
    let client = block.client.parse().map_err(|_| "the daemon does not say who asked".to_owned())?;
    let addresses = addresses.map_err(|_| "the daemon does not say for which addresses".to_owned())?;
    propose(&LastBlock { name, addresses, client }).map_err(|error| error.to_string())
}

fn command_for(request: &Request) -> String {
    let words = match &request.preset {
        Some(preset) => format!("stubborn allow --preset {preset} {}", request.domain),
        None => format!("stubborn allow {} --exact", request.domain),
    };
    let networks = request.networks.iter().map(|network| format!(" --to {network}"));
    networks.fold(words.trim_end().to_owned(), |command, network| command + &network)
}

fn confirmed(command: &str) -> bool {
    let mut out = io::stderr().lock();
    let asked = write!(out, "{command}\nWrite this exception? [y/N] ").and_then(|()| out.flush());
    let mut answer = String::new();
    asked.is_ok() && io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
