//! Grants: one row each, born at redemption, which is the one durable write of a login.

use keystile_authority::decisions::{Redeemed, Redemption, Rotated, Rotation};
use keystile_authority::ids::{AccountId, GrantId, SessionId};
use keystile_authority::ports::Stored;
use keystile_authority::records::{Grant, GrantNow};
use keystile_protocol::access_token::SenderConstraint;
use keystile_protocol::jose::Thumbprint;
use keystile_protocol::{ClientId, Timestamp};

use crate::statements::{Fields, Statements, Value, params, to_json};
use crate::{sessions, used_once};

/// Whether the grant `g`, which may be a row or about to become one, hangs on nothing that has
/// ended. Logout, a changed password and a withdrawn consent are asked about here, at each use,
/// and write nothing to grants.
///
/// `LIMIT 1 OFFSET 0` keeps PostgreSQL from reading a whole table for many grants: a plan that was
/// made while the table was small is used when it is not any more.
macro_rules! alive {
    ($now:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM accounts a
                     WHERE a.id = g.account AND a.enabled = 1 AND a.valid_from <= g.approved_at
                     LIMIT 1 OFFSET 0)
             AND EXISTS (SELECT 1 FROM clients c
                         WHERE c.id = g.client AND c.enabled = 1
                           AND c.registration = g.registration
                         LIMIT 1 OFFSET 0)
             AND NOT EXISTS (SELECT 1 FROM consents k
                             WHERE k.account = g.account AND k.client = g.client
                               AND k.valid_from > g.approved_at
                             LIMIT 1 OFFSET 0)
             AND (g.offline = 1
                  OR EXISTS (SELECT 1 FROM sessions s
                             WHERE s.id = g.session AND s.ended_at IS NULL
                               AND s.expires_at > ",
            $now,
            " LIMIT 1 OFFSET 0))"
        )
    };
}

pub(crate) use alive;

/// Redeems what is in `from`, which names the columns of `g` that [`alive!`] asks for. `values` are
/// those of the columns from `sid` on; `last` ends the `SELECT`. `in_epoch` says whether the code's
/// epoch counts.
///
/// One statement, so that parallel redemptions cannot miss each other: whoever comes second sees
/// the first one's `redemption` and has revoked the grant by the time it sees it. The epoch is
/// asked here too: a code may have been opened just before a promotion and come here just after.
macro_rules! bearing {
    (
        id: $id:literal, redemption: $redemption:literal, created_at: $created_at:literal,
        in_epoch: ($($in_epoch:literal),*), values: $values:literal, from: $from:literal,
        last: $last:literal
    ) => {
        concat!(
            "INSERT INTO grants (id, redemption, created_at, rotated_at, last_used, generation,
                                 account, client, registration, session, offline, approved_at,
                                 sid, scope, resources, auth_time, methods, expires_at, keep_until,
                                 salt, claims, dpop_key, approval, certificate,
                                 authorization_details)
             SELECT ",
            $id,
            ", ",
            $redemption,
            ", ",
            $created_at,
            ", ",
            $created_at,
            ", ",
            $created_at,
            ", 0, g.account, g.client, g.registration, g.session, g.offline, g.approved_at, ",
            $values,
            " FROM ",
            $from,
            " WHERE (",
            $($in_epoch,)*
            ") AND ",
            $crate::grants::alive!($created_at),
            $last,
            " ON CONFLICT (id) DO UPDATE
              SET revoked_at = CASE WHEN grants.redemption = excluded.redemption
                                      OR grants.approval IS DISTINCT FROM excluded.approval
                               THEN grants.revoked_at
                               ELSE COALESCE(grants.revoked_at, excluded.created_at) END"
        )
    };
}

pub(crate) use bearing;

/// The same, and what was written before in an epoch that is over by now. Answers with rows for
/// [`read_redeemed`].
macro_rules! redeeming {
    (
        id: $id:literal, redemption: $redemption:literal, created_at: $created_at:literal,
        epoch: $epoch:literal, values: $values:literal, from: $from:literal, last: $last:literal
    ) => {
        concat!(
            $crate::grants::bearing!(
                id: $id,
                redemption: $redemption,
                created_at: $created_at,
                in_epoch: (
                    $epoch,
                    " IS NULL OR ",
                    $epoch,
                    " = (SELECT e.value FROM meta e WHERE e.name = 'epoch')
                      OR EXISTS (SELECT 1 FROM grants o WHERE o.id = ",
                    $id,
                    " AND o.redemption = ",
                    $redemption,
                    " LIMIT 1 OFFSET 0)"
                ),
                values: $values,
                from: $from,
                last: $last
            ),
            " RETURNING id, redemption, revoked_at, approval"
        )
    };
}

pub(crate) use redeeming;

/// It reads no grants and returns nothing: for either SQLite would fill a temporary table.
const BEAR: &str = bearing!(
    id: "$1",
    redemption: "$2",
    created_at: "$13",
    in_epoch: (
        "CAST($22 AS BIGINT) IS NULL
         OR $22 = (SELECT e.value FROM meta e WHERE e.name = 'epoch')"
    ),
    values: "$6, $8, $9, $10, $11, $14, $15, $16, $17, $18, $19, $20, $21",
    from: "(SELECT $3 AS account, $4 AS client,
                   (SELECT r.registration FROM clients r WHERE r.id = $4) AS registration,
                   $5 AS session, $7 AS offline, $12 AS approved_at) g",
    last: ""
);

