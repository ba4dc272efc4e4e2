//! Authorizations that wait for a user's word (RFC 8628, OpenID Connect CIBA Core 1.0).

use std::time::Duration;

use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ids::{AccountId, GrantId};
use keystile_authority::pending::{
    AskedOf, Opened, Pace, Pending, PendingAnswer, PendingAnswered, PendingOpened, Polled,
};
use keystile_authority::ports::{StoreError, Stored};
use keystile_authority::rules::pending::STAYS;
use keystile_authority::user_code::UserCode;
use keystile_protocol::Timestamp;

use crate::statements::{Fields, Statements, Turn, Value, only_number, params, to_json};
use crate::{consents, grants, pings};

/// Of one network those of devices count that still wait.
const OF_NETWORK: &str = "
    SELECT COUNT(*) FROM pending_authorizations
    WHERE network = $1 AND account IS NULL AND answered_by IS NULL AND expires_at > $2";

/// Whoever asks a named user has proved who it is: what still waits of it counts, from wherever.
const OF_CLIENT: &str = "
    SELECT COUNT(*) FROM pending_authorizations
    WHERE client = $1 AND account IS NOT NULL AND answered_by IS NULL AND expires_at > $2";

const TO_USER: &str = "
    SELECT COUNT(*) FROM pending_authorizations
    WHERE account = $1 AND answered_by IS NULL AND expires_at > $2";

/// What the user has denied counts for as long as it is here: nobody is asked again and again
/// until the answer is another.
const OF_CLIENT_TO_USER: &str = "
    SELECT COUNT(*) FROM pending_authorizations
    WHERE account = $1 AND client = $2 AND approval IS NULL
      AND (answered_by IS NOT NULL OR expires_at > $3)";

const IN_ALL: &str = "SELECT COUNT(*) FROM pending_authorizations WHERE expires_at > $1";

const OPEN: &str = "
    INSERT INTO pending_authorizations (id, secret_digest, user_code, client, network, scope,
                                        resources, expires_at, poll_every, polled_at, account,
                                        binding_message, wants_acr, authorization_details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    ON CONFLICT (user_code) DO NOTHING";

pub(crate) async fn open(db: &mut impl Statements, opened: &PendingOpened) -> Stored<Opened> {
    let PendingOpened { pending, network, at, limits, ping, .. } = opened;
    db.take_turn(Turn::Pending).await?;
    if there_are_many(db, opened).await? {
        return Ok(Opened::TooMany);
    }
    if count(db, IN_ALL, params![*at]).await? >= limits.in_all {
        return Ok(Opened::Full);
    }
    let resources = to_json(&pending.resources)?;
    let asked = pending.asked_of.as_ref();
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
        asked.map(|asked| &asked.account),
        asked.and_then(|asked| asked.binding_message.as_deref()),
        asked.is_some_and(|asked| asked.wants_acr),
        details.as_deref(),
    ];
    if db.execute(OPEN, row).await? == 0 {
        return Ok(Opened::CodeTaken);
    }
    if let Some(call) = ping {
        pings::add(db, pending, call).await?;
    }
    Ok(Opened::Done)
}

async fn there_are_many(db: &mut impl Statements, opened: &PendingOpened) -> Stored<bool> {
    let PendingOpened { pending, network, at, limits, .. } = opened;
    let Some(asked) = &pending.asked_of else {
        return Ok(count(db, OF_NETWORK, params![network, *at]).await? >= limits.from_network);
    };
    let (client, user) = (&pending.client, &asked.account);
    let of_both = params![user, client, *at];
    Ok(count(db, OF_CLIENT, params![client, *at]).await? >= limits.of_client
        || count(db, TO_USER, params![user, *at]).await? >= limits.to_user
        || count(db, OF_CLIENT_TO_USER, of_both).await? >= limits.of_client_to_user)
}

async fn count(db: &mut impl Statements, sql: &'static str, params: &[Value<'_>]) -> Stored<u32> {
    Ok(db.row(sql, params, only_number).await?.unwrap_or(0))
}

fn millis(interval: Duration) -> i64 {
    i64::try_from(interval.as_millis()).unwrap_or(i64::MAX)
}

/// The columns of [`read`].
macro_rules! find {
    ($which:literal) => {
        concat!(
            "SELECT id, secret_digest, user_code, client, scope, resources, expires_at, poll_every,
                    polled_at, approval, answered_by, redeemed_at, account, binding_message,
                    wants_acr, COALESCE(authorization_details, '[]')
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

const WAITING_FOR: &str = find!(
    "account = $1 AND answered_by IS NULL AND expires_at > $2
     AND client IN (SELECT id FROM clients WHERE enabled = 1)
     ORDER BY id DESC LIMIT $3"
);

pub(crate) async fn waiting_for(
    db: &mut impl Statements,
    account: &AccountId,
    now: Timestamp,
    limit: u32,
) -> Stored<Vec<Pending>> {
    db.rows(WAITING_FOR, params![account, now, limit], read).await
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
        asked_of: asked_of(row.maybe_array()?, row.maybe_text()?, row.flag()?),
        details: row.json()?,
    })
}

fn asked_of(
    account: Option<[u8; 16]>,
    binding_message: Option<String>,
    wants_acr: bool,
) -> Option<AskedOf> {
    let account = AccountId::from_bytes(account?);
    Some(AskedOf { account, binding_message, wants_acr })
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
    WHERE id = $1 AND answered_by IS NULL AND expires_at > $4
      AND (account IS NULL OR account = $2)";

/// The first word counts, and brings its consent with it. The client is told at once.
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
    pings::make_due(db, &answered.grant, answered.at).await?;
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
    pings::delete_all(db).await?;
    db.execute("DELETE FROM pending_authorizations", params![]).await.map(drop)
}
