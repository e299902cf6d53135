//! `stubborn man` and `stubborn completions`: made of the one definition of the commands, and of the shipped file.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use super::args::{Arguments, Completions, ManPage};
use super::{FINE, NO, TROUBLE, complain, progress, say_as_is};
use crate::config::{DEFAULT_PATH, Paragraph, TEMPLATE, TableReference, reference};

/// The section of commands for those who run the machine.
const COMMANDS: &str = "8";
/// The page of the configuration file.
const FILE_PAGE: &str = "stubborn.toml";

/// A man page.
struct Page {
    /// Its file's name, such as `stubborn-allow.8`.
    file: String,
    text: String,
}

/// Prints one page, or writes all of them.
pub(super) fn man(arguments: &ManPage) -> u8 {
    let pages = match pages() {
        Ok(pages) => pages,
        Err(error) => {
            complain(&error.to_string());
            return TROUBLE;
        }
    };
    if let Some(directory) = &arguments.directory {
        return match write_all(&pages, directory) {
            Ok(()) => {
                progress(&format!("{} pages written to {}", pages.len(), directory.display()));
                FINE
            }
            Err(error) => {
                complain(&format!("{}: {error}", directory.display()));
                TROUBLE
            }
        };
    }
    let name = match arguments.page.join("-").as_str() {
        "" => "stubborn".to_owned(),
        FILE_PAGE => FILE_PAGE.to_owned(),
        command => format!("stubborn-{command}"),
    };
    match pages.iter().find(|page| page.file.rsplit_once('.').is_some_and(|(stem, _)| stem == name)) {
        Some(page) => {
            say_as_is(page.text.trim_end());
            FINE
        }
        None => {
            let names: Vec<&str> =
                pages.iter().filter_map(|page| page.file.rsplit_once('.')).map(|(stem, _)| stem).collect();
            complain(&format!("there is no page {name}; there are {}", names.join(", ")));
            NO
        }
    }
}

fn write_all(pages: &[Page], directory: &Path) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    pages.iter().try_for_each(|page| std::fs::write(directory.join(&page.file), &page.text))
}

/// Prints the completions of a shell.
pub(super) fn completions(arguments: &Completions) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "stubborn", &mut script);
    say_as_is(String::from_utf8_lossy(&script).trim_end());
    FINE
}

/// Every page there is.
fn pages() -> io::Result<Vec<Page>> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    of_command(&command, &mut pages)?;
    pages.push(Page { file: format!("{FILE_PAGE}.5"), text: of_file() });
    Ok(pages)
}

fn of_command(command: &Command, pages: &mut Vec<Page>) -> io::Result<()> {
    let man = Man::new(command.clone()).section(COMMANDS).source(version()).manual("stubborn");
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let mut roff = Roff::new();
    if let Some(after) = command.get_after_help() {
        examples(&mut roff, &after.to_string());
    }
    roff.control("SH", ["FILES"]);
    roff.text([italic(DEFAULT_PATH)]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("stubborn"), roman("(8), "), bold(FILE_PAGE), roman("(5)")]);
    roff.to_writer(&mut text)?;
    let text = without_second_preamble(&String::from_utf8_lossy(&text));
    pages.push(Page { file: man.get_filename(), text });
    command.get_subcommands().try_for_each(|command| of_command(command, pages))
}

/// Each part of a page defines the same macros again.
fn without_second_preamble(text: &str) -> String {
    let preamble = Roff::new().render();
    match text.split_once(&preamble) {
        Some((before, after)) if !preamble.is_empty() => {
            format!("{before}{preamble}{}", after.replace(&preamble, ""))
        }
        _ => text.to_owned(),
    }
}

/// What stands after the options in a help text: examples, which are left as they are, and exit codes.
fn examples(roff: &mut Roff, text: &str) {
    for block in text.split("\n\n") {
        if let Some(lines) = block.strip_prefix("Examples:\n") {
            roff.control("SH", ["EXAMPLES"]);
            verbatim(roff, lines.lines().map(str::trim));
        } else if let Some(codes) = block.strip_prefix("Exit codes: ") {
            roff.control("SH", ["EXIT STATUS"]);
            roff.text([roman(codes.replace('\n', " "))]);
        } else {
            roff.control("SH", ["NOTES"]);
            roff.text([roman(block.replace('\n', " "))]);
        }
    }
}

