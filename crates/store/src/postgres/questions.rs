//! The questions that nearly every request asks, many in one statement.

use keystile_authority::ids::{AccountId, GrantId};
use keystile_authority::ports::{SessionHandle, StoreError, Stored};
use keystile_authority::records::{Account, GrantNow, Situation};
use keystile_protocol::{ClientId, Timestamp};

use super::arrays::{Kind, columns};
use super::db::Db;
use super::gatherer::{Gathered, Gatherer, Gatherers, Gathering};
use crate::statements::{Fields, Value, params};
use crate::{accounts, grants, sessions};

/// `grants::find`.
pub(crate) struct GrantAsked {
    pub(crate) id: GrantId,
    pub(crate) jti: Option<String>,
    pub(crate) now: Timestamp,
}

pub(super) const FIND_GRANTS: &str = concat!(
    "SELECT u.place, f.* FROM unnest($1, $2, $3) WITH ORDINALITY AS u (id, now, jti, place)
     CROSS JOIN LATERAL (",
    grants::found!("u.id", "u.now", "u.jti"),
    " OFFSET 0) f"
);

impl Gathered for GrantAsked {
    type Answer = Option<GrantNow>;

    const MANNER: Gathering = Gathering::Reading;

    fn gatherer(all: &Gatherers) -> &Gatherer<Self> {
        &all.grants
    }

    async fn all(db: Db<'_>, all: &[&Self]) -> Stored<Vec<Self::Answer>> {
        let kinds = [Kind::Bytes, Kind::Int, Kind::Text];
        let rows = all.iter().map(|asked| *params![&asked.id, asked.now, asked.jti.as_deref()]);
        ask(db, FIND_GRANTS, kinds, rows, grants::read).await
    }
}

/// `accounts::find`.
pub(crate) struct AccountAsked(pub(crate) AccountId);

pub(super) const FIND_ACCOUNTS: &str = concat!(
    "SELECT u.place, f.* FROM unnest($1) WITH ORDINALITY AS u (asked, place)
     CROSS JOIN LATERAL (",
    accounts::found!("u.asked"),
    " OFFSET 0) f"
);

impl Gathered for AccountAsked {
    type Answer = Option<Account>;

    const MANNER: Gathering = Gathering::Reading;

    fn gatherer(all: &Gatherers) -> &Gatherer<Self> {
        &all.accounts
    }

    async fn all(db: Db<'_>, all: &[&Self]) -> Stored<Vec<Self::Answer>> {
        let rows = all.iter().map(|Self(id)| *params![id]);
        ask(db, FIND_ACCOUNTS, [Kind::Bytes], rows, accounts::read).await
    }
}

/// `sessions::situation`.
pub(crate) struct SituationAsked {
    pub(crate) handle: SessionHandle,
    pub(crate) client: Option<ClientId>,
    pub(crate) now: Timestamp,
}

pub(super) const FIND_SITUATIONS: &str = concat!(
    "SELECT u.place, f.*
     FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS u (id, secret_digest, now, client, place)
     CROSS JOIN LATERAL (",
    sessions::signed_in!("u.id", "u.secret_digest", "u.now", "u.client"),
    " OFFSET 0) f"
);

impl Gathered for SituationAsked {
    type Answer = Situation;

    const MANNER: Gathering = Gathering::Reading;

    fn gatherer(all: &Gatherers) -> &Gatherer<Self> {
        &all.situations
    }

    async fn all(db: Db<'_>, all: &[&Self]) -> Stored<Vec<Self::Answer>> {
        let kinds = [Kind::Bytes, Kind::Bytes, Kind::Int, Kind::Text];
        let rows = all.iter().map(|Self { handle, client, now }| {
            *params![&handle.id, &handle.secret_digest, *now, client.as_ref()]
        });
        let signed_in = ask(db, FIND_SITUATIONS, kinds, rows, sessions::read_signed_in).await?;
        Ok(signed_in.into_iter().map(|signed_in| Situation { signed_in }).collect())
    }
}

/// What each row of parameters finds, which is one row of the answer at most, behind its place.
async fn ask<'a, T, const N: usize>(
    db: Db<'_>,
    sql: &'static str,
    kinds: [Kind; N],
    rows: impl ExactSizeIterator<Item = [Value<'a>; N]>,
    read: impl Fn(&mut Fields<'_>) -> Stored<T>,
) -> Stored<Vec<Option<T>>> {
    let mut answers: Vec<Option<T>> = std::iter::repeat_with(|| None).take(rows.len()).collect();
    let params = columns(kinds, rows);
    let found =
        db.rows_by_arrays(sql, &params, |row| Ok((row.number::<usize>()?, read(row)?))).await?;
    for (place, found) in found {
        let answer = answers.get_mut(place.wrapping_sub(1));
        let answer = answer.ok_or_else(|| StoreError::Broken("an answer has no place".into()))?;
        *answer = Some(found);
    }
    Ok(answers)
}
