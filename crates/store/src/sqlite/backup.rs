//! A copy of a store as it is at one moment, while others read and write it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use keystile_authority::ports::{Kept, StoreError, Stored};
use keystile_authority::records::{StoredDecryptionKey, StoredKey};
use keystile_protocol::Timestamp;
use rusqlite::{Connection, ErrorCode};

use super::db::{Db, at_once};
use super::open::{OpenError, private};
use super::{Options, locks, open};
use crate::statements::{Statements, only_number, params};
use crate::{decryption_keys, keys, keys_at_rest, meta};

/// Why a store was not copied, or a copy not put in a store's place.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is nothing to copy.
    #[error("there is no {}", .0.display())]
    Missing(PathBuf),
    /// The new file's name is taken.
    #[error("{} is there already", .0.display())]
    Taken(PathBuf),
    /// It is not a file of ours.
    #[error("{} is not a Keystile store", .0.display())]
    NotAStore(PathBuf),
    /// It was a database once.
    #[error("{} is damaged: {words}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        words: String,
    },
    /// It was copied from under a server.
    #[error(
        "{path} is not whole: a part of it is in {path}-wal. Make a backup with 'keystile \
         backup', not by copying the files of a store that is open.",
        path = .0.display()
    )]
    NotWhole(PathBuf),
    /// Another process has the store open.
    #[error("{} is in use: stop the server first", .0.display())]
    InUse(PathBuf),
    /// A program of this version has not served it yet.
    #[error("{} is not up to date: bring it there with 'keystile migrate' first", .0.display())]
    Behind(PathBuf),
    /// A file could not be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// What is copied does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// SQLite does not take it.
    #[error("the copy cannot be made: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What it holds cannot be read.
    #[error("the copy cannot be read: {0}")]
    Store(#[from] StoreError),
}

impl CopyError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::File { path, error }
    }
}

/// How much of what there is in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Clients.
    pub clients: u64,
    /// Accounts.
    pub accounts: u64,
    /// Grants.
    pub grants: u64,
    /// Sessions.
    pub sessions: u64,
}

/// A whole, checked store that is not in its place yet. It is gone again if it is never put there.
#[derive(Debug)]
pub struct StoreCopy {
    draft: Draft,
    connection: Connection,
}

impl StoreCopy {
    /// Copies the store, which may be in use, to a draft beside `place`.
    pub fn of_store(store: &Path, place: &Path, options: Options) -> Result<Self, CopyError> {
        if !store.exists() {
            return Err(CopyError::Missing(store.to_owned()));
        }
        if place.exists() {
            return Err(CopyError::Taken(place.to_owned()));
        }
        let mut source = open::connect(store, options).map_err(|error| unreadable(store, error))?;
        must_be_ours(&mut source, store)?;
        let draft = Draft::beside(place)?;
        // One read of the whole file: a copy that goes on page by page begins anew at each write
        // of another process, and under load it would never end.
        source.execute("VACUUM INTO ?1", [draft.0.to_string_lossy()])?;
        Self::checked(draft, place, options)
    }

    /// Opens a draft and looks whether it is whole. `named` is the file that an error names.
    pub(super) fn checked(draft: Draft, named: &Path, options: Options) -> Result<Self, CopyError> {
        let failed = |error| unreadable(named, error);
        let mut connection = open::connect(&draft.0, options).map_err(failed)?;
        must_be_ours(&mut connection, named)?;
        let check = "PRAGMA integrity_check(1)";
        let words: String = connection.query_row(check, [], |row| row.get(0)).map_err(failed)?;
        if words != "ok" {
            return Err(CopyError::Damaged { path: named.to_owned(), words });
        }
        // A file alone, without a log beside it.
        let alone = "PRAGMA journal_mode = DELETE";
        connection.query_row(alone, [], |row| row.get::<_, String>(0)).map_err(failed)?;
        Ok(Self { draft, connection })
    }

    /// What is asked about keys needs the tables of today. `named` is the file that an error names.
    pub fn must_be_up_to_date(&mut self, named: &Path) -> Result<(), CopyError> {
        if open::plan(&mut self.connection)?.ahead.is_empty() {
            return Ok(());
        }
        Err(CopyError::Behind(named.to_owned()))
    }

