//! The file: what was carried over, then what was not. It is read by the configuration's own reader before it is handed out,
//! and what that refuses moves to the comments, until nothing is refused.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::draft::{Draft, Item, Setting, Trust, What};
use super::spelling::{encrypted, is_plain};
use super::{Format, Imported, Loss, report};
use crate::config::{self, Files, domain_name, printable};
use crate::dns::Name;
use crate::policy::special_domain;

/// Where the place of a setting stands, in columns, unless the line is longer.
const COLUMN: usize = 48;
/// The tables that stand once, in the order of the shipped file.
const ONCE: [&str; 6] = ["server", "upstream", "guard", "names", "cache", "log"];

/// Stands above servers that replace lost ones.
const FALLS_BACK: &str = "# In place of servers that could not be carried over: those of /etc/resolv.conf, asked in plain DNS. Write your own here.";

/// The networks of a trusted route.
const NETWORKS: &str = r#"["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"]"#;

pub(super) fn write(format: Format, texts: &[(Arc<str>, &str)], mut draft: Draft) -> Imported {
    let mut asked = Asked::of(&draft);
    for (from, domain) in std::mem::take(&mut draft.orphans) {
        asked.stand_in(&mut draft, &from, domain.as_deref());
    }
    loop {
        let page = Page::of(&draft);
        let refused = refused(&page);
        if refused.is_empty() {
            let body = page.text();
            let by_place =
                |left: &super::Left| (texts.iter().position(|(name, _)| *name == left.file), left.line);
            for list in [&mut draft.left, &mut draft.losses, &mut draft.needless] {
                list.sort_by_key(by_place);
                // A setting for several domains is left once.
                list.dedup();
            }
            let given = draft.trust.values().filter_map(|trust| match trust {
                Trust::Given(place) => Some(place),
                Trust::Unfiltered | Trust::Withheld(_) => None,
            });
            let carried = draft.items.iter().map(|item| &item.from.place).chain(given);
            let places: HashSet<_> = carried.map(|place| (&place.file, place.line)).collect();
            // No other program has this word: it replaces servers that were lost.
            let falls_back =
                draft.servers().all(|(_, server)| server == "system") && draft.servers().next().is_some();
            let mut imported = Imported {
                loss: report::loss(&draft.losses, falls_back),
                toml: String::new(),
                carried: places.len(),
                needless: draft.needless.len(),
                left: draft.left,
                losses: draft.losses,
            };
            imported.toml = report::whole(format, texts, &body, &draft.remarks, &draft.needless, &imported);
            return imported;
        }
        remove(&mut draft, &refused);
    }
}

/// Moves what was refused to what is left. A route without a server stays, so that its names do not go to the default servers.
fn remove(draft: &mut Draft, refused: &HashMap<usize, String>) {
    let mut number = 0;
    let mut moved = Vec::new();
    draft.items.retain(|item| {
        let why = refused.get(&number);
        moved.extend(why.map(|why| (item.clone(), item.from.left(why.as_str()))));
        number += 1;
        why.is_none()
    });
    let mut asked = Asked::of(draft);
    for (item, left) in moved {
        let (server, domain) = match &item.what {
            What::InList { table: "upstream", key: "servers", value } => (value, None),
            What::Route { domain, server } if is_domain(domain) => (server, Some(domain.as_str())),
            _ => {
                draft.left.push(left);
                continue;
            }
        };
        match encrypted(server) {
            Some(how) => {
                let why = format!("it is a server for {how}: stubborn asks in plain DNS only");
                draft.lost(&item.from, Loss::Privacy, why);
            }
            None => draft.lost(&item.from, Loss::Server, left.why),
        }
        asked.stand_in(draft, &item.from, domain);
    }
}

/// Who is asked.
struct Asked {
    /// Some server is, for all names.
    has_server: bool,
    /// The domains with a route.
    routed: HashSet<String>,
}

impl Asked {
    fn of(draft: &Draft) -> Self {
        Self {
            has_server: draft.servers().next().is_some(),
            routed: draft.items.iter().filter_map(|item| routed(item).cloned()).collect(),
        }
    }

    /// Says who is asked where a server was lost and no other is left: for all names the servers of the system, for a domain
    /// nobody, so that its names do not go to strangers.
    fn stand_in(&mut self, draft: &mut Draft, from: &Setting, domain: Option<&str>) {
        match domain {
            None if !self.has_server => {
                self.has_server = true;
                draft.list(from, "upstream", "servers", "system");
            }
            None => {}
            Some(domain) if self.routed.insert(domain.to_owned()) => {
                draft.stranded.insert(domain.to_owned());
                draft.keep(from, domain);
            }
            Some(_) => {}
        }
    }
}

