//! `[[exception]]`: leave for one domain to answer with inside addresses.

use std::ops::Range;

use ipnet::IpNet;
use toml::de::DeValue;

use super::error::{Wrong, quoted};
use super::table::{Table, Value};
use super::width::{self, Narrowing};
use super::{doubts, routes, values};
use crate::dns::Name;
use crate::policy::{self, Exception, ExceptionMode, PRESETS, Preset, Scope, Shape};

const MODES: &[(&str, ExceptionMode)] =
    &[("allow", ExceptionMode::Allow), ("monitor", ExceptionMode::Monitor)];

/// Reads one `[[exception]]`; `now` in Unix seconds tells whether its time is over.
pub(super) fn read(table: &Table<'_>, now: i64) -> Vec<Exception> {
    let mut exceptions = match table.get("preset") {
        Some(preset) => of_preset(table, &preset),
        None => of_domain(table).into_iter().collect(),
    };
    let networks = networks(table);
    let clients = clients(table);
    let until = until(table, now);
    let mode = table.text("mode", values::choice("mode of an exception", MODES));
    let reason = table.text("reason", reason);
    for exception in &mut exceptions {
        if let Some(networks) = &networks {
            exception.networks.clone_from(networks);
        }
        if let Some(clients) = &clients {
            exception.clients.clone_from(clients);
        }
        exception.until = until;
        exception.mode = mode.unwrap_or_default();
        exception.reason.clone_from(&reason);
    }
    exceptions
}

fn of_domain(table: &Table<'_>) -> Option<Exception> {
    let exact = table.flag("exact").unwrap_or(false);
    let address_in_name = table.flag("address-in-name").unwrap_or(false);
    let Some(value) = table.get("domain") else {
        table.missing("domain", "write the name that may answer with inside addresses, or a preset");
        return None;
    };
    if value.is_list() {
        value.wrong(
            Wrong::new("this must be one domain, not a list").help("write an [[exception]] for each domain"),
        );
        return None;
    }
    let narrowing = Narrowing { exact, address_in_name };
    Some(Exception {
        domain: value.text(|text| own_domain(text, narrowing))?,
        exact,
        networks: policy::default_networks(),
        shape: if address_in_name { Shape::AddressInName } else { Shape::Any },
        clients: Vec::new(),
        until: None,
        mode: ExceptionMode::Allow,
        reason: None,
        preset: None,
        origin: table.origin(),
    })
}

fn of_preset(table: &Table<'_>, value: &Value<'_>) -> Vec<Exception> {
    for key in ["exact", "address-in-name"] {
        if let Some(value) = table.get(key) {
            value.wrong(
                Wrong::new("a preset decides this itself")
                    .help("leave it out, or write a domain in place of the preset"),
            );
        }
    }
    let Some(preset) = value.text(known_preset) else {
        return Vec::new();
    };
    let Some(domain) = table.get("domain") else {
        if preset.scope == Scope::OwnName {
            let help = format!("others have names below {} too: write your own", preset.domains.join(", "));
            table.missing("domain", &help);
        }
        return preset.exceptions(&table.origin());
    };
    let own = domains(&domain, preset);
    own.into_iter().map(|name| preset.exception(name, table.origin())).collect()
}

/// The domains a preset is narrowed to, or the zones it is to hold.
fn domains(value: &Value<'_>, preset: &'static Preset) -> Vec<Name> {
    let one = |text: &str| match preset.scope {
        Scope::List => own_domain(text, Narrowing { exact: false, address_in_name: false }),
        Scope::Whole | Scope::OwnName => below(text, preset),
    };
    if !value.is_list() {
        return value.text(one).into_iter().collect();
    }
    let items = value.items().unwrap_or_default();
    if items.is_empty() {
        value.wrong(Wrong::new("this list is empty").help("leave it out for the preset's own domains"));
    }
    items.iter().filter_map(|item| item.text(one)).collect()
}

