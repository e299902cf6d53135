//! The file: what was carried over, then what was not. It is read by the configuration's own reader before it is handed out,
//! and what that refuses moves to the comments, until nothing is refused.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Item, What};
use super::{Format, Imported, Left};
use crate::config::{self, Files, printable};

/// Where the place of a setting stands, in columns, unless the line is longer.
const COLUMN: usize = 48;
/// The tables that stand once, in the order of the shipped file.
const ONCE: [&str; 6] = ["server", "upstream", "guard", "names", "cache", "log"];

pub(super) fn write(format: Format, texts: &[(Arc<str>, &str)], mut draft: Draft) -> Imported {
    loop {
        let page = Page::of(&draft.items);
        let refused = refused(&page);
        if refused.is_empty() {
            let body = page.text();
            let Draft { items, needless, mut left, remarks, .. } = draft;
            left.sort_by_key(|left| (texts.iter().position(|(name, _)| *name == left.file), left.line));
            // A setting for several domains is left once.
            left.dedup();
            let places: HashSet<_> =
                items.iter().map(|item| (&item.from.place.file, item.from.place.line)).collect();
            let mut imported =
                Imported { toml: String::new(), carried: places.len(), needless: needless.len(), left };
            imported.toml = whole(format, texts, &body, &remarks, &needless, &imported);
            return imported;
        }
        let mut number = 0;
        let mut moved = Vec::new();
        draft.items.retain(|item| {
            let why = refused.get(&number);
            moved.extend(why.map(|why| item.from.left(why.as_str())));
            number += 1;
            why.is_none()
        });
        draft.left.append(&mut moved);
    }
}

/// The items that the reader refuses, with its words.
fn refused(page: &Page<'_>) -> HashMap<usize, String> {
    let mut refused = HashMap::new();
    let Err(errors) = config::from_text(Path::new("stubborn.toml"), &page.text(), &NoFiles, 0) else {
        return refused;
    };
    for error in &errors.errors {
        let line = error.place.as_ref().and_then(|place| usize::try_from(place.line).ok()).unwrap_or(0);
        let why = match &error.help {
            Some(help) => format!("{} ({help})", error.message),
            None => error.message.clone(),
        };
        let items =
            page.lines.get(line.wrapping_sub(1)).map(|line| line.items.as_slice()).unwrap_or_default();
        refused.extend(items.iter().map(|item| (*item, why.clone())));
    }
    if refused.is_empty() {
        // An error that is nobody's: then nobody is to be trusted.
        let all = page.lines.iter().flat_map(|line| &line.items);
        refused.extend(all.map(|item| (*item, "it does not go with the rest".to_owned())));
    }
    refused
}

/// The lines with what they came from.
struct Page<'a> {
    lines: Vec<PageLine>,
    items: &'a [Item],
}

struct PageLine {
    text: String,
    /// The items that go if the line is refused.
    items: Vec<usize>,
}

impl<'a> Page<'a> {
    fn of(items: &'a [Item]) -> Self {
        let mut page = Self { lines: Vec::new(), items };
        for table in ONCE {
            page.once(table);
        }
        for (number, item) in items.iter().enumerate() {
            let line = match &item.what {
                What::Exception { domain } => format!("domain = {}", quoted(domain)),
                What::Preset { name } => format!("preset = {}", quoted(name)),
                _ => continue,
            };
            page.heading("[[exception]]", &[number]);
            page.line(line, number);
        }
        let routes = groups(items, |what| match what {
            What::Route { domain, server } => Some((domain, server)),
            _ => None,
        });
        for (domain, servers) in routes {
            page.group("route", "domain", "servers", domain, &servers);
        }
        let locals = groups(items, |what| match what {
            What::Local { name, address } => Some((name, address)),
            _ => None,
        });
        for (name, addresses) in locals {
            page.group("local", "name", "addresses", name, &addresses);
        }
        page
    }

