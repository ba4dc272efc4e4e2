//! Sessions of browsers, and the clients that got tokens in them.

use keystile_authority::decisions::SessionOpened;
use keystile_authority::ids::{AccountId, SessionId};
use keystile_authority::ports::{SessionHandle, Stored};
use keystile_authority::records::{Consent, Session, SignedIn, Situation};
use keystile_protocol::{ClientId, Timestamp};

use crate::logout_messages;
use crate::statements::{Fields, Statements, params, to_json};

macro_rules! columns {
    () => {
        "s.id, s.sid, s.account, s.auth_time, s.methods, s.created_at, s.last_used, \
         s.expires_at, s.user_agent"
    };
}

/// Over `sessions s` and `accounts a`: a session that still says who somebody is.
macro_rules! is_open {
    ($now:literal) => {
        concat!(
            "s.ended_at IS NULL AND s.expires_at > ",
            $now,
            " AND a.enabled = 1 AND s.auth_time >= a.valid_from"
        )
    };
}

fn read(row: &mut Fields<'_>) -> Stored<Session> {
    Ok(Session {
        id: SessionId::from_bytes(row.array()?),
        sid: row.array()?,
        account: AccountId::from_bytes(row.array()?),
        auth_time: row.time()?,
        methods: row.json()?,
        created_at: row.time()?,
        last_used: row.time()?,
        expires_at: row.time()?,
        user_agent: row.text()?,
    })
}

pub(crate) fn read_signed_in(row: &mut Fields<'_>) -> Stored<SignedIn> {
    Ok(SignedIn {
        session: read(row)?,
        username: row.text()?,
        consent: Consent { granted: row.checked()?, refused: row.checked()? },
        client_is_listed: row.flag()?,
    })
}

/// Who is signed in, for [`read_signed_in`]. The secret's digest is compared here and not in
/// constant time: it is a hash of 256 random bits, so that nobody can walk towards it byte by byte.
macro_rules! signed_in {
    ($id:literal, $secret_digest:literal, $now:literal, $client:literal) => {
        concat!(
            "SELECT ",
            $crate::sessions::columns!(),
            ", a.username, COALESCE(k.granted, ''), COALESCE(k.refused, ''),
                CASE WHEN EXISTS (SELECT 1 FROM session_clients l
                                  WHERE l.session = s.id AND l.client = ",
            $client,
            ") THEN 1 ELSE 0 END
             FROM sessions s
             JOIN accounts a ON a.id = s.account
             LEFT JOIN consents k ON k.account = s.account AND k.client = ",
            $client,
            " WHERE s.id = ",
            $id,
            " AND s.secret_digest = ",
            $secret_digest,
            " AND ",
            $crate::sessions::is_open!($now)
        )
    };
}

pub(crate) use {columns, is_open, signed_in};

pub(crate) async fn situation(
    db: &mut impl Statements,
    handle: &SessionHandle,
    client: Option<&ClientId>,
    now: Timestamp,
) -> Stored<Situation> {
    let params = params![&handle.id, &handle.secret_digest, now, client];
    let sql = signed_in!("$1", "$2", "$3", "$4");
    let signed_in = db.row(sql, params, read_signed_in).await?;
    Ok(Situation { signed_in })
}

const OF_ACCOUNT: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.account = $1 AND ",
    is_open!("$2"),
    " ORDER BY s.created_at DESC, s.id"
);

/// The live ones, the latest first.
pub(crate) async fn of_account(
    db: &mut impl Statements,
    account: &AccountId,
    now: Timestamp,
) -> Stored<Vec<Session>> {
    db.rows(OF_ACCOUNT, params![account, now], read).await
}

const OPEN: &str = "
    INSERT INTO sessions (id, secret_digest, sid, account, auth_time, methods, created_at,
                          last_used, expires_at, user_agent)
    VALUES ($1, $2, COALESCE((SELECT b.sid FROM sessions b
                              WHERE b.id = $11 AND b.account = $4 AND b.ended_at IS NULL), $3),
            $4, $5, $6, $7, $8, $9, $10)";

