//! Many refresh tokens' counters moved in one statement: one round trip and one commit for all.

use std::collections::HashSet;

use keystile_authority::decisions::{Rotated, Rotation};
use keystile_authority::ports::Stored;

use super::arrays::{Kind, columns};
use super::db::Db;
use super::gatherer::{Gathered, Gatherer, Gatherers, Gathering};
use crate::grants::{rotating, rotation_values};
use crate::statements::only_number;

/// Does for each what `grants::rotate` does for one, and says which moved.
pub(super) const ROTATE_ALL: &str = concat!(
    rotating!(
        from: "u.before",
        to: "u.after",
        at: "u.at",
        presented: "u.presented",
        last: "FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY
               AS u (grant_id, before, after, at, presented, place)
               WHERE id = u.grant_id"
    ),
    " RETURNING u.place"
);

impl Gathered for Rotation {
    type Answer = Rotated;

    const MANNER: Gathering = Gathering::Writing;

    fn gatherer(all: &Gatherers) -> &Gatherer<Self> {
        &all.rotations
    }

    fn written(&self) -> Vec<Vec<u8>> {
        vec![self.grant.as_bytes().to_vec()]
    }

    async fn all(db: Db<'_>, all: &[&Self]) -> Stored<Vec<Rotated>> {
        let kinds = [Kind::Bytes, Kind::Int, Kind::Int, Kind::Int, Kind::Int];
        let params = columns(kinds, all.iter().map(|rotation| rotation_values(rotation)));
        let moved = db.rows_by_arrays(ROTATE_ALL, &params, only_number::<usize>).await?;
        let moved: HashSet<usize> = moved.into_iter().collect();
        let judge = |place| if moved.contains(&place) { Rotated::Done } else { Rotated::Changed };
        Ok((1..=all.len()).map(judge).collect())
    }
}
