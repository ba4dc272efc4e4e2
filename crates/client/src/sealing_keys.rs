//! The keys under which tokens and logins are kept: the first seals, all open.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use keystile_protocol::seal::{LastRead, MasterKey, MasterKeySource, MasterKeys, News};

use crate::entropy::random;
use crate::key_file;

/// The number of a key that was given without one.
pub(crate) const FIRST: u8 = 1;
/// What stands above the keys of a file.
const HEADER: &str = "\
# The keys under which this app keeps tokens and logins. The first seals, all open. Every node has
# the same. A new one goes below the others on every node, then above them; an old one can be taken
# away when no session is left that began before that.
";
/// Many keys fit into this, in bytes.
const AT_MOST: usize = 16 * 1024;
/// A file is not read again sooner, however many strangers name keys that there are not.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The keys of that file, which is made if it is not there, readable by its owner alone; they are
/// read again when one is missed, and now and then.
pub(crate) fn of_file(path: &Path) -> io::Result<MasterKeys> {
    let make = || {
        let key = MasterKey { id: FIRST, secret: random() };
        Ok(format!("{HEADER}{}\n", key.word()).into_bytes())
    };
    let keys = parse(key_file::read_or_make(path, AT_MOST, make)?)?;
    let last = Mutex::new((Instant::now(), LastRead::of(keys.clone())));
    let watched = Watched { path: path.to_owned(), last };
    Ok(MasterKeys::with_source(keys, Box::new(watched)))
}

/// The one key that there is.
pub(crate) fn only(secret: [u8; 32]) -> MasterKeys {
    MasterKeys::fixed(vec![MasterKey { id: FIRST, secret }])
}

fn parse(bytes: Vec<u8>) -> io::Result<Vec<MasterKey>> {
    // As this file was before there could be several.
    if let Ok(secret) = <[u8; 32]>::try_from(bytes.as_slice()) {
        return Ok(vec![MasterKey { id: FIRST, secret }]);
    }
    let broken = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    let text = String::from_utf8(bytes).map_err(|_| broken("it is not text".into()))?;
    MasterKey::read_all(&text).map_err(|why| broken(why.to_string()))
}

/// A file that may change.
struct Watched {
    path: PathBuf,
    /// When it was looked at, and what was read.
    last: Mutex<(Instant, LastRead)>,
}

impl MasterKeySource for Watched {
    fn reread(&self) -> Option<Vec<MasterKey>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (looked_at, last) = &mut *last;
        if looked_at.elapsed() < AGAIN_AFTER {
            return None;
        }
        *looked_at = Instant::now();
        let path = self.path.display();
        let read = key_file::read(&self.path, AT_MOST).and_then(parse);
        match last.read_again(read.map_err(|error| error.to_string())) {
            News::None => None,
            News::Keys(keys) => {
                tracing::info!(?keys, %path, "the keys of sessions have changed");
                Some(keys)
            }
            News::Trouble(error) => {
                let what = "the keys of sessions stay those that were read before";
                tracing::error!(%error, %path, "{what}");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::encoding::base64url;

    use super::*;

    fn folder() -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("keystile-keys-{}", base64url(random::<9>())));
        std::fs::create_dir(&folder).expect("a folder");
        folder
    }

    #[test]
    fn a_file_is_made_once_and_its_keys_follow_each_other_while_the_app_runs() {
        let folder = folder();
        let path = folder.join("sessions.key");
        let keys = of_file(&path).expect("made");
        let first = keys.now()[0].clone();
        assert_eq!(of_file(&path).expect("read").now()[..], keys.now()[..]);
        let again = || {
            std::thread::sleep(AGAIN_AFTER);
            keys.reread()
        };
        assert!(!again(), "it is as it was");
        let second = MasterKey { id: 2, secret: random() };
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, format!("{}\n{text}", second.word())).expect("written");
        assert!(again());
        assert_eq!(keys.now()[..], [second, first]);
        std::fs::write(&path, "2:short").expect("written");
        assert!(!again());
        std::fs::remove_file(&path).expect("gone");
        assert!(!again() && !path.exists(), "a missing file is not made while the app runs");
        assert_eq!(keys.now().len(), 2, "what was read before");
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }

    #[test]
    fn a_file_of_32_bytes_is_the_first_key_and_what_is_none_is_refused() {
        let folder = folder();
        let path = folder.join("sessions.key");
        std::fs::write(&path, [7; 32]).expect("written");
        only_for_its_owner(&path).expect("changed");
        assert_eq!(of_file(&path).expect("read").now()[..], only([7; 32]).now()[..]);
        for bytes in [&b"short"[..], &[0xff; 50], &vec![b'a'; AT_MOST + 1], b"# 1:none\n"] {
            std::fs::write(&path, bytes).expect("written");
            assert!(of_file(&path).is_err());
        }
        std::fs::remove_dir_all(&folder).expect("cleaned up");
    }

    fn only_for_its_owner(path: &Path) -> io::Result<()> {
        #[cfg(unix)]
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        Ok(())
    }
}