    /// A table that stands once, where it has anything.
    fn once(&mut self, table: &'static str) {
        let mut keys: Vec<&'static str> = Vec::new();
        let mut single: HashMap<&'static str, usize> = HashMap::new();
        let mut lists: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (number, item) in self.items.iter().enumerate() {
            let key = match &item.what {
                What::Key { table: own, key, .. } if *own == table => {
                    single.insert(key, number);
                    *key
                }
                What::InList { table: own, key, .. } if *own == table => {
                    lists.entry(key).or_default().push(number);
                    *key
                }
                _ => continue,
            };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return;
        }
        self.heading(&format!("[{table}]"), &[]);
        for key in keys {
            let items = self.items;
            // A list says more than one value that would set it as a whole.
            if let Some(numbers) = lists.get(key) {
                self.list(key, numbers);
            } else if let Some(number) = single.get(key)
                && let Some(Item { what: What::Key { value, .. }, .. }) = items.get(*number)
            {
                self.line(format!("{key} = {value}"), *number);
            }
        }
    }

    fn list(&mut self, key: &str, numbers: &[usize]) {
        if let [number] = numbers {
            return self.line(format!("{key} = [{}]", self.listed(*number)), *number);
        }
        self.lines.push(PageLine { text: format!("{key} = ["), items: numbers.to_vec() });
        for number in numbers {
            self.line(format!("    {},", self.listed(*number)), *number);
        }
        self.lines.push(PageLine { text: "]".into(), items: Vec::new() });
    }

    /// The item's value within a list.
    fn listed(&self, number: usize) -> String {
        let value = self.items.get(number).map(|item| match &item.what {
            What::InList { value, .. } => value.as_str(),
            What::Route { server, .. } => server,
            What::Local { address, .. } => address,
            What::Key { .. } | What::Exception { .. } | What::Preset { .. } => "",
        });
        quoted(value.unwrap_or_default())
    }

    fn group(&mut self, table: &str, key: &str, list: &str, name: &str, numbers: &[usize]) {
        self.heading(&format!("[[{table}]]"), numbers);
        self.lines.push(PageLine { text: format!("{key} = {}", quoted(name)), items: numbers.to_vec() });
        self.list(list, numbers);
    }

    fn heading(&mut self, heading: &str, numbers: &[usize]) {
        self.lines.push(PageLine { text: String::new(), items: Vec::new() });
        self.lines.push(PageLine { text: heading.into(), items: numbers.to_vec() });
    }

    /// A line of one setting, with its place.
    fn line(&mut self, text: String, number: usize) {
        let place = self.items.get(number).map(|item| &item.from.place);
        let place = place.map(|place| format!("{}:{}", printable(&place.file), place.line));
        let text = format!("{text:COLUMN$} # {}", place.unwrap_or_default());
        self.lines.push(PageLine { text, items: vec![number] });
    }

    fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }
}

/// Items by a name that several share, in the order of the first of each.
fn groups<'a>(
    items: &'a [Item],
    parts: impl Fn(&'a What) -> Option<(&'a String, &'a String)>,
) -> Vec<(&'a str, Vec<usize>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let Some((name, _)) = parts(&item.what) else { continue };
        let place = *places.entry(name.as_str()).or_insert_with(|| {
            groups.push((name.as_str(), Vec::new()));
            groups.len() - 1
        });
        if let Some((_, numbers)) = groups.get_mut(place) {
            numbers.push(number);
        }
    }
    groups
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn whole(
    format: Format,
    texts: &[(Arc<str>, &str)],
    body: &str,
    remarks: &[&str],
    needless: &[Left],
    imported: &Imported,
) -> String {
    let names: Vec<String> = texts.iter().map(|(name, _)| printable(name)).collect();
    let mut file = format!(
        "# Made by `stubborn import {}` of {}.\n\
         # {} settings were carried over, {} need nothing here, {} were left: they stand at the end, with the reason.\n\
         # Read it before it is used, and try it: `stubborn check --config FILE` and `stubborn audit --config FILE`.\n",
        format.name(),
        names.join(", "),
        imported.carried,
        imported.needless,
        imported.left.len(),
    );
    for remark in remarks {
        file.push_str(&format!("#\n# {remark}\n"));
    }
    file.push_str(body);
    comments(&mut file, "Left, and why:", &imported.left);
    comments(&mut file, "Needs nothing here:", needless);
    file
}

fn comments(file: &mut String, title: &str, left: &[Left]) {
    if left.is_empty() {
        return;
    }
    file.push_str(&format!("\n# {title}\n#\n"));
    for Left { file: name, line, text, why } in left {
        let (name, text, why) = (printable(name), printable(text), printable(why));
        file.push_str(&format!("# {name}:{line}: {text}\n#     {why}\n"));
    }
}

/// What is made names no files that would be read with it.
struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}
