//! `keystile key master list`.

use keystile_authority::ports::Clock;
use keystile_authority::rules::master_key::Need;
use keystile_protocol::Timestamp;
use serde_json::{Value, json};

use super::Masters;
use crate::clock::SystemClock;
use crate::command_line::Format;
use crate::command_line::key::span;
use crate::output;
use crate::refusal::Outcome;

pub(super) async fn run(masters: &Masters, format: Format) -> Outcome {
    let needs = masters.needs().await?;
    if format.json {
        let described = |(id, need): &(u8, Need)| {
            json!({
                "id": id,
                "at_hand": masters.has(*id),
                "seals": *need == Need::Seals,
                "keys_at_rest": if let Need::KeysAtRest(count) = need { *count } else { 0 },
                "needed_until": if let Need::Outstanding(until) = need {
                    Some(until.seconds())
                } else {
                    None
                },
                "needed": *need != Need::Nothing,
            })
        };
        output::json(&needs.iter().map(described).collect::<Value>());
        return Ok(());
    }
    let row = |(id, need): &(u8, Need)| {
        let here = if masters.has(*id) { "yes" } else { "MISSING" };
        vec![id.to_string(), here.to_owned(), words(*need, SystemClock.now())]
    };
    output::table(&["ID", "HERE", "NEEDED"], &needs.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

/// What a key is needed for.
pub(super) fn words(need: Need, now: Timestamp) -> String {
    match need {
        Need::Seals => "it seals".to_owned(),
        Need::KeysAtRest(count) => format!("{count} keys in the store are encrypted under it"),
        Need::Outstanding(until) => {
            format!("refresh tokens made with it may live for {} more", span(until, now))
        }
        Need::Nothing => "no".to_owned(),
    }
}
