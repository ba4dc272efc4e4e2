//! `keystile key master add`, `use` and `rotate`.

use std::sync::Arc;
use std::time::Duration;

use keystile_authority::at_rest::{AtRest, reseal};
use keystile_authority::ports::{Clock, KeysAtRest};
use keystile_authority::rules::master_key::{KnownMasterKey, new_id};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::{MasterKey, MasterKeys};

use super::Masters;
use crate::clock::SystemClock;
use crate::master_key::{VARIABLE, new_key, write_file};
use crate::refusal::{Outcome, Refusal, refuse};
use crate::{entropy, output};

/// Every process looks at the file each second.
const ALL_HAVE_READ_IT: Duration = Duration::from_secs(3);

/// Puts a new key behind the others.
pub(super) async fn add(masters: &mut Masters) -> Outcome {
    let key = made(masters).await?;
    if let Some(path) = masters.origin.path() {
        output::line(format!("{} has the new key {}, which opens only.", path.display(), key.id));
        output::line("Copy the file to every machine, then: keystile key master use");
        return Ok(());
    }
    output::line(format!("Put this into {VARIABLE}, behind what is there:"));
    output::line(key.word());
    output::line(
        "When every process has been started anew with it, put it before the others, start them anew \
         once more, and then: keystile key master use",
    );
    Ok(())
}

async fn made(masters: &mut Masters) -> Outcome<MasterKey> {
    let path = masters.begin_change()?;
    let known = masters.store.master_keys().await?;
    let used = masters.keys.iter().map(|key| key.id).chain(known.iter().map(|key| key.id));
    let id = new_id(used).ok_or_else(|| {
        Refusal::new("there is no id left for another master key: remove one of those before")
    })?;
    let key = new_key(id);
    // As long as the oldest key is the last one: subjects hang on it until theirs is kept.
    let now = SystemClock.now();
    at_rest(masters).await?.pairwise(&masters.store, now, entropy::random()).await?;
    // First of all: a key that is noted here by this command is known to have sealed nothing.
    note(masters, &key, None).await?;
    masters.keys.push(key.clone());
    if let Some(path) = path {
        write_file(&path, &masters.keys)?;
    }
    Ok(key)
}

/// Makes a new key and uses it, where one file is all that there is to change.
pub(super) async fn rotate(masters: &mut Masters) -> Outcome {
    let Some(path) = masters.begin_change()? else {
        return refuse(format!(
            "the master keys are in {VARIABLE}, which this command cannot change: see 'keystile key \
             master add'"
        ));
    };
    let key = made(masters).await?;
    output::line(format!("{} has the new key {}.", path.display(), key.id));
    tokio::time::sleep(ALL_HAVE_READ_IT).await;
    use_key(masters, Some(key.id)).await
}

/// Has a key seal, and encrypts all keys in the store under it.
pub(super) async fn use_key(masters: &mut Masters, id: Option<u8>) -> Outcome {
    let before = masters.first()?.clone();
    // Without a name the newest is meant: the one that was added last.
    let newest = match masters.origin.path() {
        None => before.id,
        Some(_) => masters.keys.last().map_or(before.id, |key| key.id),
    };
    let chosen = id.unwrap_or(newest);
    if chosen != before.id {
        put_first(masters, chosen)?;
    }
    let now = SystemClock.now();
    let first = masters.first()?.clone();
    note(masters, &first, Some(now)).await?;
    if first.id != before.id {
        note(masters, &before, Some(now)).await?;
    }
    let count = encrypt_anew(masters, now).await?;
    output::line(format!("The master key {} seals, and is that of {count} more keys.", first.id));
    if masters.keys.len() > 1 {
        output::line("The others open what is out: 'keystile key master list' shows until when.");
    }
    Ok(())
}

fn put_first(masters: &mut Masters, chosen: u8) -> Outcome {
    let path = masters.begin_change()?;
    let Some(at) = masters.keys.iter().position(|key| key.id == chosen) else {
        return refuse(format!("there is no master key {chosen}: see 'keystile key master list'"));
    };
    let Some(path) = path else {
        return refuse(format!("put the key {chosen} before the others in {VARIABLE} first"));
    };
    masters.keys[..=at].rotate_right(1);
    write_file(&path, &masters.keys)
}

async fn encrypt_anew(masters: &Masters, now: Timestamp) -> Outcome<usize> {
    let at_rest = at_rest(masters).await?;
    let resealed = reseal(&masters.store, &at_rest, now, entropy::random).await?;
    let count = resealed.len();
    if count > 0 {
        masters.store.reseal(resealed).await?;
    }
    Ok(count)
}

async fn at_rest(masters: &Masters) -> Outcome<AtRest> {
    let keys = Arc::new(MasterKeys::fixed(masters.keys.clone()));
    Ok(AtRest::of(&masters.store, &masters.settings.policy.issuer, keys).await?)
}

async fn note(masters: &Masters, key: &MasterKey, sealed_at: Option<Timestamp>) -> Outcome {
    let proof = MasterKeys::fixed(vec![key.clone()]).proof(key.id);
    let proof = proof.ok_or_else(|| Refusal::new("the master key cannot be used"))?;
    let noted = KnownMasterKey { id: key.id, proof, sealed_at };
    if masters.store.note_master_key(noted).await?.proof == proof {
        return Ok(());
    }
    refuse(format!(
        "the master key {} is not the one that the processes on this store have: every process needs \
         the same master keys",
        key.id
    ))
}
