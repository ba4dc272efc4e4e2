//! The master keys: the secrets from which all other symmetric keys come.
//!
//! They lie beside the database in a file that its owner alone can read, unless the operator gives
//! them: in a file of its own, or in the environment. The text is a line `ID:KEY` for each key, the
//! id from 0 to 255 and the key 32 bytes in base64url or hexadecimal. The first seals, all open.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keystile_protocol::seal::{LastRead, MasterKey, MasterKeySource, MasterKeys, News};

use crate::entropy::random;
use crate::private_file;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::settings::Settings;

/// The environment variable that holds master keys, instead of a file.
pub const VARIABLE: &str = "KEYSTILE_MASTER_KEY";
/// The file beside the database.
pub const FILE_NAME: &str = "master.key";

/// What stands above the keys.
const HEADER: &str = "\
# Keystile's master keys: without them the signing keys in the database cannot be read.
# Keep a copy where backups of the database do not lie. The first seals, all open.
";
/// A file is not read again sooner, however many strangers name keys that there are not.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Where the master keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the environment: they stay as they are until the program starts anew.
    Environment,
    /// In a file that the operator named.
    Given(PathBuf),
    /// In the file beside the database.
    Beside(PathBuf),
}

impl Origin {
    /// What the operator chose. The environment counts more than a file.
    pub fn of(settings: &Settings) -> Self {
        match &settings.master_key_file {
            _ if std::env::var_os(VARIABLE).is_some() => Self::Environment,
            Some(path) => Self::Given(path.clone()),
            None => Self::Beside(settings.data_folder.join(FILE_NAME)),
        }
    }

    /// The keys. Nothing if there is no file beside the database.
    pub fn read(&self) -> Outcome<Option<Vec<MasterKey>>> {
        match self {
            Self::Environment => match std::env::var(VARIABLE) {
                Ok(text) => parse(&text, VARIABLE).map(Some),
                Err(error) => refuse(format!("{VARIABLE}: {error}")),
            },
            Self::Beside(path) => from_file(path),
            Self::Given(path) => match from_file(path)? {
                None => refuse(format!("there is no master key file {}", path.display())),
                keys => Ok(keys),
            },
        }
    }

    /// The file, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Environment => None,
            Self::Given(path) | Self::Beside(path) => Some(path),
        }
    }

    /// Keys to work with. Those of a file are read again when it changes.
    pub fn masters(&self, keys: Vec<MasterKey>) -> Arc<MasterKeys> {
        Arc::new(match self.path() {
            None => MasterKeys::fixed(keys),
            Some(path) => {
                let watched = Watched::new(path.to_owned(), keys.clone());
                MasterKeys::with_source(keys, Box::new(watched))
            }
        })
    }
}

/// A file of master keys that may change.
struct Watched {
    path: PathBuf,
    /// When it was looked at, and what was read.
    last: Mutex<(Instant, LastRead)>,
}

impl Watched {
    fn new(path: PathBuf, keys: Vec<MasterKey>) -> Self {
        Self { path, last: Mutex::new((Instant::now(), LastRead::of(keys))) }
    }
}

impl MasterKeySource for Watched {
    fn reread(&self) -> Option<Vec<MasterKey>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let (looked_at, last) = &mut *last;
        if looked_at.elapsed() < AGAIN_AFTER {
            return None;
        }
        *looked_at = Instant::now();
        let read = from_file(&self.path).and_then(|keys| {
            keys.ok_or_else(|| Refusal::new(format!("there is no {}", self.path.display())))
        });
        match last.read_again(read.map_err(|problem| problem.words().to_owned())) {
            News::None => None,
            News::Keys(keys) => {
                tracing::info!(keys = ?keys, "the master keys have changed");
                Some(keys)
            }
            News::Trouble(problem) => {
                tracing::error!("the master keys stay those that were read before: {problem}");
                None
            }
        }
    }
}

/// Master keys from a file. Nothing if there is no such file.
pub fn from_file(path: &Path) -> Outcome<Option<Vec<MasterKey>>> {
    match private_file::read(path)? {
        Some(text) => parse(&text, &path.display().to_string()).map(Some),
        None => Ok(None),
    }
}

