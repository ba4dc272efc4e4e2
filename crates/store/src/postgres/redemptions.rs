//! Many redemptions in one statement: one round trip and one commit for all of them.

use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ports::{StoreError, Stored};

use super::arrays::{Array, Kind};
use super::db::Db;
use crate::grants::{NewGrant, alive, read_redeemed, redeemed};
use crate::statements::Value;

/// Does for each what `grants::redeem` does for one. What was used before redeems nothing; what is
/// born dead revokes what the same code gave before; a client that is new in its session is listed.
const REDEEM_ALL: &str = concat!(
    "WITH asked AS MATERIALIZED (
         SELECT g.*,
                (g.epoch IS NULL
                 OR g.epoch = (SELECT e.value FROM meta e WHERE e.name = 'epoch')
                 OR EXISTS (SELECT 1 FROM grants o
                            WHERE o.id = g.id AND o.redemption = g.redemption))
                AND ",
    alive!("g.created_at"),
    " AS lives
         FROM (SELECT u.*, r.registration
               FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
                           $17, $18, $19, $20, $21, $22, $23)
                    WITH ORDINALITY
                    AS u (id, redemption, account, client, session, sid, offline, scope, resources,
                          auth_time, methods, approved_at, created_at, expires_at, keep_until,
                          salt, claims, dpop_key, approval, certificate, authorization_details,
                          epoch, first_in_session, place)
               LEFT JOIN clients r ON r.id = u.client) g
     ), once AS (
         SELECT * FROM unnest($24, $25, $26, $27, $28)
                       AS o (place, number, key, used_by, expires_at)
     ), used AS (
         INSERT INTO used_once (key, used_by, expires_at)
         SELECT o.key, o.used_by, o.expires_at FROM once o ORDER BY o.key
         ON CONFLICT (key) DO UPDATE SET used_by = used_once.used_by
         RETURNING key, used_by
     ), refused AS (
         SELECT o.place, MIN(o.number) AS number
         FROM once o JOIN used u ON u.key = o.key WHERE u.used_by <> o.used_by GROUP BY o.place
     ), born AS (
         INSERT INTO grants (id, redemption, account, client, registration, session, sid, offline,
                             scope, resources, auth_time, methods, approved_at, created_at,
                             expires_at, keep_until, salt, claims, dpop_key, approval, certificate,
                             authorization_details, generation, rotated_at, last_used)
         SELECT a.id, a.redemption, a.account, a.client, a.registration, a.session, a.sid,
                a.offline, a.scope, a.resources, a.auth_time, a.methods, a.approved_at,
                a.created_at, a.expires_at, a.keep_until, a.salt, a.claims, a.dpop_key,
                a.approval, a.certificate, a.authorization_details, 0, a.created_at, a.created_at
         FROM asked a
         WHERE a.lives AND NOT EXISTS (SELECT 1 FROM refused r WHERE r.place = a.place)
         ORDER BY a.id
         ON CONFLICT (id) DO UPDATE
         SET revoked_at = CASE WHEN grants.redemption = excluded.redemption
                                 OR grants.approval IS DISTINCT FROM excluded.approval
                          THEN grants.revoked_at
                          ELSE COALESCE(grants.revoked_at, excluded.created_at) END
         RETURNING id, redemption, revoked_at, approval
     ), ended AS (
         UPDATE grants SET revoked_at = a.created_at FROM asked a
         WHERE grants.id = a.id AND NOT a.lives AND grants.revoked_at IS NULL
           AND grants.approval IS NOT DISTINCT FROM a.approval
           AND NOT EXISTS (SELECT 1 FROM refused r WHERE r.place = a.place)
     ), listed AS (
         INSERT INTO session_clients (session, client)
         SELECT a.session, a.client FROM asked a JOIN born b ON b.id = a.id
         WHERE a.first_in_session = 1 AND b.redemption = a.redemption AND b.revoked_at IS NULL
           AND b.approval IS NOT DISTINCT FROM a.approval
         ORDER BY a.session, a.client
         ON CONFLICT (session, client) DO NOTHING
     )
     SELECT a.place, r.number, CASE WHEN b.id IS NULL THEN 0 ELSE 1 END,
            b.redemption, b.revoked_at,
            CASE WHEN b.approval IS DISTINCT FROM a.approval THEN 1 ELSE 0 END
     FROM asked a LEFT JOIN born b ON b.id = a.id LEFT JOIN refused r ON r.place = a.place"
);

/// What the columns of `asked` are, in the order of `grants::NewGrant::values`, and whether the
/// client is the first in its session.
const COLUMNS: [Kind; 23] = {
    use Kind::{Bytes, Int, Text};
    [
        Bytes, Bytes, Bytes, Text, Bytes, Bytes, Int, Text, Text, Int, Text, Int, Int, Int, Int,
        Bytes, Text, Bytes, Bytes, Bytes, Text, Int, Int,
    ]
};

/// Redeems all of them, of which no two may be of one grant or use the same thing once.
pub(crate) async fn redeem_all(db: Db<'_>, all: &[&Redemption]) -> Stored<Vec<Redeemed>> {
    let rows = all.iter().map(|new| NewGrant::new(new)).collect::<Stored<Vec<_>>>()?;
    let mut columns: Vec<Array<'_>> = COLUMNS.into_iter().map(Array::new).collect();
    for (row, new) in rows.iter().zip(all) {
        let first = Value::from(new.first_in_session);
        for (column, value) in columns.iter_mut().zip(row.values().into_iter().chain([first])) {
            column.push(value);
        }
    }
    columns.extend(once(all));
    let mut outcomes = vec![None; all.len()];
    let rows = db.rows_by_arrays(REDEEM_ALL, &columns, |row| {
        let place = row.number::<usize>()?;
        let refused = row.maybe_int()?.map(usize::try_from);
        let is_there = row.flag()?;
        let found = if is_there { Some(read_redeemed(row)?) } else { None };
        Ok((place, refused, found))
    });
    for (place, refused, found) in rows.await? {
        let index = place.wrapping_sub(1);
        if let (Some(new), Some(outcome)) = (all.get(index), outcomes.get_mut(index)) {
            let used = refused.and_then(Result::ok).and_then(|number| new.once.get(number));
            *outcome = Some(match used {
                Some(used) => Redeemed::UsedBefore(used.kind),
                None => redeemed(new, found),
            });
        }
    }
    let all: Option<Vec<Redeemed>> = outcomes.into_iter().collect();
    all.ok_or_else(|| StoreError::Broken("a redemption has no answer".into()))
}

/// What they may be the first to use, each with the place of its redemption.
fn once<'a>(all: &[&'a Redemption]) -> [Array<'a>; 5] {
    let kinds = [Kind::Int, Kind::Int, Kind::Bytes, Kind::Bytes, Kind::Int];
    let mut columns = kinds.map(Array::new);
    for (place, new) in (1_i64..).zip(all) {
        for (number, used) in (0_i64..).zip(&new.once) {
            let values: [Value<'a>; 5] = [
                place.into(),
                number.into(),
                (&used.key).into(),
                (&new.redemption).into(),
                used.expires_at.into(),
            ];
            for (column, value) in columns.iter_mut().zip(values) {
                column.push(value);
            }
        }
    }
    columns
}
