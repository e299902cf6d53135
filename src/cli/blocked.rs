//! `stubborn blocked`: what was blocked, and what would allow it.

use std::io;

use jiff::Timestamp;

use super::args::{Blocked, DaemonArguments};
use super::operate::{DAEMON, ask, no_reply, other_reply, reply};
use super::output::{is_lost, waiting_for};
use super::show::{Ink, Paint, columns, number, visible};
use super::{FINE, TROUBLE, complain, progress, say, say_as_is, say_json};
use crate::control::{Block, ClientError, Command, Conversation, Reply};

const COLUMNS: usize = 7;
/// Of the lines that come one by one, how wide each column is at least; longer values move what follows.
const WIDTHS: [usize; COLUMNS] = [20, 9, 15, 32, 5, 15, 0];
const CATEGORY: usize = 1;

/// How far back the daemon is asked for blocks when only new ones are wanted, in seconds: what happens while the command
/// connects is not lost.
const CONNECTING: u64 = 60;

/// Shows the blocks so far, or with `--follow` those from now on.
pub(super) fn blocked(arguments: &Blocked) -> u8 {
    let since = arguments.since.map(|since| since.as_secs());
    let start = only_new(arguments).then(|| format!("{:.6}", Timestamp::now()));
    let command = Command::Blocked {
        since_seconds: since.or(start.as_ref().map(|_| CONNECTING)),
        follow: arguments.follow,
        all: arguments.all,
        repeats: arguments.follow,
    };
    // Blocks may be long in coming, but a daemon that hangs is found out soon.
    if arguments.follow
        && let Err(error) = reply(&arguments.daemon, &Command::Status)
    {
        return no_reply(&error);
    }
    let waiting = waiting_for(DAEMON);
    let mut daemon = match ask(&arguments.daemon, &command) {
        Ok(daemon) => daemon,
        Err(error) => return no_reply(&error),
    };
    if arguments.follow {
        drop(waiting);
        follow(&mut daemon, arguments, start)
    } else if arguments.json {
        list(&mut daemon)
    } else {
        table(&mut daemon)
    }
}

fn only_new(arguments: &Blocked) -> bool {
    arguments.follow && arguments.since.is_none()
}

/// Each block as it happens, and again when it repeats; ends when nobody reads any more. Blocks before the moment `start` are
/// not shown.
fn follow(daemon: &mut Conversation, arguments: &Blocked, mut start: Option<String>) -> u8 {
    if start.is_some() && !arguments.json {
        progress("showing what is blocked from now on; with `--since 1h`, earlier blocks too");
    }
    let paint = Paint::stdout();
    loop {
        if !daemon.wait(&io::stdout()).unwrap_or(true) || is_lost() {
            return FINE;
        }
        let block = match daemon.reply() {
            Ok(Reply::Block(block)) => block,
            Ok(Reply::End) => return FINE,
            Ok(other) => return other_reply(&other),
            Err(ClientError::Closed { .. }) => return ended(&arguments.daemon),
            Err(error) => return no_reply(&error),
        };
        // Moments in this form sort as text. The clock may be set back later, so only the first block is compared.
        if start.as_ref().is_some_and(|start| block.last < *start) {
            continue;
        }
        start = None;
        if arguments.json {
            say_json(&block);
        } else {
            say_as_is(&as_it_happens(&block, paint).join("\n"));
        }
    }
}

/// The line of a block that stands by itself, with the time when it was last seen.
fn as_it_happens(block: &Block, paint: Paint) -> Vec<String> {
    let latest = Block { time: block.last.clone(), ..block.clone() };
    let mut cells = cells(&latest);
    for (cell, width) in cells.iter_mut().zip(WIDTHS) {
        *cell = format!("{cell:width$}");
    }
    lines(&[latest], &[cells], paint)
}

/// Says why no more blocks come.
fn ended(daemon: &DaemonArguments) -> u8 {
    complain(match reply(daemon, &Command::Status) {
        Ok(_) => {
            "the daemon closed the connection: it was started again, or its blocks were not read in time"
        }
        Err(_) => "the daemon stopped, so no more blocks are shown",
    });
    TROUBLE
}

