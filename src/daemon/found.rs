//! How a command finds this daemon and its file: what the command in a block's hint needs besides the name and the addresses.
//!
//! A command looks for the socket of the configuration at the default path, and asks the daemon there for its file. So no
//! argument is needed as long as this daemon answers there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::Source;
use crate::config;
use crate::control::{self, DEFAULT_SOCKET};

/// The sockets at which a command without arguments looks for a daemon.
pub(super) fn default_sockets() -> Vec<PathBuf> {
    // A configuration with errors is ignored, as the commands do.
    let configured = config::load(None).ok().and_then(|loaded| loaded.config.control.socket);
    control::places(&configured.unwrap_or_else(|| PathBuf::from(DEFAULT_SOCKET)))
}

/// The arguments with a space in front, if any are needed. `open` is the socket that could be made. `changes_user`: the
/// daemon gives root up, so root writes to its file without a name only if nobody else can have put it there.
pub(super) fn arguments(
    source: &Source,
    open: Option<&Path>,
    defaults: &[PathBuf],
    changes_user: bool,
) -> Option<Arc<str>> {
    let file = source.file();
    let doubtful = |file: &PathBuf| changes_user && !control::is_given_to(file, 0);
    if let Some(file) = file.as_ref().filter(|file| open.is_none() || doubtful(file)) {
        return if file == Path::new(config::DEFAULT_PATH) { None } else { argument("--config", file) };
    }
    let open = open.filter(|open| !defaults.iter().any(|default| default == open))?;
    argument("--socket", open)
}

/// An argument as it is pasted into a shell, with a space in front; `None` if the path has characters that cannot be pasted.
pub fn argument(option: &str, path: &Path) -> Option<Arc<str>> {
    Some(format!(" {option} {}", shell_word(path.to_str()?)?).into())
}

/// The text as one word of a shell; `None` if it has characters that cannot be pasted.
pub fn shell_word(text: &str) -> Option<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%,=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Some(text.to_owned());
    }
    (config::printable(text) == text).then(|| format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_needs_no_argument_if_the_daemon_answers_where_it_looks() {
        let default = PathBuf::from("/run/stubborn/control.sock");
        let session = PathBuf::from("/run/user/7/stubborn/control.sock");
        let defaults = [default.clone(), session.clone()];
        let other = PathBuf::from("/srv/a b/c.sock");
        let file = Some("/srv/my.toml");
        for (config, open, changes_user, expected) in [
            (None, Some(&default), false, None),
            (file, Some(&default), false, None),
            (file, Some(&session), false, None),
            (file, Some(&other), false, Some(" --socket '/srv/a b/c.sock'")),
            (None, Some(&other), false, Some(" --socket '/srv/a b/c.sock'")),
            (file, None, false, Some(" --config /srv/my.toml")),
            (Some(config::DEFAULT_PATH), None, false, None),
            (None, None, false, None),
            (None, Some(&default), true, None),
            (Some("/tmp/my.toml"), Some(&default), true, Some(" --config /tmp/my.toml")),
        ] {
            let source = Source { config: config.map(PathBuf::from), ..Source::default() };
            let found = arguments(&source, open.map(PathBuf::as_path), &defaults, changes_user);
            assert_eq!(found.as_deref(), expected, "{config:?} {open:?} {changes_user}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for (text, expected) in [
            ("/etc/stubborn.toml", Some("/etc/stubborn.toml")),
            ("/a b", Some("'/a b'")),
            ("/it's", Some(r"'/it'\''s'")),
            ("/$(reboot)", Some("'/$(reboot)'")),
            ("", Some("''")),
            ("/a\nb", None),
            ("/a\u{1b}[2J", None),
            ("/a\u{202e}b", None),
        ] {
            assert_eq!(shell_word(text).as_deref(), expected, "{text:?}");
        }
    }
}
