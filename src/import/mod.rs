//! What other programs' configurations say about rebinding, forwards and local names, as a configuration of this one.
//!
//! ```text
//! dnsmasq, unbound, uci, adguardhome   one file for each format: what a setting comes to
//! yaml                                 a tree with line numbers, for adguardhome
//! draft                                what was carried over, and what was not
//! write                                the file, which is always one that `check` accepts
//! ```
//!
//! Nothing is dropped silently: each setting is carried over, or needs nothing here, or stands in the file as a comment with
//! its place and the reason. What the configuration's own reader refuses becomes such a comment, in the reader's words.

mod adguardhome;
mod dnsmasq;
mod draft;
mod tables;
mod uci;
mod unbound;
mod write;
mod yaml;

use std::sync::Arc;

use draft::Draft;

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
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Dnsmasq, Self::Unbound, Self::Uci, Self::AdGuardHome];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dnsmasq => "dnsmasq",
            Self::Unbound => "unbound",
            Self::Uci => "uci",
            Self::AdGuardHome => "adguardhome",
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
    /// Why not.
    pub why: String,
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
    /// It is no YAML.
    #[error("{file}:{line}:{column}: {why}")]
    Yaml {
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
    #[error(
        "{file}:{line}: not a setting of {format}, and nothing else in the file is: is it another program's?"
    )]
    Foreign {
        /// The file.
        file: Arc<str>,
        /// The first line that is none.
        line: usize,
        /// The format's name.
        format: &'static str,
    },
}

/// Makes a configuration of files of one format, read as one.
///
/// # Errors
/// See [`ImportError`].
pub fn import(format: Format, sources: &[Source]) -> Result<Imported, ImportError> {
    let mut draft = Draft::default();
    let mut texts = Vec::new();
    for source in sources {
        texts.push((Arc::clone(&source.name), text(source)?));
    }
    match format {
        Format::Dnsmasq => dnsmasq::read(&texts, &mut draft),
        Format::Unbound => unbound::read(&texts, &mut draft),
        Format::Uci => uci::read(&texts, &mut draft),
        Format::AdGuardHome => adguardhome::read(&texts, &mut draft)?,
    }
    if let Some(place) = draft.is_foreign() {
        return Err(ImportError::Foreign { file: place.file, line: place.line, format: format.name() });
    }
    draft.settle();
    Ok(write::write(format, &texts, draft))
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
