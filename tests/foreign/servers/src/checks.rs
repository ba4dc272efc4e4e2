//! What has to hold with every server.

use std::time::Duration;

use keystile_client::Client;
use keystile_test_browser::{Browser, Page};
use serde_json::Value;

use crate::Result;
use crate::apps::Apps;
use crate::settings::{Server, Settings};
use crate::user::{sign_in, sign_out};

/// How long a message of the server to an app may take.
const BACK_CHANNEL: Duration = Duration::from_secs(10);

type Outcome = (&'static str, Result<()>);

/// All of them, in an order in which a user could do it.
pub(crate) async fn all(settings: &Settings, apps: &Apps) -> Vec<Outcome> {
    let (printer, album, vault) = (&settings.printer, &settings.album, &settings.vault);
    vec![
        ("discovery fits", discovery(apps).await),
        ("login, claims, the API, refresh", everyday(printer).await),
        ("userinfo, at the login and later", claims(album).await),
        ("tokens that the server is asked about (RFC 7662)", asked(settings).await),
        ("FAPI 2.0: pushed, private_key_jwt, DPoP", everyday(vault).await),
        ("one login for two apps", single_sign_on(printer, album).await),
        ("sign-out with a hint", out(printer).await),
        ("sign-out without a hint", out(album).await),
        ("back-channel logout ends the other app's session", back_channel(printer, album).await),
    ]
}

async fn discovery(apps: &Apps) -> Result<()> {
    for client in [&apps.printer, &apps.album, &apps.vault] {
        Client::discover(client).await?;
    }
    Ok(())
}

/// The whole way of an app that calls an API.
async fn everyday(app: &str) -> Result<()> {
    let browser = Browser::new(&[])?;
    let (page, typed) = sign_in(&browser, app, "/me").await?;
    is(&page, 200, &format!("{app}/me"))?;
    let me: Value = serde_json::from_str(&page.html)?;
    that(typed == 1 && me["sub"].as_str().is_some_and(|sub| !sub.is_empty()), &me)?;
    let photos: Value = serde_json::from_str(&get(&browser, app, "/photos", 200).await?)?;
    that(photos["owner"] == me["sub"], &photos)?;
    get(&browser, app, "/orders", 403).await?;
    get(&browser, app, "/elsewhere", 401).await?;
    for _ in 0..2 {
        get(&browser, app, "/refresh", 200).await?;
        get(&browser, app, "/photos", 200).await?;
    }
    let (_, typed) = sign_in(&browser, app, "/me").await?;
    that(typed == 0, "the server remembers its own session")
}

async fn claims(app: &str) -> Result<()> {
    let browser = Browser::new(&[])?;
    let (page, _) = sign_in(&browser, app, "/me").await?;
    let me: Value = serde_json::from_str(&page.html)?;
    that(me["email"] == "alice@example.com" && me["name"] == "Alice Example", &me)?;
    let claims: Value = serde_json::from_str(&get(&browser, app, "/claims", 200).await?)?;
    that(claims["email"] == me["email"], &claims)
}

async fn asked(settings: &Settings) -> Result<()> {
    let app = match settings.server {
        Server::NodeOidcProvider => &settings.album,
        Server::Keycloak => &settings.printer,
    };
    let browser = Browser::new(&[])?;
    sign_in(&browser, app, "/me").await?;
    get(&browser, app, "/asked", 200).await.map(drop)
}

async fn single_sign_on(first: &str, second: &str) -> Result<()> {
    let browser = Browser::new(&[])?;
    let (_, typed) = sign_in(&browser, first, "/me").await?;
    let (page, again) = sign_in(&browser, second, "/me").await?;
    is(&page, 200, &format!("{second}/me"))?;
    that((typed, again) == (1, 0), "the password is typed once")
}

/// The session is over, here and there.
async fn out(app: &str) -> Result<()> {
    let browser = Browser::new(&[])?;
    sign_in(&browser, app, "/me").await?;
    let page = sign_out(&browser, app).await?;
    is(&page, 200, &format!("{app}/"))?;
    that(page.html == "nobody", &page.html)?;
    let (_, typed) = sign_in(&browser, app, "/me").await?;
    that(typed == 1, "the server asks for the password again")
}

async fn back_channel(first: &str, second: &str) -> Result<()> {
    let browser = Browser::new(&[])?;
    sign_in(&browser, first, "/me").await?;
    sign_in(&browser, second, "/me").await?;
    sign_out(&browser, first).await?;
    let until = std::time::Instant::now() + BACK_CHANNEL;
    while browser.visit(&format!("{second}/")).await?.html != "nobody" {
        that(std::time::Instant::now() < until, "the other session lives on")?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// What a page of the app says that the user has open.
async fn get(browser: &Browser, app: &str, path: &str, status: u16) -> Result<String> {
    let address = format!("{app}{path}");
    let page = browser.visit(&address).await?;
    is(&page, status, &address)?;
    Ok(page.html)
}

fn is(page: &Page, status: u16, address: &str) -> Result<()> {
    if page.status == status && page.address() == address {
        return Ok(());
    }
    let text: String = page.html.chars().take(200).collect();
    Err(format!(
        "{} with {} instead of {address} with {status}: {text}",
        page.address(),
        page.status
    )
    .into())
}

fn that(holds: bool, otherwise: impl std::fmt::Display) -> Result<()> {
    if holds { Ok(()) } else { Err(otherwise.to_string().into()) }
}