/// All blocks, an object a line.
fn list(daemon: &mut Conversation) -> u8 {
    loop {
        match daemon.reply() {
            Ok(Reply::Block(block)) => say_json(&block),
            Ok(Reply::End) => return FINE,
            Ok(other) => return other_reply(&other),
            Err(error) => return no_reply(&error),
        }
        if is_lost() {
            return FINE;
        }
    }
}

/// All blocks, their columns under each other.
fn table(daemon: &mut Conversation) -> u8 {
    let mut blocks = Vec::new();
    loop {
        match daemon.reply() {
            Ok(Reply::Block(block)) => blocks.push(*block),
            Ok(Reply::End) => break,
            Ok(other) => return other_reply(&other),
            Err(error) => return no_reply(&error),
        }
    }
    if blocks.is_empty() {
        say("nothing was blocked");
    } else {
        let cells: Vec<_> = blocks.iter().map(cells).collect();
        say_as_is(&lines(&blocks, &cells, Paint::stdout()).join("\n"));
    }
    FINE
}

fn cells(block: &Block) -> [String; COLUMNS] {
    let times = if block.times > 1 { format!(" ×{}", number(block.times)) } else { String::new() };
    let more =
        if block.more > 0 { format!(" and {} more", number(block.more as u64)) } else { String::new() };
    let range = if block.range.is_empty() { String::new() } else { format!(" ({})", block.range) };
    [
        seconds(&block.time),
        block.category.clone(),
        block.client.clone(),
        block.name.clone(),
        block.r#type.clone(),
        block.address.clone(),
        format!("{}{range}{more}{times}", block.rule),
    ]
    .map(|cell| visible(&cell))
}

/// A time without the parts of a second, and with its zone.
fn seconds(time: &str) -> String {
    match time.split_once('.') {
        Some((seconds, _)) => format!("{seconds}Z"),
        None => time.to_owned(),
    }
}

/// A line for each block, and a second one that says how to allow what was removed or not looked up here.
fn lines(blocks: &[Block], cells: &[[String; COLUMNS]], paint: Paint) -> Vec<String> {
    let ink = |row: usize, column: usize, cell: String| match (column, blocks.get(row)) {
        (0, _) => paint.ink(Ink::Dim, &cell),
        (CATEGORY, Some(block)) if block.category == "blocked" => paint.ink(Ink::Red, &cell),
        (CATEGORY, _) => paint.ink(Ink::Yellow, &cell),
        (3, _) => paint.ink(Ink::Bold, &cell),
        _ => cell,
    };
    let lines = columns(cells, [false; COLUMNS], ink);
    let allow = |block: &Block| {
        let title = match block.category.as_str() {
            "blocked" => "to allow",
            "not-public" => "to answer it",
            _ => return None,
        };
        let is_there = !block.allow.is_empty();
        is_there.then(|| paint.ink(Ink::Dim, &format!("  {title}: {}", visible(&block.allow))))
    };
    lines.into_iter().zip(blocks).flat_map(|(line, block)| [Some(line), allow(block)]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, category: &str, times: u64) -> Block {
        Block {
            time: "2026-11-21T10:00:00.123456789Z".to_owned(),
            last: "2026-11-21T10:00:09Z".to_owned(),
            times,
            category: category.to_owned(),
            client: "127.0.0.1".to_owned(),
            name: name.to_owned(),
            r#type: "A".to_owned(),
            address: "192.168.1.20".to_owned(),
            range: "192.168.0.0/16".to_owned(),
            rule: "private-use".to_owned(),
            origin: "built-in".to_owned(),
            carrier: "A".to_owned(),
            more: 0,
            text: String::new(),
            allow: "[[exception]] …".to_owned(),
            addresses: Vec::new(),
        }
    }

    #[test]
    fn each_block_is_a_line_and_what_would_allow_it() {
        let blocks = [block("nas.example.org", "blocked", 12), block("evil\u{1b}[2J", "monitored", 1)];
        let cells: Vec<_> = blocks.iter().map(cells).collect();
        assert_eq!(
            lines(&blocks, &cells, Paint::none()),
            [
                "2026-11-21T10:00:00Z  blocked    127.0.0.1  nas.example.org  A  192.168.1.20  private-use (192.168.0.0/16) ×12",
                "  to allow: [[exception]] …",
                "2026-11-21T10:00:00Z  monitored  127.0.0.1  evil\\027[2J      A  192.168.1.20  private-use (192.168.0.0/16)",
            ]
        );
    }
}
