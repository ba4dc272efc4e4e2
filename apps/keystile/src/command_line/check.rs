//! `keystile check`: whether a server would start with a configuration file.

use std::path::PathBuf;

use clap::Args;
use keystile_authority::endpoints::{SectorError, check_sector};
use keystile_server::pages::{Brand, Pages};

use crate::outbound::HttpOutbound;
use crate::output;
use crate::refusal::{Outcome, refuse};
use crate::serve::tls;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "keystile.toml")]
    config: PathBuf,
}

impl Check {
    pub(super) async fn run(self) -> Outcome {
        let settings = Settings::load(Some(&self.config))?;
        tls(&settings)?;
        let brand = Brand { name: settings.face.brand.clone(), ..Brand::default() };
        Pages::load(settings.face.overrides.as_deref(), brand)?;
        check_sectors(&settings).await?;
        output::line(format!(
            "{} is good: {}, {} clients, {} users, {} APIs",
            self.config.display(),
            settings.policy.issuer,
            settings.clients.len(),
            settings.users.len(),
            settings.policy.apis.len(),
        ));
        Ok(())
    }
}

/// A document that cannot be had from here may well be had from where the server will run.
async fn check_sectors(settings: &Settings) -> Outcome {
    let outbound = HttpOutbound::new(settings)?;
    for client in &settings.clients {
        match check_sector(client, &outbound).await {
            Ok(()) => {}
            Err(error @ SectorError::Away(_)) => {
                eprintln!("keystile: warning: the client '{}': {error}", client.id);
            }
            Err(error) => return refuse(format!("the client '{}': {error}", client.id)),
        }
    }
    Ok(())
}
