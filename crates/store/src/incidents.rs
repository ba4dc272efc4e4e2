//! Incidents, in a table with a fixed number of places: a new one takes the place of an old one.

use keystile_authority::incident::Incident;
use keystile_authority::ports::Stored;
use keystile_protocol::encoding::sha256;

use crate::statements::{Statements, only_json, params, to_json};

/// How many there can be.
const PLACES: u16 = 4096;

fn slot(reference: &str) -> i64 {
    let digest = sha256(reference);
    i64::from(u16::from_be_bytes([digest[0], digest[1]]) % PLACES)
}

pub(crate) async fn record(db: &mut impl Statements, incident: &Incident) -> Stored<()> {
    let sql = "INSERT INTO incidents (slot, reference, record) VALUES ($1, $2, $3) \
               ON CONFLICT (slot) DO UPDATE \
               SET reference = excluded.reference, record = excluded.record";
    let reference = incident.reference.as_str();
    let record = to_json(incident)?;
    db.execute(sql, params![slot(reference), reference, &record]).await.map(drop)
}

pub(crate) async fn find(db: &mut impl Statements, reference: &str) -> Stored<Option<Incident>> {
    let sql = "SELECT record FROM incidents WHERE slot = $1 AND reference = $2";
    db.row(sql, params![slot(reference), reference], only_json).await
}
