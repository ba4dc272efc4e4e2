//! A command-line tool that calls an API in its user's name. The user signs in with a browser on
//! any machine (RFC 8628); the grant is kept in a file of their own.
//!
//! ```sh
//! export ISSUER=https://login.example CLIENT_ID=photo-tool GRANT=grant.json
//! photo-tool login
//! photo-tool get https://photos.example/list
//! photo-tool logout
//! ```
#![expect(clippy::print_stdout, reason = "a command-line tool prints")]

use std::env::{args, var};
use std::error::Error;
use std::io::IsTerminal;

use keystile_client::{Client, Granted, ToolError};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Client::builder(var("ISSUER")?, var("CLIENT_ID")?)
        .public()
        .without_routes()
        .scope(var("SCOPE").unwrap_or_else(|_| "openid profile offline_access".into()))
        .userinfo(true)
        .build()?;
    let arguments: Vec<_> = args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["login"] => login(&client).await,
        ["get", url] => get(&client, url).await,
        ["logout"] => logout(&client).await,
        _ => Err("say login, get URL, or logout".into()),
    }
}

async fn login(client: &Client) -> Result<(), Box<dyn Error>> {
    let mut login = client.begin_device_login().await?;
    println!("{}", login.words());
    if let Some(picture) = login.qr().filter(|_| std::io::stdout().is_terminal()) {
        println!("{picture}");
    }
    let granted = login.wait().await?;
    granted.save(var("GRANT")?)?;
    let name = granted.claim("name").and_then(|name| name.as_str());
    println!("Signed in as {}", name.or(granted.subject()).unwrap_or("somebody"));
    Ok(())
}

async fn get(client: &Client, url: &str) -> Result<(), Box<dyn Error>> {
    let kept = Granted::load(var("GRANT")?)?.ok_or(ToolError::Over)?;
    let granted = client.renewed(&kept).await?;
    if granted != kept {
        granted.save(var("GRANT")?)?;
    }
    // A redirect is not followed: nobody but this API gets the token.
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let headers = client.authorization(&granted, "GET", url)?;
    let answer = http.get(url).headers(headers).send().await?;
    println!("{}", answer.error_for_status()?.text().await?);
    Ok(())
}

async fn logout(client: &Client) -> Result<(), Box<dyn Error>> {
    if let Some(granted) = Granted::load(var("GRANT")?)? {
        client.give_back(granted).await?;
        std::fs::remove_file(var("GRANT")?)?;
    }
    println!("Signed out");
    Ok(())
}
