//! Keys in files of their own: those under which tokens are kept ([`crate::sealing_keys`]), and the
//! one that proves who the app is.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use keystile_protocol::jose::encryption::{DecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, JoseError, SigningKey};

use crate::entropy::random;
use crate::flow::{ClientKey, EncryptionKey, pem};

/// A private key in PEM, of any type that we know, fits into this, in bytes.
const PEM_AT_MOST: usize = 16 * 1024;

impl ClientKey {
    /// Reads a key in PEM from that file (see [`Self::from_pem`]), or makes one for ES256 and the
    /// file with it, readable by its owner alone. The server has to know the public half:
    /// [`crate::Client::jwks`].
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let make = || SigningKey::generate(Algorithm::ES256).map(|made| made.pkcs8);
        Self::from_pem(&pem_file(path.as_ref(), make)?).map_err(broken)
    }
}

impl EncryptionKey {
    /// Reads a key in PEM from that file (see [`Self::from_pem`]), or makes one of P-256 and the
    /// file with it, readable by its owner alone.
    pub fn from_file(path: impl AsRef<Path>) -> io::Result<Self> {
        let make = || DecryptionKey::generate(KeyType::Ec).map(|made| made.pkcs8);
        Self::from_pem(&pem_file(path.as_ref(), make)?).map_err(broken)
    }
}

fn broken(problem: JoseError) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, problem)
}

fn pem_file(path: &Path, make: impl FnOnce() -> Result<Vec<u8>, JoseError>) -> io::Result<String> {
    let make = || Ok(pem::write(&make().map_err(broken)?).into_bytes());
    let text = read_or_make(path, PEM_AT_MOST, make)?;
    String::from_utf8(text)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "a key file in PEM is text"))
}

/// Reads that file, or makes it with these bytes, readable by its owner alone.
pub(crate) fn read_or_make(
    path: &Path,
    at_most: usize,
    make: impl FnOnce() -> io::Result<Vec<u8>>,
) -> io::Result<Vec<u8>> {
    match File::open(path) {
        Ok(file) => read_open(file, at_most),
        Err(error) if error.kind() == ErrorKind::NotFound => create(path, at_most, make()?),
        Err(error) => Err(error),
    }
}

/// Reads that file, which has to be there.
pub(crate) fn read(path: &Path, at_most: usize) -> io::Result<Vec<u8>> {
    read_open(File::open(path)?, at_most)
}

fn read_open(file: File, at_most: usize) -> io::Result<Vec<u8>> {
    check_mode(&file)?;
    let mut bytes = Vec::new();
    file.take(u64::try_from(at_most).unwrap_or(u64::MAX) + 1).read_to_end(&mut bytes)?;
    if bytes.len() > at_most {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is too long for a key file"));
    }
    Ok(bytes)
}

/// Written beside its place and linked into it: of two processes that start at once both end up
/// with the same key, and nobody reads half of one.
fn create(path: &Path, at_most: usize, key: Vec<u8>) -> io::Result<Vec<u8>> {
    let (beside, written) = write_beside(path, &key);
    let linked = written.and_then(|()| std::fs::hard_link(&beside, path));
    let removed = std::fs::remove_file(&beside);
    match linked {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => read(path, at_most),
        other => other.and(removed).map(|()| key),
    }
}

/// Writes a file for its owner alone beside that place; whoever calls moves or removes it.
pub(crate) fn write_beside(path: &Path, content: &[u8]) -> (PathBuf, io::Result<()>) {
    let suffix = keystile_protocol::encoding::base64url(random::<9>());
    let beside = path.with_added_extension(suffix);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    (beside, written)
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
        let read_or_create = || read_or_make(&path, 32, || Ok(random::<32>().to_vec()));
        let first = read_or_create().expect("made");
        assert_eq!(read_or_create().expect("read"), first);
        assert_eq!(std::fs::read_dir(&folder).expect("listed").count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = |mode| std::fs::set_permissions(&path, PermissionsExt::from_mode(mode));
            let is = std::fs::metadata(&path).expect("there").permissions().mode();
            assert_eq!(is & 0o777, 0o600);
            mode(0o644).expect("changed");
            assert!(read_or_create().is_err(), "readable by others");
            mode(0o600).expect("changed");
        }
        std::fs::write(&path, [0; 33]).expect("written");
        assert!(read_or_create().is_err(), "too long");
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }

    #[test]
    fn a_key_in_pem_is_made_once_and_read_by_others() {
        let name = keystile_protocol::encoding::base64url(random::<9>());
        let folder = std::env::temp_dir().join(format!("keystile-client-{name}"));
        std::fs::create_dir(&folder).expect("a folder");
        let path = folder.join("client.pem");
        let first = ClientKey::from_file(&path).expect("made");
        assert_eq!(ClientKey::from_file(&path).expect("read"), first);
        let text = std::fs::read_to_string(&path).expect("text");
        assert!(text.lines().all(|line| line.len() <= 64), "RFC 7468 section 2");
        assert_eq!(ClientKey::from_pem(&text).expect("PEM"), first);
        let other = folder.join("reader.pem");
        let reader = EncryptionKey::from_file(&other).expect("made");
        let again = EncryptionKey::from_file(&other).expect("read");
        assert_eq!(again.public(), reader.public());
        std::fs::write(&path, [0xff; 40]).expect("written");
        assert!(ClientKey::from_file(&path).is_err(), "not text");
        std::fs::write(&path, vec![b'a'; PEM_AT_MOST + 1]).expect("written");
        assert!(ClientKey::from_file(&path).is_err(), "too long");
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }
}