/// Makes a file with a new master key.
pub fn make_file(path: &Path) -> Outcome<Vec<MasterKey>> {
    private_file::create(path, &text(&[new_key(1)]))?;
    let made = from_file(path)?;
    made.ok_or_else(|| Refusal::new(format!("{} has gone again", path.display())))
}

/// Replaces what is in the file.
pub fn write_file(path: &Path, keys: &[MasterKey]) -> Outcome {
    private_file::replace(path, &text(keys))
}

/// Of several commands one at a time changes the file, for as long as it holds this.
pub fn lock(path: &Path) -> Outcome<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&name);
    let locked = opened.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| Refusal::new(format!("cannot lock {}: {error}", name.display())))
}

/// A new key of that id.
pub fn new_key(id: u8) -> MasterKey {
    MasterKey { id, secret: random::<32>() }
}

/// The text of a file with these keys.
pub fn text(keys: &[MasterKey]) -> String {
    let mut text = HEADER.to_owned();
    for key in keys {
        let _ = writeln!(text, "{}", key.word());
    }
    text
}

fn parse(text: &str, origin: &str) -> Outcome<Vec<MasterKey>> {
    MasterKey::read_all(text).map_err(|why| Refusal::new(format!("{origin}: {why}")))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::settings::testing::Folder;

    #[test]
    fn a_file_is_made_once_for_its_owner_alone() {
        let folder = Folder::new();
        let path = folder.join(FILE_NAME);
        assert!(from_file(&path).expect("no error").is_none());
        let first = make_file(&path).expect("made");
        let again = make_file(&path).expect("left alone");
        assert_eq!(first[0].secret, again[0].secret);
        let mode = std::fs::metadata(&path).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let files = std::fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "no temporary file stays");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_with_the_command_that_mends_it() {
        let folder = Folder::new();
        let path = folder.join(FILE_NAME);
        make_file(&path).expect("made");
        for mode in [0o644, 0o640, 0o602] {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("changed");
            let refusal = from_file(&path).expect_err("refused");
            let command = format!("chmod 600 {}", path.display());
            assert!(refusal.words().contains(&command), "{}", refusal.words());
        }
    }

    #[test]
    fn a_text_is_read_as_it_is_written_and_a_bad_one_refused_by_its_name() {
        let keys = [new_key(2), new_key(1)];
        assert_eq!(parse(&text(&keys), "here").expect("good"), keys);
        let refusal = parse("1:short", "here").expect_err("refused");
        assert!(refusal.words().starts_with("here: key number 1"), "{}", refusal.words());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_refused_with_its_name() {
        let folder = Folder::new();
        let path = folder.join(FILE_NAME);
        let refused = || from_file(&path).expect_err("refused").words().to_owned();
        std::fs::create_dir(&path).expect("a folder in its place");
        assert!(refused().contains(FILE_NAME), "{}", refused());
        std::fs::remove_dir(&path).expect("gone");
        write_file(&path, &[]).expect("written");
        std::fs::write(&path, [0xff; 40]).expect("written");
        assert!(refused().contains(FILE_NAME), "{}", refused());
        std::fs::write(&path, "1:".repeat(40_000)).expect("written");
        assert!(refused().contains("too large"), "{}", refused());
    }

    #[test]
    fn finding_5_a_file_that_changes_is_read_again_and_a_bad_one_changes_nothing() {
        let folder = Folder::new();
        let path = folder.join(FILE_NAME);
        let first = make_file(&path).expect("made");
        let masters = Origin::Beside(path.clone()).masters(first.clone());
        let again = || {
            std::thread::sleep(AGAIN_AFTER);
            masters.reread()
        };
        assert!(!again(), "it is as it was");
        let both = [new_key(2), first[0].clone()];
        write_file(&path, &both).expect("written");
        assert!(again());
        assert_eq!(masters.now()[..], both);
        std::fs::write(&path, "2:short").expect("written");
        assert!(!again());
        std::fs::remove_file(&path).expect("gone");
        assert!(!again());
        make_file(&path).expect("made");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("changed");
        assert!(!again());
        assert_eq!(masters.now()[..], both, "what was read before");
    }
}