fn verbatim<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("nf", []);
    lines.for_each(|line| {
        roff.text([bold(line)]);
    });
    roff.control("fi", []);
}

/// stubborn.toml(5)
fn of_file() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["stubborn.toml", "5", "", &version(), "stubborn"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("stubborn.toml - the configuration of stubborn")]);
    roff.control("SH", ["DESCRIPTION"]);
    for table in reference() {
        if table.heading.is_empty() {
            paragraphs(&mut roff, introduction());
            paragraphs(&mut roff, DESCRIPTION.iter().copied());
            roff.control("SH", ["THE TOP OF THE FILE"]);
        } else {
            roff.control("SH", [table.heading.as_str()]);
        }
        keys(&mut roff, &table);
    }
    roff.control("SH", ["FILES"]);
    roff.text([italic(DEFAULT_PATH)]);
    roff.control("SH", ["SEE ALSO"]);
    roff.text([
        bold("stubborn"),
        roman("(8), "),
        bold("stubborn-check"),
        roman("(8), "),
        bold("stubborn-config-template"),
        roman("(8)"),
    ]);
    roff.render()
}

fn version() -> String {
    format!("stubborn {}", env!("CARGO_PKG_VERSION"))
}

const DESCRIPTION: &[&str] = &[
    "The file is TOML. Durations are written 500ms, 10s, 2m, 1h30m, 1d; sizes 64KiB, 16MiB, 1GiB; both in quotes. Tables in \
     double brackets may stand any number of times.",
    "Unknown keys are errors. `stubborn check` shows every error with its line and what would be right.",
];

/// The first paragraph of the shipped file after its title.
fn introduction() -> impl Iterator<Item = &'static str> {
    let lines = TEMPLATE.lines().skip_while(|line| *line != "#").skip(1);
    lines.take_while(|line| *line != "#").map(|line| line.trim_start_matches("# "))
}

fn paragraphs<'a>(roff: &mut Roff, lines: impl Iterator<Item = &'a str>) {
    roff.control("PP", []);
    lines.for_each(|line| {
        roff.text([roman(line)]);
    });
}

fn keys(roff: &mut Roff, table: &TableReference) {
    if !table.heading.is_empty() {
        about(roff, &table.about);
    }
    for key in &table.keys {
        roff.control("TP", []);
        let mut title: Vec<Inline> = vec![bold(key.name.as_str())];
        if !key.kind.is_empty() {
            title.push(roman(format!(" ({})", key.kind)));
        }
        roff.text(title);
        about(roff, &key.about);
        let word = if key.is_default { "Default: " } else { "Example: " };
        roff.control("br", []);
        roff.text([roman(word), bold(key.line.as_str())]);
    }
}

fn about(roff: &mut Roff, about: &[Paragraph]) {
    for (index, paragraph) in about.iter().enumerate() {
        match paragraph {
            Paragraph::Text(text) => {
                if index > 0 {
                    roff.control("br", []);
                }
                roff.text([roman(text.as_str())]);
            }
            Paragraph::Line(line) => {
                roff.control("br", []);
                roff.text([roman(line.trim_start())]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_of_its_own() {
        let pages = pages().unwrap();
        let files: Vec<&str> = pages.iter().map(|page| page.file.as_str()).collect();
        for file in
            ["stubborn.8", "stubborn-run.8", "stubborn-allow.8", "stubborn-config-show.8", "stubborn.toml.5"]
        {
            assert!(files.contains(&file), "{file} is not among {files:?}");
        }
        for page in &pages {
            assert!(page.text.contains(".TH") && page.text.contains(".SH NAME"), "{}", page.file);
            assert_eq!(page.text.matches(".ie \\n(.g .ds Aq").count(), 1, "{}", page.file);
        }
    }

    #[test]
    fn every_command_teaches_by_an_example() {
        let mut command = Arguments::command().disable_help_subcommand(true);
        command.build();
        for command in command.get_subcommands().filter(|command| !command.has_subcommands()) {
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            assert!(after.contains(&format!("stubborn {name}")), "{name} has no example");
        }
    }
}
