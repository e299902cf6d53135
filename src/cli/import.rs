//! `stubborn import`: a configuration made of another program's.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Import;
use super::{FINE, NO, TROUBLE, complain, progress, say_as_is, say_json};
use crate::edit::write_new;
use crate::files;
use crate::import::{Imported, Source, import as make};

/// The most that is read of standard input, in octets; what is longer is refused all the same.
const LONGEST: u64 = (16 << 20) + 1;

/// Makes it; the answer is no where a file is not of that format.
pub(super) fn import(arguments: &Import) -> u8 {
    let mut sources = Vec::new();
    for path in &arguments.files {
        match read(path) {
            Ok(source) => sources.push(source),
            Err(error) => {
                complain(&format!("{}: {error}", path.display()));
                return TROUBLE;
            }
        }
    }
    let imported = match make(arguments.format, &sources) {
        Ok(imported) => imported,
        Err(error) => {
            complain(&error.to_string());
            return NO;
        }
    };
    if arguments.json {
        say_json(&as_json(&imported));
        return FINE;
    }
    match &arguments.output {
        None => say_as_is(imported.toml.trim_end()),
        Some(path) => {
            if let Err(error) = write_new(path, &imported.toml) {
                complain(&error.to_string());
                return TROUBLE;
            }
        }
    }
    progress(&format!(
        "{} settings carried over, {} need nothing here, {} left: they stand at the end, with the reason",
        imported.carried,
        imported.needless,
        imported.left.len()
    ));
    FINE
}

fn read(path: &Path) -> io::Result<Source> {
    if path == Path::new("-") {
        let mut octets = Vec::new();
        io::stdin().lock().take(LONGEST).read_to_end(&mut octets)?;
        return Ok(Source { name: Arc::from("standard input"), octets });
    }
    Ok(Source { name: path.display().to_string().into(), octets: files::read_once(path, LONGEST)? })
}

fn as_json(imported: &Imported) -> Value {
    let left = imported
        .left
        .iter()
        .map(|left| json!({ "file": &*left.file, "line": left.line, "text": left.text, "why": left.why }));
    json!({
        "toml": imported.toml,
        "carried": imported.carried,
        "needless": imported.needless,
        "left": left.collect::<Vec<_>>(),
    })
}
