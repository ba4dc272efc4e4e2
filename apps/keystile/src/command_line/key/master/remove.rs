//! `keystile key master remove`.

use std::path::Path;

use clap::Args;
use keystile_authority::ports::{Clock, KeysAtRest};
use keystile_authority::rules::master_key::{NOTED_EVERY, Need};

use super::Masters;
use super::list::words;
use crate::clock::SystemClock;
use crate::command_line::Place;
use crate::master_key::{VARIABLE, write_file};
use crate::output;
use crate::refusal::{Outcome, refuse};

#[derive(Debug, Args)]
pub(in crate::command_line) struct Remove {
    /// Its id, as 'keystile key master list' shows it
    id: u8,
    /// It may be in other hands: take it away though tokens need it, which end
    #[arg(long)]
    compromised: bool,
    #[command(flatten)]
    place: Place,
}

impl Remove {
    pub(super) async fn run(self) -> Outcome {
        let mut masters = Masters::open(&self.place).await?;
        let path = masters.begin_change()?;
        let needs = masters.needs().await?;
        let Some((_, need)) = needs.iter().find(|(id, _)| *id == self.id && masters.has(*id))
        else {
            return refuse(format!("there is no master key {}", self.id));
        };
        let now = SystemClock.now();
        match need {
            Need::Seals => return refuse("it seals: 'keystile key master rotate' comes first"),
            Need::KeysAtRest(_) => {
                return refuse(format!("{}: 'keystile key master use' first", words(*need, now)));
            }
            Need::Outstanding(_) if !self.compromised => {
                return refuse(format!(
                    "{}. Up to {} grants would end (--compromised ends them)",
                    words(*need, now),
                    self.grants(&masters).await?,
                ));
            }
            Need::Outstanding(_) | Need::Nothing => {}
        }
        let ended = match need {
            Need::Outstanding(_) => Some(self.grants(&masters).await?),
            _ => None,
        };
        self.take_away(&mut masters, path.as_deref()).await?;
        if let Some(grants) = ended {
            output::line(format!(
                "What was made with it is refused: the refresh tokens of up to {grants} grants, opaque \
                 access tokens, codes and logins under way. Sessions and signed tokens live on."
            ));
        }
        if self.compromised {
            output::line(
                "Who has it and a copy of the database of its time has the signing keys of then too: \
                 if that may be, 'keystile key rotate --now', and 'keystile key retire KID \
                 --compromised' for each key of before.",
            );
        }
        Ok(())
    }

    /// Grants from when it was in use.
    async fn grants(&self, masters: &Masters) -> Outcome<u64> {
        let known = masters.store.master_keys().await?;
        let now = SystemClock.now();
        let until = Masters::sealed_at(&known, self.id).unwrap_or(now).plus(NOTED_EVERY);
        Ok(masters.store.grants_from_before(until, now).await?)
    }

    async fn take_away(&self, masters: &mut Masters, path: Option<&Path>) -> Outcome {
        let Some(path) = path else {
            output::line(format!(
                "Take the key {} out of {VARIABLE} and start every process anew.",
                self.id
            ));
            return Ok(());
        };
        masters.keys.retain(|key| key.id != self.id);
        write_file(path, &masters.keys)?;
        masters.store.forget_master_key(self.id).await?;
        output::line(format!("The master key {} is gone from {}.", self.id, path.display()));
        Ok(())
    }
}
