//! `keystile-client` where there is no web app: our own tools, services and APIs over real HTTP.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use keystile_client::tools::Exchange;
use keystile_client::{Client, ClientBuilder, Prompt, ToolError};

use crate::harness::{Browser, DEVICES, Keystile, PASSWORD, Process, built, claims, enter};

const SECRET: &str = "a secret of forty characters and no fewer";
const SOON: Duration = Duration::from_secs(60);

fn tool(server: &Keystile, id: &str) -> ClientBuilder {
    Client::builder(&server.issuer, id).without_routes()
}

/// The example's program, as a user starts it.
fn example(server: &Keystile, arguments: &[&str]) -> Command {
    let mut command = Command::new(built("keystile-example-command-line"));
    command.args(arguments).current_dir(&server.directory).env("ISSUER", &server.issuer);
    command.envs([("CLIENT_ID", "tv"), ("GRANT", "grant.json")]).stdin(Stdio::null());
    command
}

fn ended(server: &Keystile, arguments: &[&str]) -> Output {
    example(server, arguments).output().unwrap()
}

/// The word that comes after that one, once it has been printed.
async fn word_after(file: &Path, before: &str) -> String {
    let started = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap();
        let whole = text.contains("There is time");
        if let Some((_, rest)) = text.split_once(before).filter(|_| whole) {
            return rest.split([' ', ',', '\n']).next().unwrap().to_owned();
        }
        assert!(started.elapsed() < SOON, "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_command_line_example_signs_its_user_in_by_any_browser_rfc_8628() {
    let server = Keystile::start_with(DEVICES).await;
    let before = ended(&server, &["get", &server.url("/userinfo")]);
    assert!(!before.status.success(), "nobody is signed in");

    let said = server.directory.join("said");
    let output = std::fs::File::create(&said).unwrap();
    let mut login = Process(example(&server, &["login"]).stdout(output).spawn().unwrap());
    let code = word_after(&said, "shows the code ").await;
    let address = word_after(&said, "enter the code at ").await;
    let mut browser = Browser::new();
    let page = enter(&mut browser, &address, &code).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    browser.press(&page, "device-allow", &[]).await;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = login.0.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < SOON, "it does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let words = std::fs::read_to_string(&said).unwrap();
    assert!(status.success() && words.contains("Signed in as Alice Example"), "{words}");

    let answer = ended(&server, &["get", &server.url("/userinfo")]);
    let answer = String::from_utf8(answer.stdout).unwrap();
    assert!(answer.contains("Alice Example"), "{answer}");
    let grant = server.directory.join("grant.json");
    let kept = std::fs::read(&grant).unwrap();
    assert!(ended(&server, &["logout"]).status.success() && !grant.exists());
    std::fs::write(&grant, kept).unwrap();
    let ended = ended(&server, &["get", &server.url("/userinfo")]);
    assert!(!ended.status.success(), "the grant itself is over, and not its file alone");
}

#[tokio::test]
async fn a_person_who_says_no_is_understood_rfc_8628_3_5() {
    let server = Keystile::start_with(DEVICES).await;
    let client = tool(&server, "tv").public().scope("openid photos:read").build().unwrap();
    let mut login = client.begin_device_login().await.unwrap();
    let mut browser = Browser::new();
    let page = enter(&mut browser, login.verification_uri(), login.user_code()).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    browser.press(&page, "device-deny", &[]).await;
    assert_eq!(login.poll().await.unwrap_err(), ToolError::Denied);
}

#[tokio::test]
async fn a_native_app_signs_in_through_the_systems_browser_rfc_8252() {
    let server = Keystile::start().await;
    let scope = "openid offline_access photos:read";
    let client = tool(&server, "native").public().scope(scope).build().unwrap();
    let login = client.begin_native_login().await.unwrap();
    let (url, redirect_uri) = (login.url().to_owned(), login.redirect_uri().to_owned());
    let mut browser = Browser::new();
    let page = browser.open(&url).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let waiting = tokio::spawn(login.wait(SOON));
    let page = browser.press(&page, "consent-allow", &[]).await;
    assert!(page.url.as_str().starts_with(&redirect_uri), "{}", page.url);
    let shown = reqwest::get(page.url).await.unwrap().text().await.unwrap();
    assert!(shown.contains("You are signed in"), "{shown}");
    let granted = waiting.await.unwrap().unwrap();
    let token = claims(granted.access_token().expose());
    assert_eq!(token["aud"], "https://photos.example");
    assert_eq!(granted.subject(), token["sub"].as_str());
    // It is given back, and then it is over.
    client.give_back(granted.clone()).await.unwrap();
    let (status, _) = server.native_app().userinfo(granted.access_token().expose()).await;
    assert_eq!(status, 401);

    let asks = tool(&server, "native").public().scope(scope).prompt(Prompt::Consent);
    let login = asks.build().unwrap().begin_native_login().await.unwrap();
    let page = browser.open(login.url()).await;
    let waiting = tokio::spawn(login.wait(SOON));
    let page = browser.press(&page, "consent-deny", &[]).await;
    reqwest::get(page.url).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err(), ToolError::Denied);
}

#[tokio::test]
async fn a_service_gets_its_own_token_and_an_api_the_next_ones_rfc_6749_4_4_and_8693_2() {
    let more = format!(
        r#"
[[apis]]
audience = "https://mail.example"
scopes = ["mail:send"]
[[scopes]]
name = "mail:send"
[[clients]]
client_id = "caller"
client_secret = "{SECRET}"
grant_types = ["client_credentials"]
scope = "mail:send"
[[clients]]
client_id = "mail-api"
client_secret = "{SECRET}"
grant_types = ["urn:ietf:params:oauth:grant-type:token-exchange"]
scope = "mail:send"
apis = ["https://mail.example"]
"#
    );
    let server = Keystile::start_with(&more).await;
    let caller = tool(&server, "caller").secret(SECRET).scope("mail:send").build().unwrap();
    let tokens = caller.service_tokens();
    let token = tokens.token().await.unwrap();
    assert_eq!(tokens.token().await.unwrap(), token, "kept");
    assert_eq!(claims(token.expose())["sub"], "caller");
    tokens.refused(&token);
    assert_ne!(tokens.token().await.unwrap(), token);

    let api = tool(&server, "mail-api").secret_in_body(SECRET).build().unwrap();
    let error = api.exchange(&Exchange::of_access_token(token.clone())).await.unwrap_err();
    assert!(matches!(error, ToolError::Token(_)), "the secret belongs in the header: {error:?}");
    let api = tool(&server, "mail-api").secret(SECRET).build().unwrap();
    let asked = Exchange::of_access_token(token);
    let exchanged = api.exchange(&asked).await.unwrap();
    assert!(exchanged.is_access_token);
    let new = claims(exchanged.token.expose());
    assert_eq!((&new["sub"], &new["client_id"]), (&"caller".into(), &"mail-api".into()));
    let error = api.exchange(&asked.audience("https://nowhere.example")).await.unwrap_err();
    assert!(error.to_string().contains("invalid_target"), "{error}");
}
