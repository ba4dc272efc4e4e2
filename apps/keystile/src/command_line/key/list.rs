//! `keystile key list`.

use clap::Args;
use keystile_authority::keys::placed;
use keystile_authority::ports::{Clock, Store};

use super::super::{Format, Place};
use super::{Shown, show};
use crate::clock::SystemClock;
use crate::refusal::Outcome;

#[derive(Debug, Args)]
pub(in crate::command_line) struct List {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl List {
    /// The keys stay encrypted: no master key is needed for this.
    pub(super) async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let (policy, now) = (&settings.policy, SystemClock.now());
        let mut keys: Vec<Shown> =
            placed(store.keys().await?, policy, now).into_iter().map(Shown::from).collect();
        let decrypting = placed(store.decryption_keys().await?, policy, now);
        keys.extend(decrypting.into_iter().map(Shown::from));
        show(&keys, now, self.format);
        Ok(())
    }
}
