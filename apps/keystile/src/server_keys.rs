//! The server's keys, which sign and decrypt: made in their time, read again when they change, and
//! taken away when nothing needs them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_authority::Authority;
use keystile_authority::endpoints::KeyWork;
use keystile_authority::keys::Keys;
use keystile_authority::ports::StoreError;
use keystile_protocol::jose::encryption::{DecryptionKey, KeyType};
use keystile_protocol::jose::{Algorithm, SigningKey};
use keystile_store::Database;

use crate::refusal::{Outcome, Refusal};

/// The store's counter of changes is a second old at most: two seconds in all.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks whether there is something to do.
const WORK_EVERY: Duration = Duration::from_secs(5);

/// What tells that keys have changed: the store's count of changes, and the master keys' round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(i64, u32);

impl Seen {
    fn now(authority: &Authority, store: &Database) -> Self {
        Self(store.changes(), authority.masters().round())
    }
}

/// Loads the keys, and says what they were loaded by. Those that are made in microseconds are made
/// here, if they are missing.
pub async fn load(authority: &Authority, store: &Database) -> Outcome<Seen> {
    let seen = Seen::now(authority, store);
    authority.note_master_keys().await?;
    let keys = load_all(authority).await?;
    let mut made = false;
    for algorithm in keys.missing().into_iter().filter(|algorithm| !algorithm.is_rsa()) {
        is_added(authority.add_key(SigningKey::generate(algorithm)?).await)?;
        made = true;
    }
    for key_type in keys.missing_for_decryption().into_iter().filter(|of| *of != KeyType::Rsa) {
        is_added(authority.add_decryption_key(DecryptionKey::generate(key_type)?).await)?;
        made = true;
    }
    if made {
        load_all(authority).await?;
    }
    Ok(seen)
}

async fn load_all(authority: &Authority) -> Outcome<Arc<Keys>> {
    let keys = authority.load_keys().await.map_err(|error| {
        Refusal::new(format!(
            "the keys cannot be loaded: {error}. Is this the master key that the store was made \
             with? ('keystile key master list' shows which it needs.)"
        ))
    })?;
    Ok(keys)
}

/// Of nodes that start together one makes the key. False: another did.
fn is_added(added: Result<(), StoreError>) -> Result<bool, StoreError> {
    match added {
        Err(StoreError::Conflict(_)) => Ok(false),
        added => added.map(|()| true),
    }
}

/// In the background: makes the other keys if they are missing, RSA keys in a tenth of a second
/// each; loads the keys again whenever another process has changed something or one comes to
/// another stage of its life; and looks after them. `seen`: what the keys are loaded by.
pub fn keep_up(authority: &Arc<Authority>, store: &Database, seen: Seen) {
    let (authority, store) = (Arc::clone(authority), store.clone());
    tokio::spawn(async move {
        make_missing(&authority).await;
        let (mut seen, mut trouble) = (seen, None);
        let mut worked_at = Instant::now();
        loop {
            authority.masters().reread();
            let found = Seen::now(&authority, &store);
            if seen != found || authority.keys_are_due() {
                match authority.load_keys().await {
                    Ok(_) => (seen, trouble) = (found, None),
                    Err(error) => complain(&mut trouble, &error.to_string()),
                }
            }
            if worked_at.elapsed() >= WORK_EVERY {
                worked_at = Instant::now();
                if let Err(problem) = look_after(&authority).await {
                    complain(&mut trouble, problem.words());
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    });
}

/// In the log once, and not each second.
fn complain(trouble: &mut Option<String>, problem: &str) {
    if trouble.as_deref() != Some(problem) {
        tracing::error!("the server's keys: {problem}");
        *trouble = Some(problem.to_owned());
    }
}

async fn look_after(authority: &Authority) -> Outcome {
    authority.note_master_keys().await?;
    if authority.key_work().await?.is_none() || !authority.take_turn_with_keys().await? {
        return Ok(());
    }
    // Asked again: whoever had the turn before may have done it.
    let KeyWork { sign, decrypt, change } = authority.key_work().await?;
    for algorithm in sign {
        make(authority, algorithm).await?;
    }
    for key_type in decrypt {
        make_for_decryption(authority, key_type).await?;
    }
    if !change.is_nothing() {
        for (kid, since) in &change.unused_since {
            let what = if since.is_some() { "off: it goes by itself" } else { "on again" };
            tracing::info!(kid, "the algorithm of a signing key is {what}");
        }
        if !change.removed.is_empty() {
            tracing::info!(kids = ?change.removed, "keys that nothing needs any more are gone");
        }
        authority.change_keys(change).await?;
    }
    Ok(())
}

async fn make_missing(authority: &Authority) {
    // RS256 first, which ID tokens are signed with where a client says nothing.
    for algorithm in authority.keys().missing().into_iter().rev() {
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
    let kid = key.key.kid().to_owned();
    if is_added(authority.add_key(key).await)? {
        tracing::info!(%algorithm, kid, "a signing key is made");
    }
    authority.load_keys().await?;
    Ok(())
}

async fn make_for_decryption(authority: &Authority, key_type: KeyType) -> Outcome {
    let key = tokio::task::spawn_blocking(move || DecryptionKey::generate(key_type)).await??;
    let kid = key.key.kid().to_owned();
    if is_added(authority.add_decryption_key(key).await)? {
        tracing::info!(key_type = key_type.as_str(), kid, "a key for decryption is made");
    }
    authority.load_keys().await?;
    Ok(())
}
