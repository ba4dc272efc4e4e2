//! Accounts and their password hashes.

use keystile_authority::ids::AccountId;
use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::records::{Account, Credentials, UserClaims};
use keystile_protocol::Timestamp;

use crate::statements::{Fields, Statements, params, to_json};
use crate::{logout_messages, sessions};

pub(crate) fn read(row: &mut Fields<'_>) -> Stored<Account> {
    Ok(Account {
        id: AccountId::from_bytes(row.array()?),
        username: row.text()?,
        enabled: row.flag()?,
        valid_from: row.time()?,
        claims: row.json()?,
    })
}

fn read_credentials(row: &mut Fields<'_>) -> Stored<Credentials> {
    Ok(Credentials { account: read(row)?, password_hash: row.maybe_text()? })
}

/// An account, for [`read`].
macro_rules! found {
    ($id:literal) => {
        concat!("SELECT id, username, enabled, valid_from, claims FROM accounts WHERE id = ", $id)
    };
}

pub(crate) use found;

pub(crate) async fn find(db: &mut impl Statements, id: &AccountId) -> Stored<Option<Account>> {
    db.row(found!("$1"), params![id], read).await
}

pub(crate) async fn credentials(
    db: &mut impl Statements,
    username: &str,
) -> Stored<Option<Credentials>> {
    let sql = "SELECT id, username, enabled, valid_from, claims, password_hash FROM accounts \
               WHERE username = $1";
    db.row(sql, params![username], read_credentials).await
}

pub(crate) async fn all(db: &mut impl Statements) -> Stored<Vec<Account>> {
    let sql = "SELECT id, username, enabled, valid_from, claims FROM accounts ORDER BY username";
    db.rows(sql, params![], read).await
}

const ADD: &str = "
    INSERT INTO accounts (id, username, enabled, valid_from, password_hash, claims)
    VALUES ($1, $2, $3, $4, $5, $6)";

pub(crate) async fn add(
    db: &mut impl Statements,
    account: &Account,
    password_hash: Option<&str>,
) -> Stored<()> {
    let claims = to_json(&account.claims)?;
    let Account { id, username, enabled, valid_from, .. } = account;
    let params = params![id, username, *enabled, *valid_from, password_hash, &claims];
    db.execute(ADD, params).await.map(drop).map_err(|error| match error {
        StoreError::Conflict(_) => {
            StoreError::Conflict("there is an account of that name or identifier already".into())
        }
        other => other,
    })
}

pub(crate) async fn set_claims(
    db: &mut impl Statements,
    id: &AccountId,
    claims: &UserClaims,
) -> Stored<()> {
    let claims = to_json(claims)?;
    let sql = "UPDATE accounts SET claims = $2 WHERE id = $1";
    there_is_one(db.execute(sql, params![id, &claims]).await?)
}

pub(crate) async fn set_enabled(
    db: &mut impl Statements,
    id: &AccountId,
    enabled: bool,
) -> Stored<()> {
    if !enabled {
        // Only the first time: of an account that is off already everybody was told.
        let sql = "UPDATE accounts SET enabled = 0 WHERE id = $1 AND enabled = 1";
        if db.execute(sql, params![id]).await? > 0 {
            return logout_messages::write_of_account(db, id).await;
        }
    }
    let sql = "UPDATE accounts SET enabled = $2 WHERE id = $1";
    there_is_one(db.execute(sql, params![id, enabled]).await?)
}

pub(crate) async fn change_password(
    db: &mut impl Statements,
    id: &AccountId,
    hash: &str,
    now: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE accounts SET password_hash = $2 WHERE id = $1";
    there_is_one(db.execute(sql, params![id, hash]).await?)?;
    sign_out_everywhere(db, id, now).await
}

pub(crate) async fn strengthen_password(
    db: &mut impl Statements,
    id: &AccountId,
    from: &str,
    to: &str,
) -> Stored<()> {
    let sql = "UPDATE accounts SET password_hash = $3 WHERE id = $1 AND password_hash = $2";
    db.execute(sql, params![id, from, to]).await.map(drop)
}

/// Grants approved before `now` are dead by this; sessions are ended too, so that those who list
/// them see it.
pub(crate) async fn sign_out_everywhere(
    db: &mut impl Statements,
    id: &AccountId,
    now: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE accounts SET valid_from = $2 WHERE id = $1";
    there_is_one(db.execute(sql, params![id, now]).await?)?;
    sessions::end_all(db, id, now).await
}

pub(crate) async fn remove(db: &mut impl Statements, id: &AccountId) -> Stored<bool> {
    let removed = db.execute("DELETE FROM accounts WHERE id = $1", params![id]).await?;
    sessions::remove_all(db, id).await?;
    db.execute("DELETE FROM consents WHERE account = $1", params![id]).await?;
    Ok(removed > 0)
}

fn there_is_one(changed: usize) -> Stored<()> {
    match changed {
        0 => Err(StoreError::Conflict("there is no such account".into())),
        _ => Ok(()),
    }
}
