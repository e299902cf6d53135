//! Every key there is: the one list behind the check, the suggestions and the test of the shipped file.

/// The keys of one table.
#[derive(Debug, PartialEq, Eq)]
pub struct TableKeys {
    /// The table's name; empty for the top of the file.
    pub table: &'static str,
    /// Written `[[table]]`, any number of times.
    pub repeated: bool,
    /// Its keys.
    pub keys: &'static [&'static str],
}

impl TableKeys {
    const fn one(table: &'static str, keys: &'static [&'static str]) -> Self {
        Self { table, repeated: false, keys }
    }

    const fn many(table: &'static str, keys: &'static [&'static str]) -> Self {
        Self { table, repeated: true, keys }
    }

    /// How it is written: `[guard]`, `[[route]]`.
    pub fn heading(&self) -> String {
        match (self.table, self.repeated) {
            ("", _) => "the top of the file".into(),
            (table, false) => format!("[{table}]"),
            (table, true) => format!("[[{table}]]"),
        }
    }
}

/// The top of the main file.
pub(super) static TOP: TableKeys = TableKeys::one(
    "",
    &[
        "include",
        "server",
        "upstream",
        "guard",
        "exception",
        "route",
        "local",
        "names",
        "network",
        "cache",
        "log",
        "control",
        "metrics",
    ],
);
/// The top of an included file.
pub(super) static INCLUDED: TableKeys = TableKeys::one("", &["exception", "route", "local"]);
pub(super) static SERVER: TableKeys = TableKeys::one(
    "server",
    &[
        "listen",
        "allow-clients",
        "workers",
        "tcp-connections",
        "tcp-connections-per-client",
        "tcp-idle-timeout",
    ],
);
pub(super) static UPSTREAM: TableKeys = TableKeys::one("upstream", &["servers", "timeout"]);
pub(super) static GUARD: TableKeys = TableKeys::one(
    "guard",
    &["mode", "profile", "on-block", "block-ttl", "block", "unblock", "own-addresses", "nat64"],
);
pub(super) static EXCEPTION: TableKeys = TableKeys::many(
    "exception",
    &["domain", "preset", "exact", "networks", "address-in-name", "clients", "until", "mode", "reason"],
);
pub(super) static ROUTE: TableKeys = TableKeys::many("route", &["domain", "preset", "servers", "networks"]);
pub(super) static LOCAL: TableKeys = TableKeys::many("local", &["name", "addresses", "types"]);
pub(super) static NAMES: TableKeys =
    TableKeys::one("names", &["hosts-files", "firefox-canary", "private-relay", "designated-resolver"]);
pub(super) static NETWORK: TableKeys = TableKeys::one("network", &["home-names"]);
pub(super) static CACHE: TableKeys =
    TableKeys::one("cache", &["size", "max-ttl", "negative-max-ttl", "serve-stale", "prefetch"]);
pub(super) static LOG: TableKeys = TableKeys::one("log", &["level", "format", "queries"]);
pub(super) static CONTROL: TableKeys = TableKeys::one("control", &["socket"]);
pub(super) static METRICS: TableKeys = TableKeys::one("metrics", &["listen", "allow-clients", "hosts"]);

/// All tables, as they stand in the shipped file.
pub static TABLES: &[&TableKeys] = &[
    &TOP, &SERVER, &UPSTREAM, &GUARD, &EXCEPTION, &ROUTE, &LOCAL, &NAMES, &NETWORK, &CACHE, &LOG, &CONTROL,
    &METRICS,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_top_lists_every_table() {
        for table in TABLES.iter().filter(|table| !table.table.is_empty()) {
            assert!(TOP.keys.contains(&table.table), "{}", table.table);
            assert_eq!(INCLUDED.keys.contains(&table.table), table.repeated, "{}", table.table);
        }
        assert_eq!(TOP.keys.len(), TABLES.len());
    }
}
