//! What the tables of signing keys and of keys that decrypt have in common: all but the column that
//! says what a key is for.

use std::time::Duration;

use keystile_authority::ports::Stored;
use keystile_protocol::Timestamp;

use crate::meta;
use crate::statements::{Fields, Statements, Turn, only_number, params};

/// Two keys of one algorithm (or type) within this time were made by two nodes that did not know of each
/// other. A rotation comes much later.
const MEANWHILE: Duration = Duration::from_secs(600);

/// One of the tables, by its statements.
pub(crate) struct KeyTable {
    all: &'static str,
    insert: &'static str,
    insert_unless_new: &'static str,
    remove: &'static str,
    count: &'static str,
    use_from: &'static str,
    reseal: &'static str,
}

/// A table's name, the column that says what a key is for, and the one that says since when it is
/// not used although no other took its place.
#[rustfmt::skip]
macro_rules! key_table {
    ($table:literal, $kind:literal, $unused:literal) => {
        KeyTable {
            all: concat!(
                "SELECT kid, ", $kind, ", sealed, created_at, COALESCE(used_from, created_at), ",
                $unused, " FROM ", $table, " ORDER BY created_at, kid"
            ),
            insert: concat!(
                "INSERT INTO ", $table, " (kid, ", $kind, ", sealed, created_at, used_from)
                 VALUES ($1, $2, $3, $4, $5)"
            ),
            insert_unless_new: concat!(
                "INSERT INTO ", $table, " (kid, ", $kind, ", sealed, created_at, used_from)
                 SELECT n.kid, n.kind, n.sealed, n.created_at, n.used_from
                 FROM (SELECT $1 AS kid, $2 AS kind, $3 AS sealed, $4 AS created_at, $5 AS used_from) n
                 WHERE NOT EXISTS (SELECT 1 FROM ", $table, " k
                                   WHERE k.", $kind, " = $2 AND k.created_at > $6)"
            ),
            remove: concat!(
                "DELETE FROM ", $table, " WHERE kid = $1
                 AND (", $unused, " IS NOT NULL
                      OR EXISTS (SELECT 1 FROM ", $table, " o
                                 WHERE o.", $kind, " = ", $table, ".", $kind, " AND o.kid <> $1))"
            ),
            count: concat!("SELECT COUNT(*) FROM ", $table, " WHERE kid = $1"),
            use_from: concat!("UPDATE ", $table, " SET used_from = $2 WHERE kid = $1"),
            reseal: concat!("UPDATE ", $table, " SET sealed = $3 WHERE kid = $1 AND sealed = $2"),
        }
    };
}

pub(crate) const SIGNING: KeyTable = key_table!("signing_keys", "algorithm", "unused_since");
pub(crate) const DECRYPTION: KeyTable = key_table!("decryption_keys", "key_type", "NULL");

/// A row, as both tables have it.
pub(crate) struct KeyRow<'a> {
    pub(crate) kid: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) sealed: &'a [u8],
    pub(crate) created_at: Timestamp,
    pub(crate) used_from: Timestamp,
}

impl KeyTable {
    /// Each key, in the order of [`KeyRow`]'s members.
    pub(crate) async fn all<T>(
        &self,
        db: &mut impl Statements,
        read: impl FnMut(&mut Fields<'_>) -> Stored<T>,
    ) -> Stored<Vec<T>> {
        db.rows(self.all, params![], read).await
    }

    /// Adds a key after others of its kind, by the operator's word.
    pub(crate) async fn rotate(&self, db: &mut impl Statements, key: KeyRow<'_>) -> Stored<()> {
        let row = params![key.kid, key.kind, key.sealed, key.created_at, key.used_from];
        db.execute(self.insert, row).await?;
        meta::note_change(db).await
    }

    /// Adds a key. False: another node has just added one of its kind.
    pub(crate) async fn add(&self, db: &mut impl Statements, key: KeyRow<'_>) -> Stored<bool> {
        let since = key.created_at.minus(MEANWHILE);
        let row = params![key.kid, key.kind, key.sealed, key.created_at, key.used_from, since];
        db.take_turn(Turn::Keys).await?;
        if db.execute(self.insert_unless_new, row).await? == 0 {
            return Ok(false);
        }
        meta::note_change(db).await.map(|()| true)
    }

    /// Takes a key away, unless it is the last of its kind that is used. False: it is still there.
    pub(crate) async fn remove(&self, db: &mut impl Statements, kid: &str) -> Stored<bool> {
        db.execute(self.remove, params![kid]).await?;
        Ok(db.row(self.count, params![kid], only_number::<i64>).await? == Some(0))
    }

    /// Has a key used (or encrypted to) from then on. False: there is no such key.
    pub(crate) async fn use_from(
        &self,
        db: &mut impl Statements,
        kid: &str,
        from: Timestamp,
    ) -> Stored<bool> {
        Ok(db.execute(self.use_from, params![kid, from]).await? > 0)
    }

    /// Replaces what is kept of a key. False: it is not what it was.
    pub(crate) async fn reseal(
        &self,
        db: &mut impl Statements,
        kid: &str,
        from: &[u8],
        to: &[u8],
    ) -> Stored<bool> {
        Ok(db.execute(self.reseal, params![kid, from, to]).await? > 0)
    }
}
