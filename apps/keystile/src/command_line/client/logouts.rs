//! `keystile client logouts`.

use keystile_authority::logout_message::DeliveryRecord;
use keystile_authority::ports::LogoutOutbox;
use keystile_protocol::Timestamp;
use keystile_protocol::encoding::base64url;
use serde_json::{Value, json};

use super::super::Format;
use super::Named;
use crate::output;
use crate::refusal::Outcome;

/// Lines that are shown.
const AT_MOST: u32 = 50;

pub(super) async fn logouts(named: &Named, format: Format) -> Outcome {
    let (_, store) = named.place.open().await?;
    let client = named.client(&store).await?;
    let records = store.logout_deliveries(&client.id, AT_MOST).await?;
    if format.json {
        output::json(&records.iter().map(described).collect::<Value>());
        return Ok(());
    }
    let rows: Vec<_> = records.iter().map(row).collect();
    output::table(&["SUB", "SID", "TRIES", "STATE", "LAST OUTCOME"], &rows);
    Ok(())
}

fn described(record: &DeliveryRecord) -> Value {
    json!({
        "sub": record.account.to_string(),
        "sid": base64url(record.sid),
        "tries": record.tries,
        "next_try_at": record.next_try_at.map(Timestamp::seconds),
        "settled_at": record.settled_at.map(Timestamp::seconds),
        "outcome": record.outcome,
    })
}

fn row(record: &DeliveryRecord) -> Vec<String> {
    let state = if record.settled_at.is_some() { "settled" } else { "waits" };
    vec![
        record.account.to_string(),
        base64url(record.sid),
        record.tries.to_string(),
        state.to_owned(),
        record.outcome.clone().unwrap_or_default(),
    ]
}
