//! Authorizations that wait for a user's word (RFC 8628).

use std::time::Duration;

use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ids::{AccountId, GrantId};
use keystile_authority::pending::{
    Opened, Pace, Pending, PendingAnswer, PendingAnswered, PendingOpened, Polled,
};
use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::rules::pending::STAYS;
use keystile_authority::user_code::UserCode;
use keystile_protocol::Timestamp;

use crate::statements::{Fields, Statements, only_number, params, to_json};
use crate::{consents, grants};

/// Of one network those count that still wait.
const OF_NETWORK: &str = "
    SELECT COUNT(*) FROM pending_authorizations
    WHERE network = $1 AND answered_by IS NULL AND expires_at > $2";

const IN_ALL: &str = "SELECT COUNT(*) FROM pending_authorizations WHERE expires_at > $1";

const OPEN: &str = "
    INSERT INTO pending_authorizations (id, secret_digest, user_code, client, network, scope,
                                        resources, expires_at, poll_every, polled_at,
                                        authorization_details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (user_code) DO NOTHING";

/// Nobody writes meanwhile: writers take turns.
pub(crate) async fn open(db: &mut impl Statements, opened: &PendingOpened) -> Stored<Opened> {
    let PendingOpened { pending, network, at, limits, .. } = opened;
    let of_network: u32 =
        db.row(OF_NETWORK, params![network, *at], only_number).await?.unwrap_or(0);
    if of_network >= limits.from_network {
        return Ok(Opened::NetworkFull);
    }
    let in_all: u32 = db.row(IN_ALL, params![*at], only_number).await?.unwrap_or(0);
    if in_all >= limits.in_all {
        return Ok(Opened::Full);
    }
    let resources = to_json(&pending.resources)?;
    let details = (!pending.details.is_empty()).then(|| pending.details.to_json());
    let row = params![
        &pending.grant,
        &pending.secret_digest,
        pending.user_code.as_ref().map(UserCode::letters),
        &pending.client,
        network,
        &pending.scope,
        &resources,
        pending.expires_at,
        millis(pending.pace.interval),
        pending.pace.last_poll,
        details.as_deref(),
    ];
    match db.execute(OPEN, row).await? {
        0 => Ok(Opened::CodeTaken),
        _ => Ok(Opened::Done),
    }
}

fn millis(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)
}

/// The columns of [`read`].
macro_rules! find {
    ($which:literal) => {
        concat!(
            "SELECT id, secret_digest, user_code, client, scope, resources, expires_at, poll_every,
                    polled_at, approval, answered_by, redeemed_at,
                    COALESCE(authorization_details, '[]')
             FROM pending_authorizations WHERE ",
            $which
        )
    };
}

pub(crate) async fn find(db: &mut impl Statements, id: &GrantId) -> Stored<Option<Pending>> {
    db.row(find!("id = $1"), params![id], read).await
}

pub(crate) async fn find_by_user_code(
    db: &mut impl Statements,
    code: &UserCode,
) -> Stored<Option<Pending>> {
    db.row(find!("user_code = $1"), params![code.letters()], read).await
}

fn read(row: &mut Fields<'_>) -> Stored<Pending> {
    Ok(Pending {
        grant: GrantId::from_bytes(row.array()?),
        secret_digest: row.array()?,
        user_code: row.maybe_text()?.map(|letters| user_code(&letters)).transpose()?,
        client: row.checked()?,
        scope: row.checked()?,
        resources: row.json()?,
        expires_at: row.time()?,
        pace: Pace {
            interval: Duration::from_millis(row.number()?),
            last_poll: row.maybe_int()?.map(Timestamp::from_millis),
        },
        answer: answer(row.maybe_text()?, row.maybe_array()?)?,
        redeemed: row.maybe_int()?.is_some(),
        details: row.json()?,
    })
}

fn user_code(letters: &str) -> Stored<UserCode> {
    let broken = || StoreError::Broken("a stored user code cannot be read".into());
    UserCode::from_letters(letters).ok_or_else(broken)
}

fn answer(approval: Option<String>, by: Option<[u8; 16]>) -> Stored<Option<PendingAnswer>> {
    let Some(by) = by else { return Ok(None) };
    let Some(approval) = approval else {
        return Ok(Some(PendingAnswer::Denied(AccountId::from_bytes(by))));
    };
    let approval = serde_json::from_str(&approval)
        .map_err(|_| StoreError::Broken("a stored approval cannot be read".into()))?;
    Ok(Some(PendingAnswer::Allowed(approval)))
}

const ANSWER: &str = "
    UPDATE pending_authorizations SET answered_by = $2, approval = $3
    WHERE id = $1 AND answered_by IS NULL AND expires_at > $4";

/// The first word counts, and brings its consent with it.
pub(crate) async fn answer_with(
    db: &mut impl Statements,
    answered: &PendingAnswered,
) -> Stored<bool> {
    let approval = match &answered.answer {
        PendingAnswer::Allowed(approval) => Some(to_json(approval)?),
        PendingAnswer::Denied(_) => None,
    };
    let by = answered.answer.account();
    let row = params![&answered.grant, by, approval.as_deref(), answered.at];
    if db.execute(ANSWER, row).await? == 0 {
        return Ok(false);
    }
    if let Some(consent) = &answered.consent {
        consents::remember(db, consent).await?;
    }
    Ok(true)
}

const NOTE_POLL: &str = "
    UPDATE pending_authorizations SET poll_every = $2, polled_at = $3
    WHERE id = $1 AND poll_every = $4 AND polled_at IS NOT DISTINCT FROM $5";

pub(crate) async fn note_poll(db: &mut impl Statements, polled: Polled) -> Stored<bool> {
    let Polled { grant, before, after, .. } = polled;
    let row = params![
        &grant,
        millis(after.interval),
        after.last_poll,
        millis(before.interval),
        before.last_poll,
    ];
    Ok(db.execute(NOTE_POLL, row).await? > 0)
}

/// Sent again after a commit in doubt, it is done again.
pub(crate) async fn redeem(db: &mut impl Statements, new: &Redemption) -> Stored<Redeemed> {
    let redeemed = grants::redeem(db, new).await?;
    if redeemed == Redeemed::Done {
        let sql = "UPDATE pending_authorizations SET redeemed_at = $2 \
                   WHERE id = $1 AND redeemed_at IS NULL";
        db.execute(sql, params![&new.grant, new.created_at]).await?;
    }
    Ok(redeemed)
}

const ENDED: &str = "SELECT COUNT(*) FROM (
    SELECT 1 AS one FROM pending_authorizations WHERE expires_at < $1 LIMIT $2) t";

pub(crate) async fn ended(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<u32> {
    Ok(db.row(ENDED, params![now.minus(STAYS), limit], only_number).await?.unwrap_or(0))
}

const DELETE: &str = "
    DELETE FROM pending_authorizations WHERE id IN (
        SELECT id FROM pending_authorizations WHERE expires_at < $1
        ORDER BY expires_at LIMIT $2)";

pub(crate) async fn delete(db: &mut impl Statements, now: Timestamp, limit: u32) -> Stored<usize> {
    db.execute(DELETE, params![now.minus(STAYS), limit]).await
}

/// After a restore nothing waits: what was redeemed since could be redeemed again.
pub(crate) async fn delete_all(db: &mut impl Statements) -> Stored<()> {
    db.execute("DELETE FROM pending_authorizations", params![]).await.map(drop)
}
