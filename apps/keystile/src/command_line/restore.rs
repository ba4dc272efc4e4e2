//! `keystile restore`: a backup takes the place of the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use keystile_authority::at_rest::AtRest;
use keystile_authority::keys::Keys;
use keystile_authority::ports::{Clock, Kept};
use keystile_protocol::seal::{MasterKey, MasterKeys};
use keystile_store::sqlite::{Options, Restore as StoreRestore, StoreCopy};
use serde_json::json;

use super::store::file_of;
use super::{Format, Place};
use crate::clock::SystemClock;
use crate::master_key::{self, Origin};
use crate::refusal::{Outcome, Refusal, refuse};
use crate::serve::absolute;
use crate::settings::Settings;
use crate::{output, private_file};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// What 'keystile backup' wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The master keys of the backup, where the server has none yet
    #[arg(long, value_name = "FILE")]
    master_key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Restore {
    pub(super) fn run(self) -> Outcome {
        let settings = self.place.settings()?;
        let store = file_of(&settings)?;
        let now = SystemClock.now();
        let mut restore = StoreRestore::prepare(&self.from, store, now, Options::default())?;
        let missing = self.master_keys(&settings, restore.copy())?;
        let contents = restore.copy().contents()?;
        // The key goes first: a store without it could not be served.
        if let Some((path, text)) = missing {
            private_file::create(&path, &text)?;
        }
        let aside = restore.finish(now)?;
        if self.format.json {
            output::json(&json!({
                "restored": store,
                "before": aside,
                "clients": contents.clients,
                "accounts": contents.accounts,
                "grants": contents.grants,
            }));
            return Ok(());
        }
        output::line(format!(
            "{} has {} clients, {} accounts and {} grants.",
            store.display(),
            contents.clients,
            contents.accounts,
            contents.grants,
        ));
        output::line(
            "Codes and logins that were under way are refused, and people sign in again; what apps \
             were granted stays.",
        );
        if let Some(aside) = aside {
            output::line(format!("The store of before is {}.", aside.display()));
        }
        Ok(())
    }

    /// Whether the server will be able to read the keys in the copy; and the file that has to be
    /// made for that, if there is none.
    fn master_keys(
        &self,
        settings: &Settings,
        copy: &mut StoreCopy,
    ) -> Outcome<Option<(PathBuf, String)>> {
        let origin = Origin::of(settings);
        let place = where_it_is(&origin);
        if let (Origin::Beside(path), None) = (&origin, origin.read()?) {
            let Some(given) = &self.master_key else {
                return refuse(format!(
                    "there is no master key: {place} is missing. Give the one of the backup with \
                     --master-key FILE."
                ));
            };
            let masters = read(given)?;
            open_keys(settings, copy, masters.clone())?;
            return Ok(Some((path.clone(), master_key::text(&masters))));
        }
        let masters = origin.read()?.unwrap_or_default();
        match open_keys(settings, copy, masters) {
            Ok(()) => Ok(None),
            Err(refusal) => refuse(format!(
                "the backup was made with another master key than that in {place}, where the \
                 server finds it: {} Put the backup's key there first, or restore to another place.",
                refusal.words()
            )),
        }
    }
}

/// The place of the master keys, for a person.
pub(super) fn where_it_is(origin: &Origin) -> String {
    origin.path().map_or_else(|| master_key::VARIABLE.to_owned(), absolute)
}

fn read(path: &Path) -> Outcome<Vec<MasterKey>> {
    master_key::from_file(path)?
        .ok_or_else(|| Refusal::new(format!("there is no {}", path.display())))
}

/// Whether these master keys open the keys in the copy of a store.
pub(super) fn open_keys(
    settings: &Settings,
    copy: &mut StoreCopy,
    masters: Vec<MasterKey>,
) -> Outcome {
    let (policy, masters) = (&settings.policy, Arc::new(MasterKeys::fixed(masters)));
    let at_rest = AtRest::of_kept(copy.kept(Kept::Name)?, &policy.issuer, masters)?;
    let (signing, decrypting) = (copy.keys()?, copy.decryption_keys()?);
    Keys::open(signing, decrypting, &at_rest, policy, SystemClock.now())?;
    if let Some(sealed) = copy.kept(Kept::PairwiseKey)? {
        at_rest.open_pairwise(&sealed)?;
    }
    Ok(())
}