const TAKE_CLIENTS_OVER: &str = "
    INSERT INTO session_clients (session, client)
    SELECT $2, l.client FROM session_clients l JOIN sessions b ON b.id = l.session
    WHERE b.id = $1 AND b.account = $3 AND b.ended_at IS NULL";

/// A new session of the account that was signed in goes on under the `sid` that clients know, and
/// with the list of those that are told of its end. Of another account, the one before has ended,
/// and its clients are told.
async fn take_over(db: &mut impl Statements, before: &SessionId, session: &Session) -> Stored<()> {
    logout_messages::write_of_other_account(db, before, &session.account).await?;
    let params = params![before, &session.id, &session.account];
    db.execute(TAKE_CLIENTS_OVER, params).await?;
    let sql = "UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL";
    db.execute(sql, params![before, session.created_at]).await.map(drop)
}

pub(crate) async fn open(db: &mut impl Statements, opened: &SessionOpened) -> Stored<()> {
    let session = &opened.session;
    let methods = to_json(&session.methods)?;
    let params = params![
        &session.id,
        &opened.secret_digest,
        &session.sid,
        &session.account,
        session.auth_time,
        &methods,
        session.created_at,
        session.last_used,
        session.expires_at,
        &session.user_agent,
        opened.instead_of.as_ref(),
    ];
    db.execute(OPEN, params).await?;
    match &opened.instead_of {
        Some(before) => take_over(db, before, session).await,
        None => Ok(()),
    }
}

pub(crate) async fn touch(
    db: &mut impl Statements,
    id: &SessionId,
    now: Timestamp,
    expires_at: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE sessions SET last_used = $2, expires_at = $3 \
               WHERE id = $1 AND ended_at IS NULL";
    db.execute(sql, params![id, now, expires_at]).await.map(drop)
}

pub(crate) async fn end(
    db: &mut impl Statements,
    id: &SessionId,
    account: &AccountId,
    now: Timestamp,
) -> Stored<()> {
    logout_messages::write_of_session(db, id, account).await?;
    let sql = "UPDATE sessions SET ended_at = $3 \
               WHERE id = $1 AND account = $2 AND ended_at IS NULL";
    db.execute(sql, params![id, account, now]).await.map(drop)
}

pub(crate) async fn end_all(
    db: &mut impl Statements,
    account: &AccountId,
    now: Timestamp,
) -> Stored<()> {
    logout_messages::write_of_account(db, account).await?;
    let sql = "UPDATE sessions SET ended_at = $2 WHERE account = $1 AND ended_at IS NULL";
    db.execute(sql, params![account, now]).await.map(drop)
}

pub(crate) async fn remove_all(db: &mut impl Statements, account: &AccountId) -> Stored<()> {
    logout_messages::write_of_account(db, account).await?;
    let sql = "DELETE FROM session_clients \
               WHERE session IN (SELECT id FROM sessions WHERE account = $1)";
    db.execute(sql, params![account]).await?;
    db.execute("DELETE FROM sessions WHERE account = $1", params![account]).await.map(drop)
}

/// No browser's cookie fits any more. The sessions themselves stay, since grants hang on them: they
/// end by time, by logout, or by their users' word.
pub(crate) async fn forget_browsers(db: &mut impl Statements) -> Stored<()> {
    // Nobody knows a secret with this digest.
    db.execute("UPDATE sessions SET secret_digest = $1", params![&[0_u8; 32]]).await.map(drop)
}

/// Notes that the client got tokens in the session.
pub(crate) async fn list_client(
    db: &mut impl Statements,
    session: &SessionId,
    client: &ClientId,
) -> Stored<()> {
    let sql = "INSERT INTO session_clients (session, client) VALUES ($1, $2) \
               ON CONFLICT (session, client) DO NOTHING";
    db.execute(sql, params![session, client]).await.map(drop)
}
