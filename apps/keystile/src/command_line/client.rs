//! `keystile client …`.

mod add;
mod describe;
mod logouts;
pub(super) mod rotate_secret;

use clap::{Args, Subcommand};
use keystile_authority::ports::{Registry, Store};
use keystile_authority::records::Client;
use keystile_protocol::ClientId;
use keystile_store::Database;
use serde_json::Value;

use super::{Format, Place};
use crate::output;
use crate::refusal::{Outcome, Refusal, refuse};
use crate::settings::Settings;
use describe::Origin;

#[derive(Debug, Subcommand)]
pub(super) enum ClientCommand {
    /// Register a client; a new secret is printed once
    Add(Box<add::Add>),
    /// List all clients
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// Show one client
    Show {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        format: Format,
    },
    /// Give a client a new secret, printed once; the old one goes on for a while
    RotateSecret(rotate_secret::RotateSecret),
    /// What became of the messages that told a client of a session's end
    Logouts {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        format: Format,
    },
    /// Remove a client; whatever was granted to it ends
    Remove {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        format: Format,
    },
}

/// Which client.
#[derive(Debug, Args)]
pub(super) struct Named {
    /// client_id
    #[arg(value_name = "CLIENT_ID")]
    id: String,
    #[command(flatten)]
    place: Place,
}

impl Named {
    fn id(&self) -> Outcome<ClientId> {
        ClientId::new(self.id.as_str())
            .map_err(|problem| Refusal::new(format!("'{}' is no client_id: {problem}", self.id)))
    }

    async fn client(&self, store: &Database) -> Outcome<Client> {
        match store.client(&self.id()?, true).await? {
            Some(client) => Ok((*client).clone()),
            None => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> Refusal {
        Refusal::new(format!("there is no client '{}'; see keystile client list", self.id))
    }
}

impl ClientCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Add(add) => add.run().await,
            Self::List { place, format } => list(&place, format).await,
            Self::Show { named, format } => show(&named, format).await,
            Self::RotateSecret(rotate) => rotate.run().await,
            Self::Logouts { named, format } => logouts::logouts(&named, format).await,
            Self::Remove { named, format } => remove(&named, format).await,
        }
    }
}

async fn list(place: &Place, format: Format) -> Outcome {
    let (settings, store) = place.open().await?;
    let clients = store.clients().await?;
    let with_origin = clients.iter().map(|client| (client, Origin::of(client, &settings)));
    if format.json {
        let all = with_origin.map(|(client, origin)| describe::json(client, origin));
        output::json(&all.collect::<Value>());
        return Ok(());
    }
    let rows: Vec<_> = with_origin.map(|(client, origin)| describe::row(client, origin)).collect();
    output::table(&["CLIENT_ID", "NAME", "KIND", "GRANT TYPES", "FROM"], &rows);
    Ok(())
}

async fn show(named: &Named, format: Format) -> Outcome {
    let (settings, store) = named.place.open().await?;
    let client = named.client(&store).await?;
    let described = describe::json(&client, Origin::of(&client, &settings));
    if format.json {
        output::json(&described);
    } else {
        describe::print(&described);
    }
    Ok(())
}

async fn remove(named: &Named, format: Format) -> Outcome {
    let (settings, store) = named.place.open().await?;
    not_configured(&named.id, &settings, "remove its [[clients]] table there first")?;
    if !store.remove_client(&named.id()?).await? {
        return Err(named.unknown());
    }
    if format.json {
        output::json(&serde_json::json!({ "removed": named.id }));
    } else {
        output::line(format!("The client '{}' is removed; its grants have ended.", named.id));
    }
    Ok(())
}

/// The configuration file is the truth about its clients: a change elsewhere would be undone at
/// the next start.
fn not_configured(id: &str, settings: &Settings, instead: &str) -> Outcome {
    match &settings.file {
        Some(file) if settings.configures_client(id) => {
            refuse(format!("the client '{id}' comes from {}: {instead}", file.display()))
        }
        _ => Ok(()),
    }
}
