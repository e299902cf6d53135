//! `stubborn blocked`: what was blocked, and what would allow it.

use std::io::{self, Write};

use super::args::Blocked;
use super::operate::{ask, no_reply, other_reply};
use super::show::{Ink, Paint, columns, number, visible, visible_json};
use super::{FINE, say, say_as_is};
use crate::control::{Block, Command, Conversation, Reply};

const COLUMNS: usize = 7;
/// Of the lines that come one by one, how wide each column is at least; longer values move what follows.
const WIDTHS: [usize; COLUMNS] = [20, 9, 15, 32, 5, 15, 0];
const CATEGORY: usize = 1;

/// Shows the blocks there are, and with `--follow` each new one.
pub(super) fn blocked(arguments: &Blocked) -> u8 {
    let command = Command::Blocked {
        since_seconds: arguments.since.map(|since| since.as_secs()),
        follow: arguments.follow,
        all: arguments.all,
    };
    let mut daemon = match ask(&arguments.daemon, &command) {
        Ok(daemon) => daemon,
        Err(error) => return no_reply(&error),
    };
    if arguments.json || arguments.follow { stream(&mut daemon, arguments.json) } else { table(&mut daemon) }
}

/// Each block as it comes; ends when nobody reads any more.
fn stream(daemon: &mut Conversation, json: bool) -> u8 {
    let paint = Paint::stdout();
    let mut out = io::stdout().lock();
    loop {
        let written = match daemon.reply() {
            Ok(Reply::Block(block)) if json => {
                writeln!(out, "{}", visible_json(&serde_json::to_string(&block).unwrap_or_default()))
            }
            Ok(Reply::Block(block)) => {
                let mut cells = cells(&block);
                for (cell, width) in cells.iter_mut().zip(WIDTHS) {
                    *cell = format!("{cell:width$}");
                }
                let lines = lines(&[*block], &[cells], paint);
                writeln!(out, "{}", lines.join("\n"))
            }
            Ok(Reply::End) => return FINE,
            Ok(other) => return other_reply(&other),
            Err(error) => return no_reply(&error),
        };
        if written.and_then(|()| out.flush()).is_err() {
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
