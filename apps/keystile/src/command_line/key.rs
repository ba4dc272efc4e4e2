//! `keystile key …`: the keys that the server signs with.

use clap::{Args, Subcommand};
use keystile_authority::keys::to_store;
use keystile_authority::policy::Policy;
use keystile_authority::ports::{Clock, Registry, Store};
use keystile_authority::records::StoredKey;
use keystile_protocol::jose::{Algorithm, SigningKey};
use keystile_protocol::seal::Seals;
use serde_json::{Value, json};

use super::{Format, Place};
use crate::clock::SystemClock;
use crate::node::master_keys;
use crate::refusal::{Outcome, refuse};
use crate::{entropy, output};

#[derive(Debug, Subcommand)]
pub(super) enum KeyCommand {
    /// List the keys that are published; the newest of each algorithm signs
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// Make new signing keys; those before stay published
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(super) struct Rotate {
    /// One algorithm alone: ES256, EdDSA, PS256 or RS256
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl KeyCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List { place, format } => {
                let (_, store) = place.open().await?;
                show(&store.keys().await?, format);
                Ok(())
            }
            Self::Rotate(rotate) => rotate.run().await,
        }
    }
}

impl Rotate {
    /// A running server works with the new keys within two seconds. A client that meets a key which
    /// it does not know fetches the published ones again.
    async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let algorithms = match &self.algorithm {
            None => settings.policy.signing_algorithms.clone(),
            Some(name) => vec![algorithm(name, &settings.policy)?],
        };
        let masters = master_keys(&settings, &store).await?;
        let seals = Seals::new(settings.policy.issuer.as_str(), masters);
        let mut made = Vec::new();
        for algorithm in algorithms {
            let generated = SigningKey::generate(algorithm)?;
            let key = to_store(generated, &seals, SystemClock.now(), entropy::random());
            store.rotate_key(&key).await?;
            made.push(key);
        }
        show(&made, self.format);
        Ok(())
    }
}

fn algorithm(name: &str, policy: &Policy) -> Outcome<Algorithm> {
    let Some(algorithm) = Algorithm::from_name(name) else {
        return refuse(format!("'{name}' is none of ES256, EdDSA, PS256 and RS256"));
    };
    if !policy.signing_algorithms.contains(&algorithm) {
        return refuse(format!(
            "{name} is switched off: see [keys] algorithms in the configuration"
        ));
    }
    Ok(algorithm)
}

fn show(keys: &[StoredKey], format: Format) {
    if format.json {
        let described = |key: &StoredKey| {
            json!({
                "kid": key.kid,
                "alg": key.algorithm,
                "created_at": key.created_at.seconds(),
            })
        };
        return output::json(&keys.iter().map(described).collect::<Value>());
    }
    let row = |key: &StoredKey| {
        vec![key.algorithm.to_string(), key.kid.clone(), key.created_at.seconds().to_string()]
    };
    output::table(&["ALGORITHM", "KEY", "MADE AT"], &keys.iter().map(row).collect::<Vec<_>>());
}
