//! A file with secrets in it, which nobody but its owner reads.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key_file::{check_mode, write_beside};

/// A longer file is not read, in bytes.
const AT_MOST: u64 = 1024 * 1024;

/// What stands in the file: the form's name and number, and what was kept.
#[derive(Serialize, Deserialize)]
struct Kept<T> {
    format: String,
    value: T,
}

/// Writes it whole or not at all: beside its place first, and then into it.
pub(crate) fn write<T: Serialize>(path: &Path, format: &str, value: &T) -> io::Result<()> {
    let text = serde_json::to_vec_pretty(&Kept { format: format.to_owned(), value })?;
    let (beside, written) = write_beside(path, &text);
    written.and_then(|()| std::fs::rename(&beside, path)).inspect_err(|_| {
        let _ = std::fs::remove_file(&beside);
    })
}

/// Reads it; nothing where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, format: &str) -> io::Result<Option<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    check_mode(&file)?;
    let mut text = Vec::new();
    file.take(AT_MOST).read_to_end(&mut text)?;
    // serde's message could quote a secret: it is dropped.
    let broken = || io::Error::new(ErrorKind::InvalidData, "it is not what was written there");
    let kept: Kept<T> = serde_json::from_slice(&text).map_err(|_| broken())?;
    if kept.format == format { Ok(Some(kept.value)) } else { Err(broken()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::random;

    #[test]
    fn what_is_kept_is_its_owners_alone_and_whole() {
        let name = keystile_protocol::encoding::base64url(random::<9>());
        let folder = std::env::temp_dir().join(format!("keystile-client-{name}"));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("grant.json");
        assert_eq!(read::<String>(&path, "a-1").expect("nothing there"), None);
        for value in ["first", "second"] {
            write(&path, "a-1", &value).expect("written");
            assert_eq!(read::<String>(&path, "a-1").expect("read").as_deref(), Some(value));
        }
        assert_eq!(std::fs::read_dir(&folder).expect("listed").count(), 1, "nothing beside it");
        assert!(read::<String>(&path, "a-2").is_err(), "another form");
        std::fs::write(&path, b"\"half").expect("written");
        let error = read::<String>(&path, "a-1").expect_err("broken").to_string();
        assert!(!error.contains("half"), "{error}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            write(&path, "a-1", &"x").expect("written");
            let mode = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("changed");
            assert!(read::<String>(&path, "a-1").is_err(), "readable by others");
        }
        assert!(write(&folder.join("no/such/folder"), "a-1", &"x").is_err());
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }
}
