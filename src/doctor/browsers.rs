//! Browsers that ask resolvers of their own over HTTPS, past whatever resolv.conf says.

use serde_json::Value;

use crate::machine::Root;

/// A browser's profile, or a policy for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Browser {
    /// Its file.
    pub place: String,
    /// What it says of DNS over HTTPS, in its own words; `None` where it says nothing.
    pub mode: Option<String>,
    /// It uses DNS over HTTPS, or may.
    pub on: bool,
    /// A policy of the machine overrules it.
    pub overruled: bool,
}

/// Where Firefox and its kin keep profiles, below a home.
const FIREFOX: [&str; 4] = [
    ".mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
    ".librewolf",
];
/// Policies for it.
const FIREFOX_POLICIES: [&str; 5] = [
    "/etc/firefox/policies/policies.json",
    "/usr/lib/firefox/distribution/policies.json",
    "/usr/lib/firefox-esr/distribution/policies.json",
    "/usr/lib64/firefox/distribution/policies.json",
    "/opt/firefox/distribution/policies.json",
];
/// The families of Chromium: where each keeps its settings below a home, and the policies for it.
const CHROMIUM: [(&[&str], &[&str]); 5] = [
    (
        &[
            ".config/chromium",
            "snap/chromium/common/chromium",
            ".var/app/org.chromium.Chromium/config/chromium",
        ],
        &["/etc/chromium/policies/managed", "/etc/chromium-browser/policies/managed"],
    ),
    (
        &[".config/google-chrome", ".var/app/com.google.Chrome/config/google-chrome"],
        &["/etc/opt/chrome/policies/managed"],
    ),
    (&[".config/BraveSoftware/Brave-Browser"], &["/etc/brave/policies/managed"]),
    (&[".config/microsoft-edge"], &["/etc/opt/edge/policies/managed"]),
    (&[".config/vivaldi"], &[]),
];

/// All that can be read.
pub fn browsers(root: &Root) -> Vec<Browser> {
    let mut found = Vec::new();
    let homes = homes(root);
    let policies: Vec<Browser> =
        FIREFOX_POLICIES.iter().filter_map(|path| firefox_policy(root, path)).collect();
    let forbidden = policies.iter().any(|policy| !policy.on);
    found.extend(policies);
    for directory in homes.iter().flat_map(|home| FIREFOX.map(|place| format!("{home}/{place}"))) {
        for profile in root.names(&directory) {
            found.extend(firefox_profile(root, &format!("{directory}/{profile}"), forbidden));
        }
    }
    for (places, policies) in CHROMIUM {
        let files = policies.iter().flat_map(|directory| {
            root.names(directory).into_iter().map(move |name| format!("{directory}/{name}"))
        });
        let policies: Vec<Browser> = files.filter_map(|file| chromium_policy(root, file)).collect();
        let forbidden = policies.iter().any(|policy| !policy.on);
        found.extend(policies);
        let states = homes
            .iter()
            .flat_map(|home| places.iter().map(move |place| format!("{home}/{place}/Local State")));
        found.extend(states.filter_map(|file| chromium_state(root, file, forbidden)));
    }
    found.dedup();
    found
}

/// The homes of people, and root's.
fn homes(root: &Root) -> Vec<String> {
    let mut homes: Vec<String> = Vec::new();
    for line in root.text("/etc/passwd").unwrap_or_default().lines() {
        let mut fields = line.split(':').skip(2);
        let uid: Option<u32> = fields.next().and_then(|uid| uid.parse().ok());
        let home = fields.nth(2).unwrap_or_default();
        if uid.is_some_and(|uid| uid == 0 || uid >= 1000) && home.len() > 1 && homes.iter().all(|h| h != home)
        {
            homes.push(home.to_owned());
        }
    }
    homes
}

/// The modes that Firefox knows (`network.trr.mode`).
fn firefox_profile(root: &Root, profile: &str, overruled: bool) -> Option<Browser> {
    // What is in user.js is written into prefs.js at each start.
    let texts = ["user.js", "prefs.js"].map(|name| root.text(format!("{profile}/{name}")));
    if texts.iter().all(Option::is_none) {
        return None;
    }
    let mode = texts.iter().flatten().find_map(|text| preference(text, "network.trr.mode"));
    let words = mode.as_deref().map(|mode| match mode {
        "2" => "on, with resolv.conf as the way out (network.trr.mode 2)".to_owned(),
        "3" => "on, and nothing else (network.trr.mode 3)".to_owned(),
        "5" => "off (network.trr.mode 5)".to_owned(),
        other => format!("network.trr.mode {other}"),
    });
    let on = matches!(mode.as_deref(), Some("1" | "2" | "3"));
    Some(Browser { place: profile.to_owned(), mode: words, on, overruled })
}

/// `user_pref("NAME", VALUE);`, the last of them.
fn preference(text: &str, name: &str) -> Option<String> {
    let start = format!("user_pref(\"{name}\",");
    let value = text.lines().rev().find_map(|line| line.trim().strip_prefix(start.as_str()))?;
    Some(value.split(')').next()?.trim().to_owned())
}

fn json(root: &Root, path: &str) -> Option<Value> {
    serde_json::from_str(&root.text(path)?).ok()
}

fn firefox_policy(root: &Root, path: &str) -> Option<Browser> {
    let json = json(root, path)?;
    let policy = json.pointer("/policies/DNSOverHTTPS")?;
    let on = policy.get("Enabled").and_then(Value::as_bool)?;
    let locked = policy.get("Locked").and_then(Value::as_bool).unwrap_or(false);
    // Without the lock it is no more than the profile's first setting.
    if !on && !locked {
        return None;
    }
    let mode = if on { "a policy has it on" } else { "a policy has it off" };
    Some(Browser { place: path.to_owned(), mode: Some(mode.to_owned()), on, overruled: false })
}

fn chromium_policy(root: &Root, path: String) -> Option<Browser> {
    let mode = json(root, &path)?.get("DnsOverHttpsMode")?.as_str()?.to_owned();
    let on = mode != "off";
    Some(Browser { place: path, mode: Some(format!("a policy says {mode:?}")), on, overruled: false })
}

fn chromium_state(root: &Root, path: String, overruled: bool) -> Option<Browser> {
    let state = json(root, &path)?;
    let mode = state.pointer("/dns_over_https/mode").and_then(Value::as_str);
    let on = mode.is_some_and(|mode| mode != "off");
    Some(Browser { place: path, mode: mode.map(|mode| format!("{mode:?}")), on, overruled })
}
