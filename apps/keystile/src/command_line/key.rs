//! `keystile key …`: the keys that the server signs and decrypts with, and the master keys.

mod list;
mod master;
mod retire;
mod rotate;

use clap::Subcommand;
use keystile_authority::at_rest::AtRest;
use keystile_authority::keys::Placed;
use keystile_authority::records::{StoredDecryptionKey, StoredKey};
use keystile_authority::rules::key_schedule::Stage;
use keystile_protocol::Timestamp;
use keystile_store::Database;
use serde_json::{Value, json};

use super::Format;
use crate::node::master_keys;
use crate::output;
use crate::refusal::Outcome;
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the keys and where each is in its life
    List(list::List),
    /// Make new keys; each is published for a while before it is used
    Rotate(rotate::Rotate),
    /// Take a key out of use; one that may be in other hands at once, with all that it signed
    Retire(retire::Retire),
    /// The master keys, under which all others are kept
    #[command(subcommand)]
    Master(master::MasterCommand),
}

impl KeyCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List(list) => list.run().await,
            Self::Rotate(rotate) => rotate.run().await,
            Self::Retire(retire) => retire.run().await,
            Self::Master(master) => master.run().await,
        }
    }
}

async fn at_rest(settings: &Settings, store: &Database) -> Outcome<AtRest> {
    let masters = master_keys(settings, store).await?;
    Ok(AtRest::of(store, &settings.policy.issuer, masters).await?)
}

/// A key of either kind, as it is shown.
struct Shown {
    kid: String,
    /// `sig` or `enc`, as in the key set.
    used_for: &'static str,
    algorithm: String,
    created_at: Timestamp,
    used_from: Timestamp,
    stage: Stage,
}

impl From<Placed<StoredKey>> for Shown {
    fn from(Placed { key, stage }: Placed<StoredKey>) -> Self {
        let algorithm = key.algorithm.to_string();
        let (created_at, used_from) = (key.created_at, key.used_from);
        Self { kid: key.kid, used_for: "sig", algorithm, created_at, used_from, stage }
    }
}

impl From<Placed<StoredDecryptionKey>> for Shown {
    fn from(Placed { key, stage }: Placed<StoredDecryptionKey>) -> Self {
        let algorithm = key.key_type.as_str().to_owned();
        let (created_at, used_from) = (key.created_at, key.used_from);
        Self { kid: key.kid, used_for: "enc", algorithm, created_at, used_from, stage }
    }
}

fn show(keys: &[Shown], now: Timestamp, format: Format) {
    if format.json {
        let described = |key: &Shown| {
            json!({
                "kid": key.kid,
                "use": key.used_for,
                "alg": key.algorithm,
                "stage": key.stage.as_str(),
                "created_at": key.created_at.seconds(),
                "used_from": key.used_from.seconds(),
                "stage_ends_at": key.stage.ends_at().map(Timestamp::seconds),
            })
        };
        return output::json(&keys.iter().map(described).collect::<Value>());
    }
    let row = |key: &Shown| {
        let stage = match key.stage.ends_at() {
            Some(at) => format!("{}, for {} more", key.stage.as_str(), span(at, now)),
            None => key.stage.as_str().to_owned(),
        };
        let age = span(now, key.created_at);
        vec![key.used_for.to_owned(), key.algorithm.clone(), key.kid.clone(), age, stage]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    output::table(&["FOR", "ALGORITHM", "KEY", "AGE", "STAGE"], &rows);
}

/// How long it is from one time to a later one, in words.
fn span(later: Timestamp, earlier: Timestamp) -> String {
    match later.since(earlier).as_secs() {
        seconds @ 0..120 => format!("{seconds} seconds"),
        seconds @ 120..7200 => format!("{} minutes", seconds / 60),
        seconds @ 7200..172_800 => format!("{} hours", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
