//! Many redemptions in one statement: one round trip and one commit for all of them.

use std::collections::HashMap;

use keystile_authority::decisions::{Redeemed, Redemption};
use keystile_authority::ids::GrantId;
use keystile_authority::ports::Stored;

use super::arrays::{Array, Kind, columns};
use super::db::Db;
use super::gatherer::{Gathered, Gatherer, Gatherers, Gathering};
use crate::grants::{self, Found, NewGrant, read_redeemed, redeemed, redeeming};
use crate::statements::{Fields, params};

/// Does for each what `grants::redeem` does for one; `last` ends the `SELECT`.
macro_rules! redeem_each {
    ($last:literal) => {
        redeeming!(
            id: "g.id",
            redemption: "g.redemption",
            created_at: "g.created_at",
            epoch: "g.epoch",
            values: "g.sid, g.scope, g.resources, g.auth_time, g.methods, g.expires_at,
                     g.keep_until, g.salt, g.claims, g.dpop_key, g.approval, g.certificate,
                     g.authorization_details",
            from: "(SELECT u.*,
                           (SELECT r.registration FROM clients r WHERE r.id = u.client)
                           AS registration
                    FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                                $16, $17, $18, $19, $20, $21, $22)
                         WITH ORDINALITY
                         AS u (id, redemption, account, client, session, sid, offline, scope,
                               resources, auth_time, methods, approved_at, created_at, expires_at,
                               keep_until, salt, claims, dpop_key, approval, certificate,
                               authorization_details, epoch, place)
                    OFFSET 0) g",
            last: $last
        )
    };
}

/// Where nothing is to be used once, and no client is the first in its session.
pub(super) const REDEEM_ALL: &str = redeem_each!(" ORDER BY g.id");

/// What was used before redeems nothing; a client that is new in its session is listed.
pub(super) const REDEEM_ALL_AND_NOTE: &str = concat!(
    "WITH once AS (
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
     ), born AS (",
    redeem_each!(
        " AND NOT EXISTS (SELECT 1 FROM refused f WHERE f.place = g.place)
          ORDER BY g.id"
    ),
    "), listed AS (
         INSERT INTO session_clients (session, client)
         SELECT f.session, f.client
         FROM unnest($1, $2, $4, $5, $19, $23)
              AS f (id, redemption, client, session, approval, first_in_session)
         JOIN born b ON b.id = f.id
         WHERE f.first_in_session = 1 AND b.redemption = f.redemption AND b.revoked_at IS NULL
           AND b.approval IS NOT DISTINCT FROM f.approval
         ORDER BY f.session, f.client
         ON CONFLICT (session, client) DO NOTHING
     )
     SELECT NULL, NULL, b.id, b.redemption, b.revoked_at, b.approval FROM born b
     UNION ALL SELECT f.place, f.number, NULL, NULL, NULL, NULL FROM refused f"
);

/// What the columns are of, in the order of `grants::NewGrant::values`.
const COLUMNS: [Kind; 22] = {
    use Kind::{Bytes, Int, Text};
    [
        Bytes, Bytes, Bytes, Text, Bytes, Bytes, Int, Text, Text, Int, Text, Int, Int, Int, Int,
        Bytes, Text, Bytes, Bytes, Bytes, Text, Int,
    ]
};

impl Gathered for Redemption {
    type Answer = Redeemed;

    const MANNER: Gathering = Gathering::Writing;

    fn gatherer(all: &Gatherers) -> &Gatherer<Self> {
        &all.redemptions
    }

    /// Its grant, and what is used once.
    fn written(&self) -> Vec<Vec<u8>> {
        let once = self.once.iter().map(|used| used.key.to_vec());
        once.chain([self.grant.as_bytes().to_vec()]).collect()
    }

    async fn all(mut db: Db<'_>, all: &[&Self]) -> Stored<Vec<Redeemed>> {
        let Answers { found, refused } = redeem_all(db, all).await?;
        let mut outcomes = Vec::with_capacity(all.len());
        for (place, new) in (1..).zip(all) {
            let used = refused.get(&place).and_then(|number| new.once.get(*number));
            let outcome = match used {
                Some(used) => Redeemed::UsedBefore(used.kind),
                None => redeemed(new, found.get(&new.grant)),
            };
            if outcome == Redeemed::Ended {
                grants::revoke_born_dead(&mut db, new).await?;
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }
}

/// What the statement says.
#[derive(Default)]
struct Answers {
    found: HashMap<GrantId, Found>,
    /// By the redemption's place: which of what is used once another has used.
    refused: HashMap<usize, usize>,
}

async fn redeem_all(db: Db<'_>, all: &[&Redemption]) -> Stored<Answers> {
    let rows = all.iter().map(|new| NewGrant::new(new)).collect::<Stored<Vec<_>>>()?;
    let mut params = Vec::from(columns(COLUMNS, rows.iter().map(NewGrant::values)));
    let mut answers = Answers::default();
    if all.iter().all(|new| new.once.is_empty() && !new.first_in_session) {
        db.rows_by_arrays(REDEEM_ALL, &params, |row| answers.read_found(row)).await?;
        return Ok(answers);
    }
    params.extend(columns([Kind::Int], all.iter().map(|new| [new.first_in_session.into()])));
    params.extend(once(all));
    db.rows_by_arrays(REDEEM_ALL_AND_NOTE, &params, |row| answers.read(row)).await?;
    Ok(answers)
}

impl Answers {
    fn read(&mut self, row: &mut Fields<'_>) -> Stored<()> {
        let (place, number) = (row.maybe_number()?, row.maybe_number()?);
        match place.zip(number) {
            Some((place, number)) => {
                self.refused.insert(place, number);
                Ok(())
            }
            None => self.read_found(row),
        }
    }

    fn read_found(&mut self, row: &mut Fields<'_>) -> Stored<()> {
        let found = read_redeemed(row)?;
        self.found.insert(found.grant, found);
        Ok(())
    }
}

/// What they may be the first to use, each with the place of its redemption.
fn once<'a>(all: &[&'a Redemption]) -> [Array<'a>; 5] {
    let kinds = [Kind::Int, Kind::Int, Kind::Bytes, Kind::Bytes, Kind::Int];
    let rows = (1_i64..).zip(all).flat_map(|(place, new)| {
        (0_i64..).zip(&new.once).map(move |(number, used)| {
            *params![place, number, &used.key, &new.redemption, used.expires_at]
        })
    });
    columns(kinds, rows)
}
