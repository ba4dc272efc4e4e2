//! Web apps on `keystile-client` and an API behind `keystile-resource`, with an authorization server
//! that was not written here, and the browser of their user: see README.md beside this.
//!
//! ```sh
//! keystile-foreign-servers jwks KEY.PEM      # what the server has to know of the app's key
//! keystile-foreign-servers keycloak          # or node-oidc-provider; the rest is in the environment
//! ```
#![expect(clippy::print_stdout, reason = "what was found is what it prints")]

mod api;
mod apps;
mod checks;
mod settings;
mod user;

use std::process::ExitCode;

use keystile_client::ClientKey;
use keystile_client::protocol::jose::JwkSet;
use settings::Settings;

type Result<T, E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let failed = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["jwks", key] => jwks(key).map(|()| 0),
        [server] => run(server).await,
        _ => Err("say jwks KEY.PEM, or the server's name".into()),
    };
    match failed {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(3),
        Err(problem) => {
            println!("FAILED  {problem}");
            ExitCode::FAILURE
        }
    }
}

fn jwks(key: &str) -> Result<()> {
    let key = ClientKey::from_pem(&std::fs::read_to_string(key)?)?;
    println!("{}", serde_json::to_string(&JwkSet { keys: vec![key.public().clone()] })?);
    Ok(())
}

/// Says how many checks failed.
async fn run(server: &str) -> Result<usize> {
    let settings = Settings::read(server)?;
    api::serve(&settings).await?;
    let apps = apps::serve(&settings).await?;
    let mut failed = 0;
    for (name, outcome) in checks::all(&settings, &apps).await {
        match outcome {
            Ok(()) => println!("ok      {server}: {name}"),
            Err(problem) => {
                failed += 1;
                println!("FAILED  {server}: {name}: {problem}");
            }
        }
    }
    Ok(failed)
}
