//! Clients that nobody in charge put here: those that registered themselves, and those of metadata
//! documents. Each has a row in a table of its kind, and goes after a while if nobody uses it.

use keystile_authority::ports::Stored;
use keystile_protocol::{ClientId, Timestamp};

use crate::meta;
use crate::statements::{Statements, Value, only_number, params};

/// One kind of them, by its statements.
pub(crate) struct PassingClients {
    never_used: &'static str,
    note_first_use: &'static str,
    abandoned: &'static str,
    consents: &'static str,
    logos: &'static str,
    clients: &'static str,
    rows: &'static str,
}

/// A table's name, its column with the time from which on a client is unused, and which of its rows
/// may go by themselves.
#[rustfmt::skip]
macro_rules! passing_clients {
    ($table:literal, $since:literal, $unused:literal) => {
        PassingClients {
            never_used: concat!(
                "SELECT COUNT(*) FROM ", $table, " WHERE client = $1 AND ", $unused
            ),
            note_first_use: concat!(
                "UPDATE ", $table, " SET used_at = $2 WHERE client = $1 AND used_at IS NULL"
            ),
            abandoned: passing_clients!(@abandoned $table, $since, $unused, "SELECT COUNT(*) FROM ", " t"),
            consents: passing_clients!(
                @abandoned $table, $since, $unused, "DELETE FROM consents WHERE client IN ", ""
            ),
            logos: passing_clients!(
                @abandoned $table, $since, $unused, "DELETE FROM logos WHERE client IN ", ""
            ),
            clients: passing_clients!(
                @abandoned $table, $since, $unused, "DELETE FROM clients WHERE id IN ", ""
            ),
            rows: concat!(
                "DELETE FROM ", $table, " WHERE client IN ",
                passing_clients!(@abandoned $table, $since, $unused, "", "")
            ),
        }
    };
    // Those that are older than $1, $2 at most.
    (@abandoned $table:literal, $since:literal, $unused:literal, $before:literal, $after:literal) => {
        concat!(
            $before, "(SELECT client FROM ", $table, " WHERE ", $unused, " AND ", $since, " < $1
                       ORDER BY ", $since, " LIMIT $2)", $after
        )
    };
}

/// Those that registered themselves; by a token, or openly, and then they may go.
pub(crate) const REGISTERED: PassingClients =
    passing_clients!("registrations", "created_at", "network IS NOT NULL AND used_at IS NULL");
/// Those that a person has let in.
pub(crate) const APPROVED: PassingClients =
    passing_clients!("approved_clients", "approved_at", "used_at IS NULL");

impl PassingClients {
    /// Asked of a reader: nearly always there is nothing to note.
    pub(crate) async fn never_used(
        &self,
        db: &mut impl Statements,
        client: &ClientId,
    ) -> Stored<bool> {
        let found: Option<u32> = db.row(self.never_used, params![client], only_number).await?;
        Ok(found.unwrap_or(0) > 0)
    }

    pub(crate) async fn note_first_use(
        &self,
        db: &mut impl Statements,
        client: &ClientId,
        now: Timestamp,
    ) -> Stored<()> {
        db.execute(self.note_first_use, params![client, now]).await.map(drop)
    }

    /// How many are unused and older than that.
    pub(crate) async fn abandoned(
        &self,
        db: &mut impl Statements,
        before: Timestamp,
        limit: u32,
    ) -> Stored<u32> {
        Ok(db.row(self.abandoned, params![before, limit], only_number).await?.unwrap_or(0))
    }

    /// Removes them as `clients::remove` does, many at once.
    pub(crate) async fn sweep(
        &self,
        db: &mut impl Statements,
        before: Timestamp,
        limit: u32,
    ) -> Stored<usize> {
        let which: &[Value<'_>] = params![before, limit];
        db.execute(self.consents, which).await?;
        db.execute(self.logos, which).await?;
        db.execute(self.clients, which).await?;
        let gone = db.execute(self.rows, which).await?;
        meta::note_change(db).await?;
        Ok(gone)
    }
}
