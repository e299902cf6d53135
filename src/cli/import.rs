//! `stubborn import`: a configuration made of another program's.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::args::Import;
use super::{FINE, NO, TROUBLE, complain, progress, say_as_is, say_json};
use crate::config::Disk;
use crate::edit::write_new;
use crate::files;
use crate::import::{Imported, Left, Source, import as make};

/// The most that is read of standard input, in octets; what is longer is refused all the same.
const LONGEST: u64 = (16 << 20) + 1;

/// The most losses that are listed.
const FIRST: usize = 8;

/// Imports; exits with 1 if privacy or a server was lost and the losses were not accepted.
pub(super) fn import(arguments: &Import) -> u8 {
    let mut sources = Vec::new();
    for path in &arguments.files {
        match read(path) {
            Ok(source) => sources.push(source),
            Err(error) => {
                complain(&format!("{}: {}", path.display(), why(&error)));
                return TROUBLE;
            }
        }
    }
    let imported = match make(arguments.format, &sources, &Disk) {
        Ok(imported) => imported,
        Err(error) => {
            complain(&error.to_string());
            return TROUBLE;
        }
    };
    let code = if imported.losses.is_empty() || arguments.accept_losses { FINE } else { NO };
    if arguments.json {
        losses(&imported);
        say_json(&as_json(&imported));
        return code;
    }
    if let Some(path) = &arguments.output
        && let Err(error) = write_new(path, &imported.toml)
    {
        complain(&error.to_string());
        return TROUBLE;
    }
    losses(&imported);
    if arguments.output.is_none() {
        say_as_is(imported.toml.trim_end());
    }
    progress(&format!(
        "settings carried over: {}, not needed here: {}, not carried over: {}; the end of the file lists them with the reasons",
        imported.carried,
        imported.needless,
        imported.left.len()
    ));
    if code == NO {
        progress("The configuration was made nevertheless. To accept the losses: --accept-losses");
    }
    code
}

/// Prints the settings whose loss costs a server or privacy.
fn losses(imported: &Imported) {
    let Some(loss) = &imported.loss else { return };
    progress(loss);
    for Left { file, line, text, why, .. } in imported.losses.iter().take(FIRST) {
        progress(&format!("  {file}:{line}: {text}: {why}"));
    }
    if imported.losses.len() > FIRST {
        progress(&format!("  and {} more", imported.losses.len() - FIRST));
    }
}

fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "this user may not read the file; try it with sudo".to_owned(),
        _ => error.to_string(),
    }
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
    let one =
        |left: &Left| json!({ "file": &*left.file, "line": left.line, "text": left.text, "why": left.why });
    let list = |left: &[Left]| left.iter().map(one).collect::<Vec<_>>();
    json!({
        "toml": imported.toml,
        "carried": imported.carried,
        "needless": imported.needless,
        "left": list(&imported.left),
        "losses": list(&imported.losses),
        "loss": imported.loss,
    })
}
