//! Files for their owner alone.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::refusal::{Outcome, Refusal, refuse};

const OWNER_ALONE: u32 = 0o600;
/// Secrets are short.
const AT_MOST: u64 = 64 * 1024;

/// Reads a secret file, or says which command takes it out of others' reach. Nothing if there is
/// none.
pub fn read(path: &Path) -> Outcome<Option<String>> {
    let failed =
        |error: io::Error| Refusal::new(format!("cannot read {}: {error}", path.display()));
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(failed)?,
    };
    let about = file.metadata().map_err(failed)?;
    let mode = about.mode();
    if mode & 0o077 != 0 {
        return refuse(format!(
            "{path} is a secret, and others than its owner can get at it (its mode is {mode:03o}). \
             Mend it with: chmod 600 {path}",
            path = path.display(),
            mode = mode & 0o777,
        ));
    }
    if about.len() > AT_MOST {
        return refuse(format!("{} is too large for a secret", path.display()));
    }
    let mut text = String::new();
    file.take(AT_MOST).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text))
}

/// Makes a secret file, whole or not at all. If another process made one meanwhile, that one
/// stays; read it afterwards.
pub fn create(path: &Path, text: &str) -> Outcome {
    let temporary = write_beside(path, text)?;
    let linked = std::fs::hard_link(&temporary, path);
    let _ = std::fs::remove_file(&temporary);
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(cannot_write(path, error))
        }
        _ => sync_folder(path),
    }
}

/// Makes a secret file or replaces it.
pub fn replace(path: &Path, text: &str) -> Outcome {
    let temporary = write_beside(path, text)?;
    std::fs::rename(&temporary, path).map_err(|error| cannot_write(path, error))?;
    sync_folder(path)
}

fn write_beside(path: &Path, text: &str) -> Outcome<std::path::PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = path.with_file_name(name);
    let written = || {
        let _ = std::fs::remove_file(&temporary);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(OWNER_ALONE).open(&temporary)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(|error| cannot_write(path, error))?;
    Ok(temporary)
}

fn sync_folder(path: &Path) -> Outcome {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: io::Error) -> Refusal {
    Refusal::new(format!("cannot write {}: {error}", path.display()))
}
