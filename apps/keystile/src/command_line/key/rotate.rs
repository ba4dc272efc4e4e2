//! `keystile key rotate`.

use clap::Args;
use keystile_authority::at_rest::AtRest;
use keystile_authority::keys::{Kind, decryption_key_to_store, of_sort, placed, to_store};
use keystile_authority::policy::Policy;
use keystile_authority::ports::{Clock, Registry, Store};
use keystile_authority::records::{StoredDecryptionKey, StoredKey};
use keystile_authority::rules::key_schedule::{has_room, used_from};
use keystile_protocol::Timestamp;
use keystile_protocol::jose::encryption::{DecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, SigningKey};
use keystile_store::Database;

use super::super::{Format, Place};
use super::{Shown, at_rest, show};
use crate::clock::SystemClock;
use crate::entropy;
use crate::refusal::{Outcome, refuse};
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(in crate::command_line) struct Rotate {
    /// One algorithm alone: ES256, EdDSA, PS256 or RS256
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// The keys that others encrypt to, instead of those that sign
    #[arg(long, conflicts_with = "algorithm")]
    decryption: bool,
    /// Use the new keys at once; who has kept the key set without them has to fetch it again
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Rotate {
    /// A running server publishes the new keys within two seconds.
    pub(super) async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let at_rest = at_rest(&settings, &store).await?;
        let now = SystemClock.now();
        let made = if self.decryption {
            self.decrypting(&settings, &store, &at_rest, now).await?
        } else {
            self.signing(&settings, &store, &at_rest, now).await?
        };
        show(&made, now, self.format);
        Ok(())
    }

    async fn signing(
        &self,
        settings: &Settings,
        store: &Database,
        at_rest: &AtRest,
        now: Timestamp,
    ) -> Outcome<Vec<Shown>> {
        let algorithms = match &self.algorithm {
            None => settings.policy.signing_algorithms.clone(),
            Some(name) => vec![algorithm(name, &settings.policy)?],
        };
        let before = store.keys().await?;
        let mut made = Vec::new();
        for algorithm in algorithms {
            let from = self.begins(&before, algorithm, settings, now)?;
            let generated = SigningKey::generate(algorithm)?;
            let key = to_store(generated, at_rest, from, now, entropy::random());
            store.rotate_key(&key).await?;
            made.push(key.kid);
        }
        let all: Vec<StoredKey> = store.keys().await?;
        let all = placed(all, &settings.policy, now).into_iter().map(Shown::from);
        Ok(all.filter(|key| made.contains(&key.kid)).collect())
    }

    async fn decrypting(
        &self,
        settings: &Settings,
        store: &Database,
        at_rest: &AtRest,
        now: Timestamp,
    ) -> Outcome<Vec<Shown>> {
        let before = store.decryption_keys().await?;
        let mut made = Vec::new();
        for key_type in KeyType::ALL {
            let from = self.begins(&before, key_type, settings, now)?;
            let generated = DecryptionKey::generate(key_type)?;
            let key = decryption_key_to_store(generated, at_rest, from, now, entropy::random());
            store.rotate_decryption_key(&key).await?;
            made.push(key.kid);
        }
        let all: Vec<StoredDecryptionKey> = store.decryption_keys().await?;
        let all = placed(all, &settings.policy, now).into_iter().map(Shown::from);
        Ok(all.filter(|key| made.contains(&key.kid)).collect())
    }

    fn begins<K: Kind>(
        &self,
        keys: &[K],
        sort: K::Sort,
        settings: &Settings,
        now: Timestamp,
    ) -> Outcome<Timestamp> {
        let times = of_sort(keys, sort, &settings.policy);
        if !has_room(&times) {
            return refuse(
                "there are too many keys of one algorithm already; they go by themselves when what \
                 they signed has expired ('keystile key list' shows when)",
            );
        }
        if self.now {
            return Ok(now);
        }
        Ok(used_from(&times, &K::schedule(&settings.policy), now))
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
