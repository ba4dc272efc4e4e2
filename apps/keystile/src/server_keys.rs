//! The server's keys, which sign and decrypt: made when they are missing, and read again when they
//! change.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::Authority;
use keystile_authority::ports::{StoreError, Stored};
use keystile_protocol::jose::encryption::{DecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, SigningKey};
use keystile_store::Database;

use crate::refusal::{Outcome, Refusal};

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Loads the keys. Those that sign and are made in microseconds are made here, if they are missing.
pub async fn load(authority: &Authority) -> Outcome {
    let missing = load_all(authority).await?.into_iter().filter(|algorithm| !algorithm.is_rsa());
    let mut made = false;
    for algorithm in missing {
        made_once(authority.add_key(SigningKey::generate(algorithm)?).await)?;
        made = true;
    }
    if made {
        load_all(authority).await?;
    }
    Ok(())
}

async fn load_all(authority: &Authority) -> Outcome<Vec<Algorithm>> {
    let keys = authority.load_keys().await.map_err(|error| {
        Refusal::new(format!(
            "the keys cannot be loaded: {error} They are bound to the issuer too, which \
             is {} now.",
            authority.policy().issuer
        ))
    })?;
    Ok(keys.missing())
}

/// Another node that started at the same time was first: its key is as good as ours.
fn made_once(added: Stored<()>) -> Stored<()> {
    match added {
        Err(StoreError::Conflict(_)) => Ok(()),
        added => added,
    }
}

/// In the background: makes the other keys if they are missing, RSA keys in a tenth of a second
/// each, and loads the keys again whenever another process has changed something.
pub fn keep_up(authority: &Arc<Authority>, store: &Database) {
    let (authority, store) = (Arc::clone(authority), store.clone());
    tokio::spawn(async move {
        make_missing(&authority).await;
        let mut seen = None;
        loop {
            let changes = store.changes();
            if seen != Some(changes) {
                match authority.load_keys().await {
                    Ok(_) => seen = Some(changes),
                    Err(error) => tracing::error!(%error, "the keys cannot be loaded"),
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

async fn make_missing(authority: &Authority) {
    for algorithm in authority.keys().missing() {
        if let Err(problem) = make(authority, algorithm).await {
            tracing::error!("no {algorithm} key could be made: {}", problem.words());
        }
    }
    for key_type in authority.keys().missing_for_decryption() {
        if let Err(problem) = make_for_decryption(authority, key_type).await {
            let key_type = key_type.as_str();
            tracing::error!("no {key_type} key for decryption could be made: {}", problem.words());
        }
    }
}

async fn make(authority: &Authority, algorithm: Algorithm) -> Outcome {
    let key = tokio::task::spawn_blocking(move || SigningKey::generate(algorithm)).await??;
    made_once(authority.add_key(key).await)?;
    authority.load_keys().await?;
    tracing::info!(%algorithm, "a signing key is made");
    Ok(())
}

async fn make_for_decryption(authority: &Authority, key_type: KeyType) -> Outcome {
    let key = tokio::task::spawn_blocking(move || DecryptionKey::generate(key_type)).await??;
    made_once(authority.add_decryption_key(key).await)?;
    authority.load_keys().await?;
    tracing::info!(key_type = key_type.as_str(), "a key for decryption is made");
    Ok(())
}
