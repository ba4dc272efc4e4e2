//! The master key: the secret from which all other symmetric keys come.
//!
//! It lies beside the database in a file that its owner alone can read, unless the operator gives
//! it: in a file of its own, or in the environment. Its text is a line `ID:KEY` for each key, the
//! id from 0 to 255 and the key 32 bytes in base64url or hexadecimal. The first seals, all open.

use std::path::{Path, PathBuf};

use keystile_protocol::encoding::{base64url, from_base64url};
use keystile_protocol::seal::MasterKey;

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
# Keystile's master key: without it the signing keys in the database cannot be read.
# Keep a copy where backups of the database do not lie.
";
const FORM: &str = "a master key is written ID:KEY, the id from 0 to 255 and the key 32 random \
                    bytes in base64url or hexadecimal";

/// Where the master keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the environment.
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
            Self::Environment => from_environment(),
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
}

/// The text of a file with these keys.
pub fn text(keys: &[MasterKey]) -> String {
    let lines = keys.iter().map(|key| format!("{}:{}\n", key.id, base64url(key.secret)));
    format!("{HEADER}{}", lines.collect::<String>())
}

/// Master keys from the environment, if it has them.
pub fn from_environment() -> Outcome<Option<Vec<MasterKey>>> {
    match std::env::var(VARIABLE) {
        Ok(text) => parse(&text, VARIABLE).map(Some),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => refuse(format!("{VARIABLE}: {error}")),
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
    let text = text(&[MasterKey { id: 1, secret: random() }]);
    private_file::create(path, &text)?;
    let made = from_file(path)?;
    made.ok_or_else(|| Refusal::new(format!("{} has gone again", path.display())))
}

fn parse(text: &str, origin: &str) -> Outcome<Vec<MasterKey>> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let mut keys: Vec<MasterKey> = Vec::new();
    for word in lines.flat_map(str::split_whitespace) {
        // The word itself is a secret and stays out of the message.
        let Some(key) = parse_key(word) else {
            let number = keys.len() + 1;
            return refuse(format!("{origin}: key number {number} is not one: {FORM}"));
        };
        if keys.iter().any(|other| other.id == key.id) {
            return refuse(format!("{origin}: two keys have the id {}", key.id));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return refuse(format!("{origin} holds no key: {FORM}"));
    }
    Ok(keys)
}

fn parse_key(word: &str) -> Option<MasterKey> {
    let (id, key) = word.split_once(':')?;
    let bytes = if key.len() == 64 { from_hex(key)? } else { from_base64url(key)? };
    Some(MasterKey { id: id.parse().ok()?, secret: bytes.try_into().ok()? })
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |character: &u8| char::from(*character).to_digit(16);
    let byte = |pair: &[u8]| u8::try_from(digit(&pair[0])? << 4 | digit(&pair[1])?).ok();
    text.as_bytes().chunks_exact(2).map(byte).collect()
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
    fn several_keys_in_two_spellings() {
        let hex = "ab".repeat(32);
        let text = format!("# the new one\n2:{hex}\n1:{}\n", base64url([7; 32]));
        let keys = parse(&text, "here").expect("good");
        assert_eq!(keys.iter().map(|key| key.id).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((keys[0].secret, keys[1].secret), ([0xab; 32], [7; 32]));
        let short = base64url([7; 31]);
        for bad in ["", "1:", &hex, "256:aa", &format!("1:{short}"), &format!("1:{hex} 1:{hex}")] {
            let refusal = parse(bad, "here").expect_err("refused");
            assert!(!refusal.words().contains(&hex), "the secret is not shown");
        }
    }
}