    /// Brings the copy up to date, and begins a new epoch in it.
    pub(super) fn renew(&mut self, now: Timestamp) -> Result<(), CopyError> {
        open::migrate(&mut self.connection)?;
        // One transaction; a copy in which it fails is thrown away.
        self.connection.execute_batch("BEGIN")?;
        at_once(meta::begin_epoch(&mut Db::new(&mut self.connection), now))?;
        self.connection.execute_batch("COMMIT")?;
        Ok(())
    }

    /// The keys that sign, as they are kept.
    pub fn keys(&mut self) -> Stored<Vec<StoredKey>> {
        at_once(keys::all(&mut Db::new(&mut self.connection)))
    }

    /// The keys that decrypt, as they are kept.
    pub fn decryption_keys(&mut self) -> Stored<Vec<StoredDecryptionKey>> {
        at_once(decryption_keys::all(&mut Db::new(&mut self.connection)))
    }

    /// What is kept beside the keys.
    pub fn kept(&mut self, what: Kept) -> Stored<Option<Vec<u8>>> {
        at_once(keys_at_rest::kept(&mut Db::new(&mut self.connection), what))
    }

    /// How much there is in it.
    pub fn contents(&mut self) -> Stored<Contents> {
        at_once(async {
            let db = &mut Db::new(&mut self.connection);
            Ok(Contents {
                clients: count(db, "SELECT COUNT(*) FROM clients").await?,
                accounts: count(db, "SELECT COUNT(*) FROM accounts").await?,
                grants: count(db, "SELECT COUNT(*) FROM grants").await?,
                sessions: count(db, "SELECT COUNT(*) FROM sessions").await?,
            })
        })
    }

    /// Puts the copy where nothing is yet.
    pub fn place(self, place: &Path) -> Result<(), CopyError> {
        let draft = self.close()?;
        // A link, since a rename would replace what has come there meanwhile.
        match fs::hard_link(&draft.0, place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(CopyError::Taken(place.to_owned()));
            }
            // Not every file system has links.
            Err(_) => fs::rename(&draft.0, place).map_err(CopyError::file(place))?,
        }
        sync_folder_of(place)
    }

    /// Everything on disk, and the file closed.
    pub(super) fn close(self) -> Result<Draft, CopyError> {
        let Self { draft, connection } = self;
        connection.close().map_err(|(_, error)| error)?;
        let synced = File::open(&draft.0).and_then(|file| file.sync_all());
        synced.map_err(CopyError::file(&draft.0))?;
        Ok(draft)
    }
}

async fn count(db: &mut impl Statements, sql: &'static str) -> Stored<u64> {
    Ok(db.row(sql, params![], only_number).await?.unwrap_or(0))
}

/// A file under a name of its own until it is whole. Whatever is left under that name goes.
#[derive(Debug)]
pub(super) struct Draft(pub(super) PathBuf);

impl Draft {
    /// An empty file for its owner alone, in a folder that is made if need be.
    pub(super) fn beside(place: &Path) -> Result<Self, CopyError> {
        let path = locks::beside(place, &format!(".{}.new", std::process::id()));
        open::make_folder(place)?;
        // Of a process of before that had this number and was killed.
        drop(fs::remove_file(&path));
        let made = private(OpenOptions::new().write(true).create_new(true)).open(&path);
        made.map_err(CopyError::file(&path))?;
        Ok(Self(path))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            drop(fs::remove_file(locks::beside(&self.0, suffix)));
        }
    }
}

pub(super) fn must_be_ours(connection: &mut Connection, path: &Path) -> Result<(), CopyError> {
    let has = |table| connection.table_exists(None, table).map_err(|error| unreadable(path, error));
    if !(has("meta")? && has("refinery_schema_history")? && has("grants")?) {
        return Err(CopyError::NotAStore(path.to_owned()));
    }
    match at_once(meta::readable_by(&mut Db::new(connection)))? {
        0 => Err(CopyError::NotAStore(path.to_owned())),
        _ => Ok(()),
    }
}

/// What a file that SQLite does not read is.
pub(super) fn unreadable(path: &Path, error: rusqlite::Error) -> CopyError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => CopyError::NotAStore(path.to_owned()),
        Some(ErrorCode::DatabaseCorrupt) => {
            CopyError::Damaged { path: path.to_owned(), words: error.to_string() }
        }
        _ => CopyError::Sqlite(error),
    }
}

/// A new name is on disk when its folder is.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), CopyError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(CopyError::file(folder))
}
