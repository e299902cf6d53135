//! Becoming another user once the ports are bound, for good.

use std::fs;
use std::io;
use std::path::Path;

use super::socket_place;
use super::system::{become_user, may_be_root};

/// Why the daemon does not become another user.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// No such user or group.
    #[error("`--user {given}`: {what}")]
    Unknown {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        what: String,
    },
    /// The system does not allow it.
    #[error("cannot become the user {given}: {source}; only root can change the user; leave `--user` out")]
    NotAllowed {
        /// As it was given.
        given: String,
        /// What the system said.
        source: io::Error,
    },
    /// Root's rights could be had again.
    #[error("the user {given} could become root again, so nothing was given up")]
    NotGivenUp {
        /// As it was given.
        given: String,
    },
}

/// The user to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    given: String,
    uid: u32,
    gid: u32,
}

impl User {
    /// Finds `NAME` or `NAME:GROUP` in the files of this machine; either may be a number.
    ///
    /// # Errors
    /// There is none, or it is root.
    pub(super) fn find(given: &str) -> Result<Self, PrivilegesError> {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        find(given, &read("/etc/passwd"), &read("/etc/group"))
            .map_err(|what| PrivilegesError::Unknown { given: given.to_owned(), what })
    }

    /// Prepares the directory of the control socket for this user.
    pub(super) fn make_place(&self, socket: &Path) {
        socket_place::prepare(socket, self.uid, self.gid);
    }

    /// Becomes this user with its group and no other, and sees that there is no way back. To be called before a thread
    /// is started that serves anybody.
    ///
    /// # Errors
    /// It is not allowed, or there is a way back.
    pub(super) fn assume(&self) -> Result<(), PrivilegesError> {
        let given = self.given.clone();
        if let Err(source) = become_user(self.uid, self.gid) {
            return Err(PrivilegesError::NotAllowed { given, source });
        }
        if may_be_root() {
            return Err(PrivilegesError::NotGivenUp { given });
        }
        Ok(())
    }

    /// Says that this was done.
    pub(super) fn tell(&self) {
        tracing::info!(
            user = self.given,
            "root's rights are given up: a reload can read what this user may read, and bind no port below 1024"
        );
    }
}

fn find(given: &str, passwd: &str, groups: &str) -> Result<User, String> {
    let (name, group) = match given.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (given, None),
    };
    let row = row(passwd, name, 2);
    let uid = number(row.as_deref(), 2).or_else(|| name.parse().ok());
    let uid = uid.ok_or_else(|| format!("there is no user {name}"))?;
    let gid = match group {
        None => number(row.as_deref(), 3).ok_or_else(|| format!("which group? Say {name}:GROUP"))?,
        Some(group) => number(self::row(groups, group, 2).as_deref(), 2)
            .or_else(|| group.parse().ok())
            .ok_or_else(|| format!("there is no group {group}"))?,
    };
    if uid == 0 || gid == 0 {
        return Err("that is root, who has nothing to give up".to_owned());
    }
    Ok(User { given: given.to_owned(), uid, gid })
}

/// The row of that name, else that with this number in the field `id`.
fn row<'a>(file: &'a str, name: &str, id: usize) -> Option<Vec<&'a str>> {
    let rows = || file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let named = rows().find(|row| row.first() == Some(&name));
    named.or_else(|| rows().find(|row| row.get(id) == Some(&name)))
}

fn number(row: Option<&[&str]>, field: usize) -> Option<u32> {
    row?.get(field)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\ndns:x:71:72:DNS:/:/bin/false\n77:x:78:79::/:/bin/false\n";
    const GROUPS: &str = "root:x:0:\ndns:x:72:\nstubborn:x:73:someone\n";

    #[test]
    fn a_user_is_found_by_name_and_by_number() {
        for (given, expected) in [
            ("dns", Ok((71, 72))),
            ("71", Ok((71, 72))),
            ("dns:stubborn", Ok((71, 73))),
            ("dns:74", Ok((71, 74))),
            ("500:500", Ok((500, 500))),
            // A name goes before a number.
            ("77", Ok((78, 79))),
            ("500", Err("which group? Say 500:GROUP")),
            ("nobody-at-all", Err("there is no user nobody-at-all")),
            ("", Err("there is no user ")),
            ("dns:", Err("there is no group ")),
            ("dns:wheel", Err("there is no group wheel")),
            ("root", Err("that is root, who has nothing to give up")),
            ("0:72", Err("that is root, who has nothing to give up")),
            ("dns:root", Err("that is root, who has nothing to give up")),
        ] {
            let found = find(given, PASSWD, GROUPS).map(|user| (user.uid, user.gid));
            assert_eq!(found, expected.map_err(str::to_owned), "{given}");
        }
    }
}
