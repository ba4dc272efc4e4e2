//! `keystile backup`: a copy of the store while it is served.

use std::path::PathBuf;

use clap::Args;
use keystile_protocol::seal::MasterKey;
use keystile_store::sqlite::{Options, StoreCopy};
use serde_json::json;

use super::restore::{open_keys, where_it_is};
use super::store::file_of;
use super::{Format, Place};
use crate::master_key::{self, Origin};
use crate::refusal::{Outcome, refuse};
use crate::settings::Settings;
use crate::{output, private_file};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The new file; one that is there is not replaced
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Write the master keys too, apart from the backup
    #[arg(long, value_name = "FILE")]
    with_master_key: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Backup {
    pub(super) fn run(self) -> Outcome {
        let settings = self.place.settings()?;
        if let Some(path) = self.with_master_key.as_ref().filter(|path| path.exists()) {
            return refuse(format!("{} is there already", path.display()));
        }
        let mut copy = StoreCopy::of_store(file_of(&settings)?, &self.to, Options::default())?;
        let contents = copy.contents()?;
        // After the copy: a key that was made meanwhile is not in it, but an older one may be.
        let masters = self.with_master_key.as_ref().map(|_| masters_of(&settings, &mut copy));
        let masters = masters.transpose()?;
        copy.place(&self.to)?;
        if let (Some(path), Some(masters)) = (&self.with_master_key, masters) {
            private_file::create(path, &master_key::text(&masters))?;
        }
        if self.format.json {
            output::json(&json!({
                "backup": self.to,
                "master_key": self.with_master_key,
                "clients": contents.clients,
                "accounts": contents.accounts,
                "grants": contents.grants,
                "sessions": contents.sessions,
            }));
            return Ok(());
        }
        output::line(format!(
            "{} holds {} clients, {} accounts, {} grants and {} sessions.",
            self.to.display(),
            contents.clients,
            contents.accounts,
            contents.grants,
            contents.sessions,
        ));
        output::line(match &self.with_master_key {
            Some(path) => format!(
                "The master key is not in it: it is in {}. Keep the two apart.",
                path.display()
            ),
            None => format!(
                "The master key is not in it, and without it the backup is of no use: keep a copy \
                 of {} elsewhere, or write one with --with-master-key FILE.",
                where_it_is(&Origin::of(&settings))
            ),
        });
        Ok(())
    }
}

/// The master keys, if they open what is in the copy.
fn masters_of(settings: &Settings, copy: &mut StoreCopy) -> Outcome<Vec<MasterKey>> {
    let origin = Origin::of(settings);
    let Some(masters) = origin.read()? else {
        return refuse(format!("there is no master key: {} is missing", where_it_is(&origin)));
    };
    copy.must_be_up_to_date(file_of(settings)?)?;
    open_keys(settings, copy, masters.clone())?;
    Ok(masters)
}