/// A commit in doubt may be sent again: the same `redemption` finds its own row and is Done.
pub(crate) async fn redeem(db: &mut impl Statements, new: &Redemption) -> Stored<Redeemed> {
    if let Some(kind) = used_once::add(db, &new.once, &new.redemption).await? {
        return Ok(Redeemed::UsedBefore(kind));
    }
    let redeemed = redeemed(new, find_or_bear(db, new).await?.as_ref());
    match redeemed {
        Redeemed::Ended => revoke_born_dead(db, new).await?,
        Redeemed::Done if new.first_in_session => {
            sessions::list_client(db, &new.session, &new.client).await?;
        }
        _ => {}
    }
    Ok(redeemed)
}

const FIND_BORN: &str = "SELECT id, redemption, revoked_at, approval FROM grants WHERE id = $1";

/// The row of the grant, which another redemption may have written; nothing if it is born dead.
async fn find_or_bear(db: &mut impl Statements, new: &Redemption) -> Stored<Option<Found>> {
    let row = NewGrant::new(new)?;
    let mut values = row.values();
    let lives = db.execute(BEAR, &values).await? > 0;
    let found = db.row(FIND_BORN, params![&new.grant], read_redeemed).await?;
    if lives || found.as_ref().is_none_or(|found| found.redemption != new.redemption) {
        return Ok(found.filter(|_| lives));
    }
    // It was written by this very redemption, while its epoch was.
    let [.., epoch] = &mut values;
    *epoch = Value::Null;
    let lives = db.execute(BEAR, &values).await? > 0;
    Ok(found.filter(|_| lives))
}

/// What was not born, since it would be dead, revokes what the same code gave before.
pub(crate) async fn revoke_born_dead(db: &mut impl Statements, new: &Redemption) -> Stored<()> {
    revoke_redeemed(db, &new.grant, new.approval, new.created_at).await
}

/// A row of [`redeeming!`].
pub(crate) struct Found {
    pub(crate) grant: GrantId,
    redemption: [u8; 16],
    revoked_at: Option<i64>,
    approval: Option<[u8; 16]>,
}

pub(crate) fn read_redeemed(row: &mut Fields<'_>) -> Stored<Found> {
    Ok(Found {
        grant: GrantId::from_bytes(row.array()?),
        redemption: row.array()?,
        revoked_at: row.maybe_int()?,
        approval: row.maybe_array()?,
    })
}

/// What a row means, or that there is none since it would be born dead.
pub(crate) fn redeemed(new: &Redemption, found: Option<&Found>) -> Redeemed {
    match found {
        None => Redeemed::Ended,
        Some(found) if found.approval != new.approval => Redeemed::Taken,
        Some(found) if found.redemption == new.redemption && found.revoked_at.is_none() => {
            Redeemed::Done
        }
        Some(_) => Redeemed::Replayed,
    }
}

/// A redemption with what is kept of it as JSON.
pub(crate) struct NewGrant<'r> {
    new: &'r Redemption,
    resources: String,
    methods: String,
    claims: Option<String>,
    details: Option<String>,
}

impl<'r> NewGrant<'r> {
    pub(crate) fn new(new: &'r Redemption) -> Stored<Self> {
        Ok(Self {
            new,
            resources: to_json(&new.resources)?,
            methods: to_json(&new.methods)?,
            claims: (!new.claims.is_empty()).then(|| to_json(&new.claims)).transpose()?,
            details: (!new.details.is_empty()).then(|| new.details.to_json()),
        })
    }

    /// The parameters of [`BEAR`].
    pub(crate) fn values(&self) -> [Value<'_>; 22] {
        let Self { new, resources, methods, claims, details } = self;
        let epoch = new.epoch.map(|epoch| i64::try_from(epoch).unwrap_or(i64::MAX));
        let (key, certificate) = match &new.bound_to {
            None => (None, None),
            Some(SenderConstraint::DpopKey(key)) => (Some(key.as_bytes()), None),
            Some(SenderConstraint::Certificate(certificate)) => {
                (None, Some(certificate.as_bytes()))
            }
        };
        *params![
            &new.grant,
            &new.redemption,
            &new.account,
            &new.client,
            &new.session,
            &new.sid,
            new.offline,
            &new.scope,
            resources,
            new.auth_time,
            methods,
            new.approved_at,
            new.created_at,
            new.expires_at,
            new.keep_until,
            &new.salt,
            claims.as_deref(),
            key,
            new.approval.as_ref(),
            certificate,
            details.as_deref(),
            epoch,
        ]
    }
}

