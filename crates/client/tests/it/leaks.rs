//! Row 0.1 and 1.6 of the mission: what the browser, a log and a store get to see.

use std::sync::Arc;

use http::Method;
use keystile_client::{LeakProof, Shown, SqliteSessions};

use crate::bench::{Answering, Setup};

/// Everything that a user can do, good and bad.
async fn use_it_all(setup: &Setup) {
    let mut browser = setup.browser();
    setup.sign_in(&mut browser, "/me").await;
    browser.get("/me").await;
    browser.get("/photos").await;
    setup.wait(295);
    browser.get("/photos").await;
    setup.server.facts().access_tokens.clear();
    browser.get("/photos").await;
    setup.sign_in(&mut browser, "/login").await;
    browser.send(Method::POST, "/logout", &[("sec-fetch-site", "same-origin")]).await;
    for answering in [Answering::Lost, Answering::Error(400, "invalid_client")] {
        setup.server.facts().token = answering;
        setup.sign_in(&mut browser, "/login").await;
    }
    setup.server.facts().token = Answering::Well;
    setup.server.facts().id_token = serde_json::json!({"nonce": "wrong"});
    setup.sign_in(&mut browser, "/login").await;
    setup.server.facts().id_token = serde_json::json!({});
    browser.get("/callback?error=server_error").await;
    setup.sign_in(&mut browser, "/login").await;
    setup.wait(305);
    setup.server.facts().refresh = Answering::Error(400, "invalid_grant");
    browser.get("/photos").await;
    setup.server.facts().refresh = Answering::Well;
    setup.sign_in(&mut browser, "/login?prompt=login").await;
    browser.get("/me").await;
}

#[tokio::test]
async fn seed_0_1_and_1_6_no_token_verifier_or_secret_reaches_browser_log_or_store() {
    let proof = LeakProof::new();
    // For all threads: the log of the other tests is searched with it.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(proof.log(std::io::sink))
        .finish();
    tracing::subscriber::set_global_default(subscriber).expect("the only one");

    let folder = crate::store_contract::folder();
    let path = folder.join("sessions.db");
    let store = Arc::new(SqliteSessions::open(&path).expect("opened"));
    let key = folder.join("sessions.key");
    let mut setup = Setup::with(|builder| {
        builder.sessions(store).key_file(&key).userinfo(true).leak_proof(&proof)
    })
    .await;
    setup.app = setup.app.layer(proof.layer());
    use_it_all(&setup).await;

    let seen = proof.seen();
    assert!(seen.secrets > 20 && seen.answers > 20 && seen.log_lines > 30, "{seen}");
    for file in std::fs::read_dir(&folder).expect("listed") {
        let file = file.expect("read").path();
        if file != key {
            proof.search(&file.display().to_string(), std::fs::read(&file).expect("read"));
        }
    }
    let events = setup.events.all();
    assert!(events.len() > 40);
    proof.search("Debug of the events", format!("{events:?}"));
    for event in events {
        for (name, value) in &event.parameters {
            if let Shown::Plain(value) = value {
                proof.search(&format!("{name} of {:?}", event.step), value);
            }
        }
    }
    proof.assert_nothing_leaked();

    // What the server knows of secrets, the proof knows too: whatever left would have been found.
    let secrets = setup.server.facts().secrets.clone();
    assert!(secrets.len() > 20, "the flow was walked");
    for secret in &secrets {
        proof.search("here", secret);
    }
    assert_eq!(proof.leaks().len(), secrets.len());
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}
