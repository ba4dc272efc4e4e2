//! What migrations mean: to the operator before they are done, and to older programs afterwards.
//!
//! A migration is additive for one version: the program before this one goes on working on the
//! same store. Each says in its SQL which programs can, by the number that they have to know.

use keystile_authority::ports::Stored;
use refinery::Migration;

use crate::statements::{Statements, only_number, params};

/// The last migration that this program knows, on either backend.
pub(crate) const KNOWN: i64 = 23;

/// How a migration says which programs can work on the result.
const SAYS: &str = "UPDATE meta SET value = ";

/// What is ahead of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationPlan {
    /// The last migration that the store has; 0 if it is not there yet.
    pub at: i64,
    /// Programs that know the migration of this number can work on the store as it is.
    pub readable_by: i64,
    /// The last migration that this program knows.
    pub known: i64,
    /// Those that the store lacks, in their order.
    pub ahead: Vec<PlannedMigration>,
}

/// A migration that a store lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedMigration {
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// What it is for, in words.
    pub meaning: String,
    /// Programs that know the migration of this number can work on the store afterwards.
    pub readable_by: i64,
}

/// What of `known` is ahead of a store that has `applied`.
pub(crate) fn plan(applied: &[i64], readable_by: i64, known: &[Migration]) -> MigrationPlan {
    let mut known: Vec<&Migration> = known.iter().collect();
    known.sort_by_key(|migration| migration.version());
    let last = known.last().map_or(0, |migration| i64::from(migration.version()));
    let mut readable = readable_by.max(1);
    let lacking = |migration: &&&Migration| !applied.contains(&migration.version().into());
    let ahead = known.iter().filter(lacking).map(|migration| {
        readable = said_by(migration).unwrap_or(readable);
        PlannedMigration {
            version: migration.version().into(),
            name: migration.name().replace('_', " "),
            meaning: meaning(migration),
            readable_by: readable,
        }
    });
    let ahead = ahead.collect();
    let at = applied.iter().copied().max().unwrap_or(0);
    MigrationPlan { at, readable_by, known: last, ahead }
}

/// Which programs can work on the result, where the migration says it.
pub(crate) fn said_by(migration: &Migration) -> Option<i64> {
    let said = migration.sql()?.split_once(SAYS)?.1;
    let (number, of) = said.split_once(' ')?;
    of.starts_with("WHERE name = 'readable_by'").then(|| number.parse().ok())?
}

/// The first sentence of the comment at its head.
fn meaning(migration: &Migration) -> String {
    if migration.name() == "first" {
        return "All tables, as they were at first.".to_owned();
    }
    let lines = migration.sql().unwrap_or_default().lines();
    let comment = lines.map_while(|line| line.strip_prefix("--").map(str::trim));
    let comment = comment.collect::<Vec<_>>().join(" ");
    let sentence = comment.split_inclusive(". ").next().unwrap_or_default();
    sentence.trim_end().to_owned()
}

/// The numbers of the migrations that a store has.
pub(crate) async fn applied(db: &mut impl Statements) -> Stored<Vec<i64>> {
    let sql = "SELECT CAST(version AS BIGINT) FROM refinery_schema_history ORDER BY version";
    db.rows(sql, params![], only_number).await
}

/// Each migration says which programs can work on the result, and takes none back. The last one
/// is that of which the program knows.
#[cfg(test)]
pub(crate) fn must_say_it(all: &[Migration]) {
    /// The last migration of the time when none said it.
    const SILENT_UP_TO: i64 = 17;
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by_key(|migration| migration.version());
    let mut before = 1;
    for migration in &all {
        let version = i64::from(migration.version());
        if version <= SILENT_UP_TO {
            continue;
        }
        let says = said_by(migration).unwrap_or_else(|| {
            panic!(
                "V{version} has to say in its SQL which programs can work on the result: {SAYS}N \
                 WHERE name = 'readable_by'; N is the migration that they have to know, {before} or \
                 later, and no later than the last one of the version before this one."
            )
        });
        assert!((before..version).contains(&says), "V{version} says {says} after {before}");
        before = says;
    }
    assert!(before >= SILENT_UP_TO, "older programs would ignore what tokens are bound to");
    assert_eq!(all.last().map(|last| i64::from(last.version())), Some(KNOWN));
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "-- Times are milliseconds. \nCREATE TABLE meta (name TEXT)";
    const COLUMN: &str =
        "-- What was allowed (RFC 9396), as\n-- JSON. More words.\nALTER TABLE grants";
    const SAYING: &str =
        "-- Says who reads.\nUPDATE meta SET value = 2 WHERE name = 'readable_by';\nALTER TABLE x";

    fn known() -> Vec<Migration> {
        // The order in which they are embedded is that of their names.
        let all = [("V10__saying_it", SAYING), ("V1__first", FIRST), ("V2__details", COLUMN)];
        all.map(|(name, sql)| Migration::unapplied(name, sql).expect("a migration")).into()
    }

    fn readers(plan: &MigrationPlan) -> Vec<(i64, i64)> {
        plan.ahead.iter().map(|ahead| (ahead.version, ahead.readable_by)).collect()
    }

    #[test]
    fn a_plan_has_what_the_store_lacks_and_who_can_read_the_result() {
        let new = plan(&[], 0, &known());
        assert_eq!((new.at, new.known), (0, 10));
        assert_eq!(readers(&new), [(1, 1), (2, 1), (10, 2)]);
        let old = plan(&[1, 2], 1, &known());
        assert_eq!((old.at, readers(&old)), (2, vec![(10, 2)]));
        assert_eq!(plan(&[1, 2, 10], 2, &known()).ahead, []);
        let newer = plan(&[1, 2, 10, 11], 2, &known());
        assert_eq!((newer.at, newer.known, newer.ahead.len()), (11, 10, 0));
    }

    #[test]
    fn a_plan_says_in_words_what_a_migration_is_for() {
        let plan = plan(&[], 0, &known());
        let words: Vec<_> =
            plan.ahead.iter().map(|ahead| (ahead.name.as_str(), ahead.meaning.as_str())).collect();
        let first = ("first", "All tables, as they were at first.");
        let details = ("details", "What was allowed (RFC 9396), as JSON.");
        assert_eq!(words, [first, details, ("saying it", "Says who reads.")]);
    }
}
