//! `keystile store …`: the store as a whole.

use std::path::Path;

use clap::{Args, Subcommand};
use keystile_authority::ports::Clock;
use keystile_store::postgres::{Address, move_here};
use keystile_store::sqlite::{Departure, Options};
use serde_json::{Value, json};

use super::{Format, Place};
use crate::clock::SystemClock;
use crate::master_key::Origin;
use crate::output;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::settings::{Settings, StorePlace};

use super::restore::where_it_is;

/// The variable that PostgreSQL's own programs take a password from.
const PASSWORD: &str = "PGPASSWORD";

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Move everything from SQLite to an empty database of PostgreSQL; the server has to be stopped
    Move(Move),
    /// Serve a store again that was moved away, as it was then
    Reopen {
        #[command(flatten)]
        place: Place,
    },
    /// Refuse codes, pages and browsers of before, after a restore by other means than 'restore'
    NewEpoch {
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, Args)]
pub(super) struct Move {
    /// The database: postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl StoreCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Move(command) => command.run().await,
            Self::Reopen { place } => reopen(&place),
            Self::NewEpoch { place } => {
                let (_, store) = place.open().await?;
                store.raise_epoch(SystemClock.now()).await?;
                output::line("Codes, pages and browsers of before are refused.");
                Ok(())
            }
        }
    }
}

impl Move {
    async fn run(self) -> Outcome {
        let settings = self.place.settings()?;
        let password = std::env::var(PASSWORD).ok();
        let to = Address::parse(&self.to, password.as_deref())
            .map_err(|words| Refusal::new(format!("--to: {words}")))?;
        let path = file_of(&settings)?;
        let from = Departure::begin(path, Options::default())?;
        let moved = move_here(&from, &to, SystemClock.now()).await.map_err(|error| {
            Refusal::new(format!(
                "{error}. Nothing was moved. If {} says that it was, 'keystile store reopen' serves \
                 it again",
                path.display()
            ))
        })?;
        if self.format.json {
            let tables = moved.tables.iter().map(|(table, rows)| json!([table, rows]));
            output::json(&json!({
                "moved_to": to.shown(),
                "was_there": moved.was_there,
                "rows": tables.collect::<Value>(),
            }));
            return Ok(());
        }
        let rows: Vec<_> = moved
            .tables
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(table, rows)| vec![(*table).to_owned(), rows.to_string()])
            .collect();
        output::table(&["TABLE", "ROWS"], &rows);
        if moved.was_there {
            output::line("A move of before had brought it there already.");
        }
        output::line(format!(
            "All of it is in {}. {} is as it was, and is not served any more.",
            to.shown(),
            path.display()
        ));
        output::line(format!(
            "Now set 'url' in [store]. The master key stays the same, on each server: {}.",
            where_it_is(&Origin::of(&settings))
        ));
        Ok(())
    }
}

fn reopen(place: &Place) -> Outcome {
    let settings = place.settings()?;
    let path = file_of(&settings)?;
    if !Departure::cancel(path, Options::default())? {
        return refuse(format!("the store {} was not moved", path.display()));
    }
    output::line(format!(
        "{} can be served again, as it was when it was moved. Do not serve the other one beside it.",
        path.display()
    ));
    Ok(())
}

/// The file of a store in SQLite.
pub(super) fn file_of(settings: &Settings) -> Outcome<&Path> {
    match &settings.store {
        StorePlace::File(path) => Ok(path),
        StorePlace::Postgres(_) => refuse(format!(
            "the store is {}: PostgreSQL has its own means for this, such as pg_basebackup and \
             pg_dump. After a restore by them, 'keystile store new-epoch' refuses what was under way.",
            settings.store
        )),
    }
}
