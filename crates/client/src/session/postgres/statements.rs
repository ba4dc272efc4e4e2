//! The statements: each one is a transaction of its own.

/// With the names of the tables in them.
pub(super) struct Statements {
    pub(super) insert: String,
    pub(super) load: String,
    pub(super) claim: String,
    pub(super) replace: String,
    pub(super) touch: String,
    pub(super) remove: String,
    pub(super) remove_of_subject: String,
    pub(super) remove_of_sid: String,
    pub(super) first_use: String,
    pub(super) sweep: [String; 2],
}

impl Statements {
    /// For the tables of that schema.
    pub(super) fn of(schema: &str) -> Self {
        let sessions = format!("\"{schema}\".sessions");
        let used = format!("\"{schema}\".used");
        // A row that another one just removed is passed over, and the next one taken: fewer than
        // were asked for mean that there are no more.
        let remove_of = |column: &str| {
            format!(
                "WITH meant AS MATERIALIZED (
                     SELECT key FROM {sessions} WHERE {column} = $1 ORDER BY key LIMIT $2 FOR UPDATE)
                 DELETE FROM {sessions} AS s USING meant WHERE s.key = meant.key RETURNING s.*"
            )
        };
        // In small pieces, and never in anybody's way.
        let sweep = |table: &str, name: &str, over: &str| {
            format!(
                "DELETE FROM {table} WHERE {name} = ANY (ARRAY(
                     SELECT {name} FROM {table} WHERE {over} LIMIT 1000 FOR UPDATE SKIP LOCKED))"
            )
        };
        Self {
            insert: format!(
                "INSERT INTO {sessions} (key, sealed, generation, subject, sid, idle_until,
                     expires_at, claimed_until)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
            ),
            load: format!(
                "SELECT * FROM {sessions} WHERE key = $1 AND idle_until > $2 AND expires_at > $2"
            ),
            claim: format!(
                "UPDATE {sessions} SET claimed_until = $4
                 WHERE key = $1 AND generation = $2 AND claimed_until = $3 RETURNING true"
            ),
            replace: format!(
                "UPDATE {sessions} SET sealed = $3, generation = generation + 1, claimed_until = 0
                 WHERE key = $1 AND generation = $2 RETURNING true"
            ),
            touch: format!(
                "UPDATE {sessions} SET idle_until = greatest(idle_until, $2) WHERE key = $1"
            ),
            remove: format!("DELETE FROM {sessions} WHERE key = $1 RETURNING *"),
            remove_of_subject: remove_of("subject"),
            remove_of_sid: remove_of("sid"),
            first_use: format!(
                "INSERT INTO {used} AS u (name, until) VALUES ($1, $3)
                 ON CONFLICT (name) DO UPDATE SET until = excluded.until WHERE u.until <= $2
                 RETURNING true"
            ),
            sweep: [
                sweep(&sessions, "key", "idle_until <= $1 OR expires_at <= $1"),
                sweep(&used, "name", "until <= $1"),
            ],
        }
    }
}
