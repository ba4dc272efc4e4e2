//! `keystile key master …`: the master keys, one following another.

mod change;
mod list;
mod remove;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use keystile_authority::at_rest::kept_under;
use keystile_authority::ports::{Clock, KeysAtRest};
use keystile_authority::rules::master_key::{KnownMasterKey, Need, need};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::MasterKey;
use keystile_store::Database;

use super::super::{Format, Place};
use crate::clock::SystemClock;
use crate::master_key::Origin;
use crate::node::master_keys;
use crate::refusal::{Outcome, Refusal};
use crate::settings::Settings;

#[derive(Debug, Subcommand)]
pub(in crate::command_line) enum MasterCommand {
    /// List the master keys and what each is needed for
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// Make a new one that opens and does not seal yet, for files that are copied to other machines
    Add(Where),
    /// Seal with one from now on, and encrypt the keys in the store under it
    Use {
        /// Its id; the first, where the environment holds them
        id: Option<u8>,
        #[command(flatten)]
        place: Where,
    },
    /// Make a new one, let every process read it, and use it
    Rotate(Where),
    /// Take one away that nothing needs any more
    Remove(remove::Remove),
}

#[derive(Debug, Args)]
pub(in crate::command_line) struct Where {
    #[command(flatten)]
    place: Place,
}

impl MasterCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::List { place, format } => list::run(&Masters::open(&place).await?, format).await,
            Self::Add(at) => change::add(&mut Masters::open(&at.place).await?).await,
            Self::Use { id, place } => {
                change::use_key(&mut Masters::open(&place.place).await?, id).await
            }
            Self::Rotate(at) => change::rotate(&mut Masters::open(&at.place).await?).await,
            Self::Remove(remove) => remove.run().await,
        }
    }
}

/// The master keys, and the store that they are of.
struct Masters {
    settings: Settings,
    store: Database,
    origin: Origin,
    keys: Vec<MasterKey>,
    /// Held while the file is changed.
    lock: Option<std::fs::File>,
}

impl Masters {
    async fn open(place: &Place) -> Outcome<Self> {
        let (settings, store) = place.open().await?;
        let origin = Origin::of(&settings);
        let keys = master_keys(&settings, &store).await?.now().to_vec();
        Ok(Self { settings, store, origin, keys, lock: None })
    }

    /// The file, which no other command changes from now on; nothing if there is none to change.
    fn begin_change(&mut self) -> Outcome<Option<PathBuf>> {
        let Some(path) = self.origin.path().map(Path::to_owned) else { return Ok(None) };
        if self.lock.is_none() {
            self.lock = Some(crate::master_key::lock(&path)?);
            self.keys = self.origin.read()?.unwrap_or_default();
        }
        Ok(Some(path))
    }

    fn first(&self) -> Outcome<&MasterKey> {
        self.keys.first().ok_or_else(|| Refusal::new("there is no master key"))
    }

    /// Each key at hand and each that the store needs, with what it is needed for.
    async fn needs(&self) -> Outcome<Vec<(u8, Need)>> {
        let (known, kept) = (self.store.master_keys().await?, kept_under(&self.store).await?);
        let mut ids: Vec<u8> = self.keys.iter().map(|key| key.id).collect();
        ids.extend(kept.iter().map(|(id, _)| *id).filter(|id| !self.has(*id)));
        let need_of = |id: u8| {
            let sealed_at = Self::sealed_at(&known, id);
            let kept = kept.iter().find(|(of, _)| *of == id).map_or(0, |(_, count)| *count);
            let seals = self.keys.first().is_some_and(|first| first.id == id);
            need(sealed_at, seals, kept, &self.settings.policy.lifetimes, SystemClock.now())
        };
        Ok(ids.into_iter().map(|id| (id, need_of(id))).collect())
    }

    /// What an unknown key was used for nobody can tell: it may have sealed until now.
    fn sealed_at(known: &[KnownMasterKey], id: u8) -> Option<Timestamp> {
        match known.iter().find(|key| key.id == id) {
            Some(key) => key.sealed_at,
            None => Some(SystemClock.now()),
        }
    }

    fn has(&self, id: u8) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }
}
