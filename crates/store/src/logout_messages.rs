//! Logout messages: written where sessions end, taken by whoever delivers them, kept for a while
//! as the delivery log.

use keystile_authority::ids::{AccountId, SessionId};
use keystile_authority::logout_message::{Claim, DeliveryRecord, LogoutMessage, Settled};
use keystile_authority::ports::Stored;
use keystile_protocol::{ClientId, Timestamp};

use crate::statements::{Fields, Statements, only_number, params};

/// A message for each client that got tokens in an open session `s` and wants to be told. It is
/// due at once: whoever ends a session need not know the time.
macro_rules! write_messages {
    ($which:literal) => {
        concat!(
            "INSERT INTO logout_messages (client, account, sid, tries, next_try_at, lease_until)
             SELECT l.client, s.account, s.sid, 0, 0, 0
             FROM sessions s
             JOIN session_clients l ON l.session = s.id
             JOIN clients c ON c.id = l.client
             WHERE c.enabled = 1 AND c.told_of_logout = 1 AND s.ended_at IS NULL AND ",
            $which
        )
    };
}

/// To be called before the session is ended.
pub(crate) async fn write_of_session(
    db: &mut impl Statements,
    session: &SessionId,
    account: &AccountId,
) -> Stored<()> {
    let sql = write_messages!("s.id = $1 AND s.account = $2");
    db.execute(sql, params![session, account]).await.map(drop)
}

/// To be called before a session gives way to one of another account.
pub(crate) async fn write_of_other_account(
    db: &mut impl Statements,
    session: &SessionId,
    account: &AccountId,
) -> Stored<()> {
    let sql = write_messages!("s.id = $1 AND s.account <> $2");
    db.execute(sql, params![session, account]).await.map(drop)
}

/// To be called before all sessions of the account are ended or deleted.
pub(crate) async fn write_of_account(db: &mut impl Statements, account: &AccountId) -> Stored<()> {
    let sql = write_messages!("s.account = $1");
    db.execute(sql, params![account]).await.map(drop)
}

pub(crate) async fn clients_of_session(
    db: &mut impl Statements,
    session: &SessionId,
) -> Stored<Vec<ClientId>> {
    let sql = "SELECT client FROM session_clients WHERE session = $1 ORDER BY client";
    db.rows(sql, params![session], only_checked).await
}

const DUE: &str = "
    SELECT COUNT(*) FROM (SELECT 1 AS one FROM logout_messages
    WHERE settled_at IS NULL AND next_try_at <= $1 AND lease_until <= $1 LIMIT 1) t";

fn only_checked(row: &mut Fields<'_>) -> Stored<ClientId> {
    row.checked()
}

/// Whether there is anything to take: asked of a reader, so that the writer is left alone.
pub(crate) async fn any_due(db: &mut impl Statements, now: Timestamp) -> Stored<bool> {
    let due: u32 = db.row(DUE, params![now], only_number).await?.unwrap_or(0);
    Ok(due > 0)
}

/// The row is asked again: another node may have taken it since the inner statement saw it.
const CLAIM: &str = "
    UPDATE logout_messages
    SET tries = tries + 1, lease_until = $2, give_up_at = COALESCE(give_up_at, $3)
    WHERE id IN (SELECT id FROM logout_messages
                 WHERE settled_at IS NULL AND next_try_at <= $1 AND lease_until <= $1
                 ORDER BY next_try_at, id LIMIT $4)
      AND settled_at IS NULL AND lease_until <= $1
    RETURNING id, client, account, sid, tries, give_up_at";

pub(crate) async fn claim(db: &mut impl Statements, claim: Claim) -> Stored<Vec<LogoutMessage>> {
    let params = params![claim.now, claim.lease_until, claim.give_up_at, claim.limit];
    db.rows(CLAIM, params, |row| {
        Ok(LogoutMessage {
            id: row.int()?,
            client: row.checked()?,
            account: AccountId::from_bytes(row.array()?),
            sid: row.array()?,
            tries: row.number()?,
            give_up_at: row.time()?,
        })
    })
    .await
}

const SETTLE: &str = "
    UPDATE logout_messages
    SET lease_until = 0, outcome = $2, next_try_at = COALESCE($3, next_try_at),
        settled_at = CASE WHEN $3 IS NULL THEN $4 ELSE NULL END
    WHERE id = $1 AND settled_at IS NULL";

pub(crate) async fn settle(db: &mut impl Statements, settled: &Settled) -> Stored<()> {
    let params = params![settled.id, &settled.outcome, settled.next_try_at, settled.at];
    db.execute(SETTLE, params).await.map(drop)
}

const SETTLED_BEFORE: &str = "
    SELECT COUNT(*) FROM (SELECT 1 AS one FROM logout_messages
    WHERE settled_at < $1 LIMIT 1) t";

pub(crate) async fn any_settled(db: &mut impl Statements, before: Timestamp) -> Stored<bool> {
    let settled: u32 = db.row(SETTLED_BEFORE, params![before], only_number).await?.unwrap_or(0);
    Ok(settled > 0)
}

const FORGET: &str = "
    DELETE FROM logout_messages WHERE id IN (
        SELECT id FROM logout_messages WHERE settled_at < $1 ORDER BY settled_at LIMIT $2)";

pub(crate) async fn forget(db: &mut impl Statements, before: Timestamp, limit: u32) -> Stored<()> {
    db.execute(FORGET, params![before, limit]).await.map(drop)
}

const OF_CLIENT: &str = "
    SELECT account, sid, tries, CASE WHEN settled_at IS NULL THEN next_try_at ELSE NULL END,
           settled_at, outcome
    FROM logout_messages WHERE client = $1 ORDER BY id DESC LIMIT $2";

pub(crate) async fn of_client(
    db: &mut impl Statements,
    client: &ClientId,
    limit: u32,
) -> Stored<Vec<DeliveryRecord>> {
    db.rows(OF_CLIENT, params![client, limit], |row| {
        Ok(DeliveryRecord {
            account: AccountId::from_bytes(row.array()?),
            sid: row.array()?,
            tries: row.number()?,
            next_try_at: row.maybe_int()?.map(Timestamp::from_millis),
            settled_at: row.maybe_int()?.map(Timestamp::from_millis),
            outcome: row.maybe_text()?,
        })
    })
    .await
}