fn routed(item: &Item) -> Option<&String> {
    match &item.what {
        What::Route { domain, .. } | What::Kept { domain } => Some(domain),
        _ => None,
    }
}

/// Whether a route can be for this domain.
fn is_domain(domain: &str) -> bool {
    let is_loopback = |name: &Name| {
        special_domain(name.as_ref()).is_some_and(|special| special.name.to_string() == "localhost")
    };
    is_plain(domain)
        && domain_name(domain).is_ok_and(|name| name.as_ref().label_count() > 0 && !is_loopback(&name))
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
    draft: &'a Draft,
}

struct PageLine {
    text: String,
    /// The items that go if the line is refused.
    items: Vec<usize>,
}

impl<'a> Page<'a> {
    fn of(draft: &'a Draft) -> Self {
        let items = draft.items.as_slice();
        let mut page = Self { lines: Vec::new(), items, draft };
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
            What::Route { domain, .. } | What::Kept { domain } => Some(domain),
            _ => None,
        });
        for (domain, servers) in routes {
            page.route(domain, &servers);
        }
        let locals = groups(items, |what| match what {
            What::Local { name, .. } => Some(name),
            _ => None,
        });
        for (name, addresses) in locals {
            page.group("local", "name", name, &addresses);
            page.list("addresses", &addresses);
            if draft.whole.contains(name) {
                page.add("types = \"all\"", &addresses);
            }
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
                if table == "upstream" && key == "servers" && self.falls_back(numbers) {
                    self.add(FALLS_BACK, &[]);
                }
                self.list(key, numbers);
            } else if let Some(number) = single.get(key)
                && let Some(Item { what: What::Key { value, .. }, .. }) = items.get(*number)
            {
                self.line(format!("{key} = {value}"), *number);
            }
        }
    }

    /// No other program has this word: it stands for servers that were lost.
    fn falls_back(&self, numbers: &[usize]) -> bool {
        let mut items = numbers.iter().filter_map(|number| self.items.get(*number));
        items.any(|item| matches!(&item.what, What::InList { value, .. } if value == "system"))
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
            What::Key { .. } | What::Exception { .. } | What::Preset { .. } | What::Kept { .. } => "",
        });
        quoted(value.unwrap_or_default())
    }

    /// A route: its servers, and the inside addresses its names may have.
    fn route(&mut self, domain: &str, numbers: &[usize]) {
        self.group("route", "domain", domain, numbers);
        let is_kept = |number: &usize| {
            self.items.get(*number).is_some_and(|item| matches!(item.what, What::Kept { .. }))
        };
        if let Some(kept) = numbers.iter().copied().find(is_kept) {
            if self.draft.stranded.contains(domain) {
                self.add(
                    "# Its server could not be carried over: nobody is asked until you name one here.",
                    &[],
                );
            }
            return self.line("servers = []".to_owned(), kept);
        }
        self.list("servers", numbers);
        match self.draft.trust.get(domain) {
            Some(Trust::Given(place)) => {
                self.add(
                    &format!(
                        "# {}:{} lets its names have inside addresses.",
                        printable(&place.file),
                        place.line
                    ),
                    &[],
                );
                self.add(&format!("networks = {NETWORKS}"), numbers);
            }
            Some(Trust::Unfiltered) => self.add(&format!("networks = {NETWORKS}"), numbers),
            Some(Trust::Withheld(why)) => {
                if !why.is_empty() {
                    self.add(&format!("# {why}"), &[]);
                }
                self.add("networks = []", numbers);
            }
            None => {}
        }
    }

    fn group(&mut self, table: &str, key: &str, name: &str, numbers: &[usize]) {
        self.heading(&format!("[[{table}]]"), numbers);
        self.add(&format!("{key} = {}", quoted(name)), numbers);
    }

    /// Adds a line that belongs to these items.
    fn add(&mut self, text: &str, numbers: &[usize]) {
        self.lines.push(PageLine { text: text.to_owned(), items: numbers.to_vec() });
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
    name: impl Fn(&'a What) -> Option<&'a String>,
) -> Vec<(&'a str, Vec<usize>)> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
    for (number, item) in items.iter().enumerate() {
        let Some(name) = name(&item.what) else { continue };
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
