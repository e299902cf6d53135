//! What other programs' configurations say about rebinding, forwards and local names, as a configuration of this one.
//!
//! ```text
//! dnsmasq, unbound, uci, pihole, …     one file for each format: what a setting becomes
//! tree, yaml, toml_tree                values within values, with their lines
//! spelling                             how others write names, networks and servers
//! draft                                what was carried over, and what was not
//! settle                               what is only known after everything was read: trust, aliases, names nobody is asked for
//! write                                the file, which is always one that `check` accepts
//! report                               its head, and the comments at its end
//! foreign                              files that are not of the format they are read as
//! ```
//!
//! Nothing is dropped silently: each setting is carried over, or needs nothing here, or stands in the file as a comment with
//! its place and the reason. What the configuration's own reader refuses becomes such a comment, in the reader's words.

mod adguardhome;
mod blocky;
mod dnscrypt;
mod dnsmasq;
mod draft;
mod foreign;
mod named;
mod pihole;
mod report;
mod rules;
mod settle;
mod smartdns;
mod spelling;
mod tables;
mod toml_tree;
mod tree;
mod uci;
mod unbound;
mod write;
mod yaml;

use std::sync::Arc;

use draft::Draft;

use crate::config::Files;

/// The longest file that is read, in octets.
const LONGEST: usize = 16 << 20;

/// Whose configuration it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// dnsmasq.conf
    Dnsmasq,
    /// unbound.conf
    Unbound,
    /// OpenWrt's /etc/config/dhcp
    Uci,
    /// AdGuardHome.yaml
    AdGuardHome,
    /// pihole.toml
    PiHole,
    /// blocky's config.yml
    Blocky,
    /// dnscrypt-proxy.toml
    DnscryptProxy,
    /// smartdns.conf
    SmartDns,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 8] = [
        Self::Dnsmasq,
        Self::Unbound,
        Self::Uci,
        Self::AdGuardHome,
        Self::PiHole,
        Self::Blocky,
        Self::DnscryptProxy,
        Self::SmartDns,
    ];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Unbound => "unbound",
            Self::Uci => "uci",
            Self::AdGuardHome => "adguardhome",
            Self::PiHole => "pihole",
            Self::Blocky => "blocky",
            Self::DnscryptProxy => "dnscrypt-proxy",
            Self::SmartDns => "smartdns",
        }
    }
}

/// A file to be read.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name, for comments and errors.
    pub name: Arc<str>,
    /// What it holds.
    pub octets: Vec<u8>,
}

/// A configuration made of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration file, which `check` accepts.
    pub toml: String,
    /// How many settings were carried over.
    pub carried: usize,
    /// How many need nothing here.
    pub needless: usize,
    /// What was not carried over.
    pub left: Vec<Left>,
    /// The part of it that costs privacy or a server.
    pub losses: Vec<Left>,
    /// The losses in one line, if there are any.
    pub loss: Option<String>,
}

/// A setting that was not carried over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The file.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: usize,
    /// The setting.
    pub text: String,
    /// What similar settings have in common, such as `address`.
    pub kind: String,
    /// Why not.
    pub why: String,
    /// What that costs.
    pub loss: Option<Loss>,
}

/// What a setting costs that was not carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Queries were encrypted, or hidden from somebody who sees them now.
    Privacy,
    /// Clients could ask over an encrypted connection.
    Service,
    /// A server is not asked any more.
    Server,
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// It is not text.
    #[error("{file}:{line}: not UTF-8")]
    NotText {
        /// The file.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// It is too long.
    #[error("{0}: longer than 16 MiB")]
    TooLong(Arc<str>),
    /// It is not YAML or TOML.
    #[error("{file}:{line}:{column}: {why}")]
    Syntax {
        /// The file.
        file: Arc<str>,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong.
        why: String,
    },
    /// There is nothing in it that the format has.
    #[error("{file}:{line}: not a setting of {format}, and neither is most of the file: {meant}")]
    Foreign {
        /// The file.
        file: Arc<str>,
        /// The first line that is none.
        line: usize,
        /// The format's name.
        format: &'static str,
        /// What the file is instead.
        meant: String,
    },
    /// There is no setting at all.
    #[error("{file}: nothing to import: it has no settings, only empty lines or comments")]
    Nothing {
        /// The first file.
        file: Arc<str>,
    },
}

