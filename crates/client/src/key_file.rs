//! The key under which tokens are kept, in a file of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::Path;

use crate::entropy::random;

/// Reads the 32 bytes in that file, or makes it, readable by its owner alone.
pub(crate) fn read_or_create(path: &Path) -> io::Result<[u8; 32]> {
    match File::open(path) {
        Ok(file) => read(file),
        Err(error) if error.kind() == ErrorKind::NotFound => create(path),
        Err(error) => Err(error),
    }
}

fn read(file: File) -> io::Result<[u8; 32]> {
    check_mode(&file)?;
    let mut bytes = Vec::new();
    file.take(33).read_to_end(&mut bytes)?;
    let broken = |_| io::Error::new(ErrorKind::InvalidData, "a key file has exactly 32 bytes");
    bytes.try_into().map_err(broken)
}

/// Written beside its place and linked into it: of two processes that start at once both end up
/// with the same key, and nobody reads half of one.
fn create(path: &Path) -> io::Result<[u8; 32]> {
    let suffix = keystile_protocol::encoding::base64url(random::<9>());
    let beside = path.with_added_extension(suffix);
    let key: [u8; 32] = random();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(&key)?;
        file.sync_all()
    });
    let linked = written.and_then(|()| std::fs::hard_link(&beside, path));
    let removed = std::fs::remove_file(&beside);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(File::open(path)?),
        other => other.and(removed).map(|()| key),
    }
}

#[cfg(unix)]
pub(crate) fn check_mode(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let open_to_others = file.metadata()?.permissions().mode() & 0o077;
    if open_to_others == 0 {
        return Ok(());
    }
    let problem = "others than its owner can read this file: chmod 600 it";
    Err(io::Error::new(ErrorKind::PermissionDenied, problem))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "there is nothing to check there")]
pub(crate) fn check_mode(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_is_its_owners_alone() {
        let name = keystile_protocol::encoding::base64url(random::<9>());
        let folder = std::env::temp_dir().join(format!("keystile-client-{name}"));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("the.key");
        let first = read_or_create(&path).expect("made");
        assert_eq!(read_or_create(&path).expect("read"), first);
        assert_eq!(std::fs::read_dir(&folder).expect("listed").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
            let is = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(is & 0o777, 0o600);
            mode(0o644).expect("changed");
            assert!(read_or_create(&path).is_err(), "readable by others");
            mode(0o600).expect("changed");
        }
        std::fs::write(&path, b"short").expect("written");
        assert!(read_or_create(&path).is_err(), "not a key");
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }
}
