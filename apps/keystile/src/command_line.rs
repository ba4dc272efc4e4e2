//! The command line: a file for each command.

mod backup;
mod check;
mod client;
mod explain;
mod key;
mod migrate;
mod registration_token;
mod restore;
mod store;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use keystile_store::Database;

use crate::node::open_store;
use crate::refusal::Outcome;
use crate::serve::{run as run_async, serve};
use crate::settings::Settings;

/// OAuth 2.1 and OpenID Connect for server-side apps: the authorization server.
#[derive(Debug, Parser)]
#[command(name = "keystile", version, about, max_term_width = 100)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the authorization server
    Serve {
        #[command(flatten)]
        place: Place,
    },
    /// Start the authorization server, an app and an API, with a user to try it all
    #[cfg(feature = "demo")]
    Demo {
        /// Port of the authorization server; app and API take the two after it
        #[arg(long, value_name = "PORT", default_value_t = 4000)]
        port_base: u16,
        /// Folder in which the demo keeps its state
        #[arg(long, value_name = "DIR", default_value = "keystile-data/demo")]
        state: PathBuf,
    },
    /// Check a configuration file and everything that it names
    Check(check::Check),
    /// Add, list, show and remove clients, and change their secrets
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// Make, list and revoke the tokens that let clients register themselves
    #[command(subcommand)]
    RegistrationToken(registration_token::RegistrationTokenCommand),
    /// Add, list and remove users, and set their passwords
    #[command(subcommand)]
    User(user::UserCommand),
    /// List the server's keys, make new ones and retire old ones; the master keys too
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Copy the store to a file, also while it is served
    Backup(backup::Backup),
    /// Put a backup in the place of the store; the server has to be stopped
    Restore(restore::Restore),
    /// Bring the store's tables up to date, as 'serve' does by itself
    Migrate(migrate::Migrate),
    /// Move the store to PostgreSQL, and other things that are done to it as a whole
    #[command(subcommand)]
    Store(store::StoreCommand),
    /// Tell what happened under a reference number that an error page showed
    Explain(explain::Explain),
}

/// Which server is meant.
#[derive(Clone, Debug, Args)]
struct Place {
    /// Configuration file; without one the store is ./keystile-data
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn settings(&self) -> Outcome<Settings> {
        Ok(Settings::load(self.config.as_deref())?)
    }

    /// Settings and store; a new store, if there is none.
    async fn open(&self) -> Outcome<(Settings, Database)> {
        let settings = self.settings()?;
        let store = open_store(&settings).await?;
        Ok((settings, store))
    }
}

/// Whether to answer as JSON.
#[derive(Clone, Copy, Debug, Args)]
struct Format {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does what the command line says. 0: done; 1: refused; 2: the command line is not understood.
pub fn run() -> ExitCode {
    match CommandLine::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            eprintln!("keystile: {}", refusal.words());
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Outcome {
        match self {
            Self::Serve { place } => serve(place.settings()?),
            #[cfg(feature = "demo")]
            Self::Demo { port_base, state } => crate::demo::demo(port_base, &state),
            Self::Check(check) => run_async(check.run()),
            Self::Client(command) => run_async(command.run()),
            Self::RegistrationToken(command) => run_async(command.run()),
            Self::User(command) => run_async(command.run()),
            Self::Key(command) => run_async(command.run()),
            Self::Backup(backup) => backup.run(),
            Self::Restore(restore) => restore.run(),
            Self::Migrate(migrate) => run_async(migrate.run()),
            Self::Store(command) => run_async(command.run()),
            Self::Explain(explain) => run_async(explain.run()),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::CommandLine::command().debug_assert();
    }
}