fn hint(meant: Format, file: &str) -> String {
    format!("it looks like a file of {0}; try `stubborn import {0} {file}`", meant.name())
}

/// Makes a configuration of files of one format, read as one. `files` has the hosts files that they name.
///
/// # Errors
/// See [`ImportError`].
pub fn import(format: Format, sources: &[Source], files: &dyn Files) -> Result<Imported, ImportError> {
    let mut texts = Vec::new();
    for source in sources {
        texts.push((Arc::clone(&source.name), text(source)?));
    }
    for text in &texts {
        judge(format, text, files)?;
    }
    let mut draft = read(format, &texts, files)?;
    if let (0, 0) = draft.fit() {
        return Err(ImportError::Nothing {
            file: sources.first().map_or("".into(), |source| Arc::clone(&source.name)),
        });
    }
    settle::settle(&mut draft);
    Ok(write::write(format, &texts, draft))
}

/// Refuses a file of another format, also where it is one of several.
fn judge(format: Format, text: &(Arc<str>, &str), files: &dyn Files) -> Result<(), ImportError> {
    let read_as = |format| read(format, std::slice::from_ref(text), files);
    let guess = || {
        // The format that most of the file belongs to.
        let others = Format::ALL.into_iter().filter(|other| *other != format);
        let fits = others.filter_map(|other| Some((other, read_as(other).ok()?.fit())));
        let fitting = fits.filter(|(_, (known, unknown))| known > unknown);
        let meant = fitting.max_by_key(|(_, (known, _))| *known).map(|(other, _)| other);
        foreign::guess(meant, &text.0, text.1)
    };
    let draft = read_as(format).map_err(|error| match (error, guess()) {
        (ImportError::Syntax { file, line, column, why }, Some(meant)) => {
            ImportError::Syntax { file, line, column, why: format!("{why} (or {meant})") }
        }
        (error, _) => error,
    })?;
    let (known, unknown) = draft.fit();
    match draft.first_unknown().filter(|_| unknown > known) {
        Some(place) => Err(ImportError::Foreign {
            file: place.file,
            line: place.line,
            format: format.name(),
            meant: guess()
                .unwrap_or_else(|| "it belongs to another program, or is not a configuration".to_owned()),
        }),
        None => Ok(()),
    }
}

fn read(format: Format, texts: &[(Arc<str>, &str)], files: &dyn Files) -> Result<Draft, ImportError> {
    let mut draft = Draft::default();
    match format {
        Format::Dnsmasq => dnsmasq::read(texts, files, &mut draft),
        Format::Unbound => unbound::read(texts, &mut draft),
        Format::Uci => uci::read(texts, files, &mut draft),
        Format::AdGuardHome => adguardhome::read(texts, files, &mut draft)?,
        Format::PiHole => pihole::read(texts, files, &mut draft)?,
        Format::Blocky => blocky::read(texts, &mut draft)?,
        Format::DnscryptProxy => dnscrypt::read(texts, files, &mut draft)?,
        Format::SmartDns => smartdns::read(texts, &mut draft),
    }
    Ok(draft)
}

fn text(source: &Source) -> Result<&str, ImportError> {
    if source.octets.len() > LONGEST {
        return Err(ImportError::TooLong(Arc::clone(&source.name)));
    }
    std::str::from_utf8(&source.octets).map(|text| text.strip_prefix('\u{feff}').unwrap_or(text)).map_err(
        |error| {
            let before = source.octets.get(..error.valid_up_to()).unwrap_or_default();
            let line = before.iter().filter(|&&octet| octet == b'\n').count() + 1;
            ImportError::NotText { file: Arc::clone(&source.name), line }
        },
    )
}