/// A name of one's own among those the preset is for.
fn below(text: &str, preset: &Preset) -> Result<Name, Wrong> {
    let name = values::domain(text)?;
    let inside = |domain: &Name| {
        name.as_ref().is_within(domain.as_ref()) && (name != *domain || preset.scope == Scope::Whole)
    };
    if preset.domains.iter().any(|domain| Name::from_text(domain).is_ok_and(|domain| inside(&domain))) {
        return Ok(name);
    }
    let domains = preset.domains.join(" or ");
    if preset.scope == Scope::OwnName && preset.domains.contains(&text) {
        return Err(Wrong::new(format!("others have names below {} too", quoted(text)))
            .help(format!("write your own, such as \"my-device.{text}\"")));
    }
    Err(Wrong::new(format!("{} is not below {domains}", quoted(text)))
        .help(format!("the preset \"{}\" is for names below {domains} only", preset.name)))
}

fn own_domain(text: &str, narrowing: Narrowing) -> Result<Name, Wrong> {
    let name = values::domain(text)?;
    width::refuse_wide_domain(&name, narrowing)?;
    Ok(name)
}

fn known_preset(text: &str) -> Result<&'static Preset, Wrong> {
    if routes::preset(text).is_some() {
        return Err(Wrong::new(format!("{} is a preset of [[route]]", quoted(text)))
            .help("its names have a server of their own: move it to a [[route]]"));
    }
    let names = PRESETS.iter().map(|preset| preset.name);
    policy::preset(text).ok_or_else(|| values::unknown_word(text, "preset", names))
}

fn networks(table: &Table<'_>) -> Option<Vec<IpNet>> {
    let help = "leave it out for RFC 1918 and unique-local addresses";
    let networks = table.list("networks", help, values::network).map(plain)?;
    doubt_networks(table, &networks);
    Some(networks)
}

/// Warns of networks that are hardly meant.
pub(super) fn doubt_networks(table: &Table<'_>, networks: &[IpNet]) {
    if let Some((value, wrong)) = table.get("networks").zip(doubts::allowed(networks)) {
        value.warn(wrong);
    }
}

fn clients(table: &Table<'_>) -> Option<Vec<IpNet>> {
    table.list("clients", "leave it out for every client", values::network).map(plain)
}

fn plain<T>(items: Vec<(T, Range<usize>)>) -> Vec<T> {
    items.into_iter().map(|(item, _)| item).collect()
}

/// A moment as Unix seconds.
fn until(table: &Table<'_>, now: i64) -> Option<i64> {
    let value = table.get("until")?;
    let moment = value.read(|value| match value {
        DeValue::Datetime(moment) => match (moment.date, moment.time, moment.offset) {
            (Some(_), Some(_), Some(_)) => {
                let seconds = moment.to_string().parse::<jiff::Timestamp>().map(jiff::Timestamp::as_second);
                seconds.map_err(|_| Wrong::new(format!("{moment} is not a moment in time")))
            }
            (Some(date), Some(time), None) => {
                Err(Wrong::new(format!("{moment} does not say in which time zone"))
                    .help(format!("add Z for UTC or an offset: {date}T{time}Z")))
            }
            (Some(date), None, _) => Err(Wrong::new(format!("{date} is a day, not a moment"))
                .help(format!("add a time and Z for UTC or an offset: {date}T00:00:00Z"))),
            _ => {
                Err(Wrong::new(format!("{moment} has no date")).help("write a moment: 2027-01-31T00:00:00Z"))
            }
        },
        DeValue::String(text) => Err(Wrong::new("this must be a moment, not text").help(
            if text.parse::<jiff::Timestamp>().is_ok() {
                format!("leave the quotes out: {text}")
            } else {
                "write it without quotes: 2027-01-31T00:00:00Z".into()
            },
        )),
        _ => Err(Wrong::new("this must be a moment").help("write 2027-01-31T00:00:00Z, without quotes")),
    })?;
    if moment <= now {
        value.warn(
            Wrong::new("this moment is over, so the exception no longer holds")
                .help("remove it, or set a later moment"),
        );
    }
    Some(moment)
}

fn reason(text: &str) -> Result<String, Wrong> {
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("a reason is one line of plain text")
            .help("leave out line breaks and control characters"));
    }
    Ok(text.to_owned())
}
