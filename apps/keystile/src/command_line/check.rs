//! `keystile check`: whether a server would start with a configuration file.

use std::path::PathBuf;

use clap::Args;
use keystile_server::pages::{Brand, Pages};

use crate::output;
use crate::refusal::Outcome;
use crate::serve::tls;
use crate::settings::Settings;

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value = "keystile.toml")]
    config: PathBuf,
}

impl Check {
    pub(super) fn run(self) -> Outcome {
        let settings = Settings::load(Some(&self.config))?;
        tls(&settings)?;
        let brand = Brand { name: settings.face.brand.clone(), ..Brand::default() };
        Pages::load(settings.face.overrides.as_deref(), brand)?;
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
