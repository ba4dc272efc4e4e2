//! A web app on `keystile-client`, and the browser of its user, for the OpenID Foundation's client
//! plans: see `conformance/README.md`. Run once for each module, it does what an app and its user
//! would do there, by nothing but the crate's public interface.
//!
//! ```sh
//! keystile-conformance-client config    # prints the suite's configuration for it
//! keystile-conformance-client           # with ISSUER, MODULE and VARIANT, as run.py sets them
//! ```
#![expect(clippy::print_stdout, reason = "a command-line tool prints")]

mod app;
mod config;
mod settings;
mod steps;
mod tls;

use std::error::Error;
use std::process::ExitCode;

use keystile_client::Client;
use keystile_test_browser::{Browser, Page};
use settings::Settings;
use steps::{Start, Step, start, steps};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let done = match std::env::args().nth(1).as_deref() {
        Some("config") => Settings::read().and_then(|settings| config::of(&settings)),
        None => run().await,
        Some(_) => Err("say config, or nothing".into()),
    };
    match done {
        Ok(words) => {
            println!("{words}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            println!("stopped: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// One module: the app starts, then its user comes.
async fn run() -> Result<String, Box<dyn Error>> {
    let mut settings = Settings::read()?;
    settings.find_issuer().await?;
    match start(&settings.module) {
        Start::Discovers => {
            settings.unregistered()?.discover().await?;
            return Ok("discovered".to_owned());
        }
        Start::Registers => {
            drop(settings.registered().await?);
            return Ok("registered".to_owned());
        }
        Start::Serves => {}
    }
    let client = settings.client().await?;
    client.discover().await?;
    let certificate = app::serve(&client, &settings).await?;
    let trusted: Vec<_> = settings.certificates().into_iter().chain([certificate]).collect();
    let browser = Browser::new(&trusted)?;
    let mut done = vec!["started"];
    for &step in steps(&settings.module) {
        take(step, &browser, &client, &settings).await?;
        done.push(step.words());
    }
    Ok(done.join(", "))
}

async fn take(
    step: Step,
    browser: &Browser,
    client: &Client,
    settings: &Settings,
) -> Result<(), Box<dyn Error>> {
    let visit = async |path: &str| browser.visit(&format!("{}{path}", settings.app_url)).await;
    let page = match step {
        Step::SignIn => visit("/login?return_to=/me").await?,
        Step::SignInAgain => visit("/login?return_to=/me&prompt=login").await?,
        Step::Refresh => visit("/refresh").await?,
        Step::AskAgain => visit("/userinfo").await?,
        Step::CallApi => visit("/api").await?,
        Step::SignOut => browser.fill(&visit("/").await?, &[]).await?,
    };
    expect(page, step, client, settings)
}

/// The user is where the step leads to, in the app.
fn expect(
    page: Page,
    step: Step,
    client: &Client,
    settings: &Settings,
) -> Result<(), Box<dyn Error>> {
    let landing = match step {
        Step::SignOut => client.post_logout_redirect_uri(),
        other => format!("{}{}", settings.app_url, other.path()),
    };
    if page.address() == landing && page.status == 200 {
        return Ok(());
    }
    let (address, title) = (page.address(), page.title());
    Err(format!("instead of {}: {address} {} {title}", step.words(), page.status).into())
}
