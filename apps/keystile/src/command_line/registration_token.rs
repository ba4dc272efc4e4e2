//! `keystile registration-token …`: initial access tokens (RFC 7591 section 3).

use std::time::Duration;

use clap::{Args, Subcommand};
use keystile_authority::policy::RegistrationMode;
use keystile_authority::ports::{Clock, Registrations};
use keystile_authority::registered::InitialAccessToken;
use keystile_protocol::Timestamp;
use serde_json::{Value, json};

use super::client::rotate_secret::parse_time;
use super::{Format, Place};
use crate::clock::SystemClock;
use crate::entropy::client_secret;
use crate::output;
use crate::refusal::{Outcome, refuse};

#[derive(Debug, Subcommand)]
pub(super) enum RegistrationTokenCommand {
    /// Make a token with which clients register themselves; it is printed once
    Create(Create),
    /// List the tokens that can still be used
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
    /// End a token; clients that were registered with it stay
    Revoke {
        /// What 'list' calls it
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        format: Format,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// How many clients it can register
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// How long it can be used, such as 24h, 30m or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    expires: Duration,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl RegistrationTokenCommand {
    pub(super) async fn run(self) -> Outcome {
        match self {
            Self::Create(create) => create.run().await,
            Self::List { place, format } => list(&place, format).await,
            Self::Revoke { name, place, format } => revoke(&name, &place, format).await,
        }
    }
}

impl Create {
    async fn run(self) -> Outcome {
        let (settings, store) = self.place.open().await?;
        let secret = client_secret();
        let (digest, now) = (secret.digest(), SystemClock.now());
        let token = InitialAccessToken {
            name: name_of(&digest),
            created_at: now,
            expires_at: now.plus(self.expires),
            uses_left: self.uses,
        };
        store.add_initial_access_token(digest, &token).await?;
        if self.format.json {
            let mut described = described(&token);
            described["token"] = secret.expose().into();
            output::json(&described);
            return Ok(());
        }
        output::line(format!("name   {}", token.name));
        output::line(format!("token  {}", secret.expose()));
        output::line("The token is shown this once; only its digest is kept.");
        if settings.policy.registration.mode == RegistrationMode::Off {
            output::line("Registration is off: '[registration] mode = \"token\"' turns it on.");
        }
        Ok(())
    }
}

/// The beginning of its digest tells nothing of the token.
fn name_of(digest: &[u8; 32]) -> String {
    let [a, b, c, d, ..] = *digest;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

async fn list(place: &Place, format: Format) -> Outcome {
    let (_, store) = place.open().await?;
    let now = SystemClock.now();
    let tokens = store.initial_access_tokens(now).await?;
    if format.json {
        output::json(&tokens.iter().map(described).collect::<Value>());
        return Ok(());
    }
    let row = |token: &InitialAccessToken| {
        let left = token.expires_at.since(now).as_secs();
        vec![token.name.clone(), token.uses_left.to_string(), format!("in {left} s")]
    };
    let rows: Vec<_> = tokens.iter().map(row).collect();
    output::table(&["NAME", "USES LEFT", "EXPIRES"], &rows);
    Ok(())
}

async fn revoke(name: &str, place: &Place, format: Format) -> Outcome {
    let (_, store) = place.open().await?;
    if !store.revoke_initial_access_token(name).await? {
        return refuse(format!("there is no token '{name}'; see keystile registration-token list"));
    }
    if format.json {
        output::json(&json!({ "revoked": name }));
    } else {
        output::line(format!("The token '{name}' has ended."));
    }
    Ok(())
}

fn described(token: &InitialAccessToken) -> Value {
    json!({
        "name": token.name,
        "uses_left": token.uses_left,
        "created_at": Timestamp::seconds(token.created_at),
        "expires_at": Timestamp::seconds(token.expires_at),
    })
}
