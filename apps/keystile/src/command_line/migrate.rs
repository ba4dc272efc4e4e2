//! `keystile migrate`: brings the store's tables up to date, or says what that would do.

use clap::Args;
use keystile_store::{MigrationPlan, postgres, sqlite};
use serde_json::{Value, json};

use super::{Format, Place};
use crate::node::open_store;
use crate::output;
use crate::refusal::{Outcome, Refusal};
use crate::settings::StorePlace;

#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// Say what would be done, and do nothing
    #[arg(long)]
    plan: bool,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Migrate {
    pub(super) async fn run(self) -> Outcome {
        let settings = self.place.settings()?;
        let plan = plan(&settings.store).await.map_err(|words| {
            Refusal::new(format!("the store {} cannot be read: {words}", settings.store))
        })?;
        if !self.plan {
            open_store(&settings).await?;
        }
        if self.format.json {
            output::json(&described(&plan, !self.plan));
        } else {
            tell(&plan, !self.plan);
        }
        Ok(())
    }
}

async fn plan(store: &StorePlace) -> Result<MigrationPlan, String> {
    match store {
        StorePlace::File(path) => {
            sqlite::plan(path, sqlite::Options::default()).map_err(|error| error.to_string())
        }
        StorePlace::Postgres(address) => {
            postgres::plan(address).await.map_err(|error| error.to_string())
        }
    }
}

fn described(plan: &MigrationPlan, done: bool) -> Value {
    let migrations = plan.ahead.iter().map(|ahead| {
        json!({
            "version": ahead.version,
            "name": ahead.name,
            "meaning": ahead.meaning,
            "readable_by": ahead.readable_by,
        })
    });
    json!({
        "at": plan.at,
        "known": plan.known,
        "readable_by": plan.readable_by,
        "migrations": migrations.collect::<Value>(),
        "done": done,
    })
}

fn tell(plan: &MigrationPlan, done: bool) {
    let Some(last) = plan.ahead.last() else {
        output::line(if plan.readable_by > plan.known {
            format!("The store is for programs that know migration {}.", plan.readable_by)
        } else {
            format!("Nothing to do: the store has migration {}.", plan.at)
        });
        return;
    };
    for ahead in &plan.ahead {
        output::line(format!("V{} {}: {}", ahead.version, ahead.name, ahead.meaning));
    }
    let (is, can) = if done { ("is", "can") } else { ("will be", "will be able to") };
    output::line(format!(
        "The store {is} at V{}. Programs that know V{} {can} work on it, also beside this one{}.",
        last.version,
        last.readable_by,
        if plan.at != 0 && plan.at < last.readable_by { "; those of before cannot" } else { "" },
    ));
}
