//! Whole apps under the leak proof of the client crate: the demo and the examples (`bff.rs` has one
//! more), with everything that a user can do there. They run in the test's process, so that the
//! proof knows their secrets and sees their log.

use std::future::Future;
use std::time::Duration;

use keystile_client::LeakProof;
use keystile_demo::{ApiSettings, AppSettings};
use reqwest::Method;
use tracing_subscriber::fmt;

use super::examples::{signed_in, signed_out, use_the_notebook, use_the_web_app};
use crate::harness::{
    Browser, EXAMPLE_SECRET, Keystile, PASSWORD, Page, Serving, free_ports, localhost,
    notebook_registered, web_app_registered,
};

#[expect(dead_code, reason = "main is not called")]
#[path = "../../../../examples/web-app/src/main.rs"]
mod web_app;

#[expect(dead_code, reason = "main is not called")]
#[path = "../../../../examples/web-app-and-api/src/app.rs"]
mod notebook_app;

#[expect(dead_code, reason = "main is not called")]
#[path = "../../../../examples/web-app-and-api/src/api.rs"]
mod notebook_api;

/// Uses an app under a proof, which has to see as much as that at least: secrets and answers.
pub(super) async fn watched(
    proof: &LeakProof,
    at_least: (usize, u64),
    using: impl Future<Output = ()>,
) {
    let log = fmt().with_max_level(tracing::Level::TRACE).with_writer(proof.log(std::io::sink));
    let log = tracing::subscriber::set_default(log.finish());
    tracing::info!("the log is watched");
    using.await;
    drop(log);
    let seen = proof.seen();
    assert!(seen.secrets >= at_least.0 && seen.answers >= at_least.1, "{seen}");
    assert!(seen.log_lines > 0, "{seen}");
    proof.assert_nothing_leaked();
}

#[tokio::test]
async fn seed_1_6_nothing_leaks_of_the_demo_whatever_its_user_does() {
    let base = free_ports(3);
    let urls = [0, 1, 2].map(|party| localhost(base + party));
    let [issuer, app, api] = &urls;
    let server = Keystile::start_for_demo(base, &urls).await;
    let proof = LeakProof::new();
    let state_dir = server.directory.join("app");
    let guarded =
        ApiSettings { base_url: api.clone(), issuer: issuer.clone(), audience: api.clone() };
    let printer = AppSettings {
        base_url: app.clone(),
        issuer: issuer.clone(),
        client_id: "photo-printer".to_owned(),
        client_secret: EXAMPLE_SECRET.to_owned(),
        api_url: api.clone(),
        audience: api.clone(),
        state_dir: state_dir.clone(),
        username: "alice".to_owned(),
        leak_proof: Some(proof.clone()),
    };
    let _api = Serving::start(base + 2, keystile_demo::api(guarded).unwrap()).await;
    let _app = Serving::start(base + 1, keystile_demo::app(printer).unwrap()).await;
    watched(&proof, (40, 80), use_the_demo(app, issuer)).await;
    // What the app keeps is sealed, and the server is as silent as the app.
    for name in ["sessions.db", "sessions.db-wal"] {
        proof.search(name, std::fs::read(state_dir.join(name)).unwrap());
    }
    proof.search("the log of the server", server.log());
    proof.assert_nothing_leaked();
}

async fn use_the_demo(app: &str, issuer: &str) {
    let mut browser = Browser::new();
    let at = |path: &str| format!("{app}{path}");
    // No, and then yes.
    let page = browser.open(at("/photos")).await;
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let page = browser.press(&page, "consent-deny", &[]).await;
    assert!(!page.text().is_empty());
    let photos = signed_in(&mut browser, &at("/photos"), &[("scope", "photos:order")]).await;
    assert_eq!(photos.url.as_str(), at("/photos"), "{}", photos.text());

    for picture in photos.html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert_eq!(browser.get(at(picture)).await.status, 200, "{picture}");
    }
    let ordered = browser.press(&photos, "order", &[("p01", "2")]).await;
    assert!(ordered.text().contains("order"), "{}", ordered.text());
    for path in ["/", "/inspector", "/proof", "/nothing", "/login?prompt=none&return_to=/photos"] {
        browser.open(at(path)).await;
    }
    play_every_attack(&mut browser, app).await;
    for path in ["/callback", "/callback?code=x&state=0.y", "/callback?error=server_error&state=z"]
    {
        browser.open(at(path)).await;
    }
    // The same callback twice.
    let asked = browser.get(at("/login?return_to=/photos")).await.location().unwrap();
    let back = browser.get(asked).await.location().unwrap();
    for _ in 0..2 {
        browser.open(&back).await;
    }
    assert!(browser.open(at("/proof")).await.text().contains("Nothing found"));
    signed_out(&mut browser, &at("/photos")).await;
    browser.send(Method::POST, at("/orders").parse().unwrap(), None, &[]).await;

    // Signed out from elsewhere: the server tells the app.
    signed_in(&mut browser, &at("/photos"), &[]).await;
    let account = browser.open(format!("{issuer}/account")).await;
    browser.press(&account, "sign-out-everywhere", &[]).await;
    while browser.get(at("/photos")).await.location().is_none() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Each button of the panel, to its result.
async fn play_every_attack(browser: &mut Browser, app: &str) {
    let panel = browser.open(format!("{app}/inspector")).await;
    let buttons = panel.html.split("id=\"break-").skip(1);
    let buttons: Vec<_> = buttons.filter_map(|rest| rest.split('"').next()).collect();
    assert!(buttons.len() > 10, "{buttons:?}");
    for id in buttons {
        let page = browser.press(&panel, &format!("break-{id}"), &[]).await;
        let page =
            if page.is_sign_in() { browser.sign_in(&page, "alice", PASSWORD).await } else { page };
        let page: Page = match page.is_consent() {
            true if id == "denied" => browser.press(&page, "consent-deny", &[]).await,
            true => browser.press(&page, "consent-allow", &[]).await,
            false => page,
        };
        assert_eq!(page.url.path(), format!("/break/{id}"), "{id}: {}", page.text());
    }
}

#[tokio::test]
async fn nothing_leaks_of_the_web_app() {
    let port = free_ports(1);
    let url = localhost(port);
    let server = Keystile::start_with(&web_app_registered(&url)).await;
    let proof = LeakProof::new();
    let client = web_app::client(&server.issuer, "web-app", EXAMPLE_SECRET, &url);
    let client = client.leak_proof(&proof).build().unwrap();
    let app = web_app::app(&client).unwrap().layer(proof.layer());
    let _app = Serving::start(port, app).await;
    watched(&proof, (6, 8), use_the_web_app(&url, &server.issuer)).await;
}

#[tokio::test]
async fn nothing_leaks_of_the_notebook() {
    let base = free_ports(2);
    let [app, api] = [0, 1].map(|party| localhost(base + party));
    let server = Keystile::start_with(&notebook_registered(&app, &api)).await;
    let proof = LeakProof::new();
    let client = notebook_app::client(&server.issuer, "notebook", EXAMPLE_SECRET, (&app, &api));
    let client = client.leak_proof(&proof).build().unwrap();
    let router = notebook_app::app(&client).unwrap().layer(proof.layer());
    let _app = Serving::start(base, router).await;
    let guarded = notebook_api::api(&server.issuer, &api).unwrap();
    let _api = Serving::start(base + 1, guarded).await;
    watched(&proof, (15, 15), use_the_notebook(&app)).await;
}