/// A grant and its life, for [`read`].
macro_rules! found {
    ($id:literal, $now:literal, $jti:literal) => {
        concat!(
            "SELECT g.id, g.account, g.client, g.offline, g.session, g.sid, g.scope, g.resources,
                    g.auth_time, g.methods, g.expires_at, g.generation, g.rotated_at, g.last_used,
                    g.salt, COALESCE(g.claims, '{}'), g.dpop_key, g.certificate,
                    COALESCE(g.authorization_details, '[]'),
                    CASE WHEN g.successor = g.generation THEN g.predecessor
                         ELSE g.generation - 1 END,
                    CASE WHEN g.revoked_at IS NULL AND ",
            $crate::grants::alive!($now),
            " THEN 1 ELSE 0 END,
                    CASE WHEN EXISTS (SELECT 1 FROM revoked_tokens t WHERE t.jti = ",
            $jti,
            ") THEN 1 ELSE 0 END
             FROM grants g WHERE g.id = ",
            $id
        )
    };
}

pub(crate) use found;

pub(crate) async fn find(
    db: &mut impl Statements,
    id: &GrantId,
    jti: Option<&str>,
    now: Timestamp,
) -> Stored<Option<GrantNow>> {
    db.row(found!("$1", "$2", "$3"), params![id, now, jti], read).await
}

pub(crate) fn read(row: &mut Fields<'_>) -> Stored<GrantNow> {
    let id = GrantId::from_bytes(row.array()?);
    let account = AccountId::from_bytes(row.array()?);
    let client = row.checked::<ClientId>()?;
    let offline = row.flag()?;
    let session = SessionId::from_bytes(row.array()?);
    let grant = Grant {
        id,
        account,
        client,
        session: (!offline).then_some(session),
        sid: row.array()?,
        scope: row.checked()?,
        resources: row.json()?,
        auth_time: row.time()?,
        methods: row.json()?,
        expires_at: row.time()?,
        generation: row.number()?,
        rotated_at: row.time()?,
        last_used: row.time()?,
        salt: row.array()?,
        claims: row.json()?,
        bound_to: bound_to(row)?,
        details: row.json()?,
        // The first of all has none.
        predecessor: u32::try_from(row.int()?).ok(),
    };
    Ok(GrantNow { grant, alive: row.flag()?, token_revoked: row.flag()? })
}

fn bound_to(row: &mut Fields<'_>) -> Stored<Option<SenderConstraint>> {
    let key = row.maybe_array()?.map(Thumbprint::from_bytes).map(SenderConstraint::DpopKey);
    let certificate = row.maybe_array()?.map(Thumbprint::from_bytes);
    Ok(key.or(certificate.map(SenderConstraint::Certificate)))
}

/// Marks and never deletes: the row is the proof that the code was used.
pub(crate) async fn revoke(db: &mut impl Statements, id: &GrantId, now: Timestamp) -> Stored<()> {
    let sql = "UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
    db.execute(sql, params![id, now]).await.map(drop)
}

/// The same for a code that came again: only if the row is of that very code.
pub(crate) async fn revoke_redeemed(
    db: &mut impl Statements,
    id: &GrantId,
    approval: Option<[u8; 16]>,
    now: Timestamp,
) -> Stored<()> {
    let sql = "UPDATE grants SET revoked_at = $2 \
               WHERE id = $1 AND revoked_at IS NULL AND approval IS NOT DISTINCT FROM $3";
    db.execute(sql, params![id, now, approval.as_ref()]).await.map(drop)
}

/// Moves a counter that is still where it was.
macro_rules! rotating {
    (
        from: $from:literal, to: $to:literal, at: $at:literal, presented: $presented:literal,
        last: $last:literal
    ) => {
        concat!(
            "UPDATE grants SET generation = ",
            $to,
            ", successor = ",
            $to,
            ", predecessor = ",
            $presented,
            ", rotated_at = ",
            $at,
            ", last_used = ",
            $at,
            " ",
            $last,
            " AND generation = ",
            $from,
            " AND revoked_at IS NULL"
        )
    };
}

pub(crate) use rotating;

/// The parameters of [`rotating!`], behind the grant.
pub(crate) fn rotation_values(rotation: &Rotation) -> [Value<'_>; 5] {
    let Rotation { grant, from, to, presented, at, .. } = rotation;
    *params![grant, *from, *to, *at, *presented]
}

pub(crate) async fn rotate(db: &mut impl Statements, rotation: Rotation) -> Stored<Rotated> {
    let sql = rotating!(from: "$2", to: "$3", at: "$4", presented: "$5", last: "WHERE id = $1");
    match db.execute(sql, &rotation_values(&rotation)).await? {
        0 => Ok(Rotated::Changed),
        _ => Ok(Rotated::Done),
    }
}

pub(crate) async fn touch(db: &mut impl Statements, id: &GrantId, now: Timestamp) -> Stored<()> {
    let sql = "UPDATE grants SET last_used = $2 WHERE id = $1";
    db.execute(sql, params![id, now]).await.map(drop)
}
