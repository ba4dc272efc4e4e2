//! The device grant (RFC 8628): codes, polls, tokens.

use std::time::Duration;

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{
    Browser, ClientKey, DEVICE_CODE, DEVICES, Device, Keystile, PASSWORD, tokens,
};

const PENDING: &str = "authorization_pending";

async fn start() -> Keystile {
    Keystile::start_with(DEVICES).await
}

#[tokio::test]
async fn a_device_gets_tokens_once_its_user_allows_it_rfc_8628_3() {
    let server = start().await;
    let scope = "openid profile offline_access photos:read photos:order";
    let device = Device::begin(Device::tv(&server), scope).await;
    let code = device.user_code().to_owned();
    assert_eq!((code.len(), &code[4..5]), (9, "-"));
    assert_eq!(device.text("verification_uri"), server.url("/device"));
    let complete = server.url(&format!("/device?user_code={code}"));
    assert_eq!(device.text("verification_uri_complete"), complete);
    assert_eq!((&device.codes["expires_in"], &device.codes["interval"]), (&json!(600), &json!(5)));
    assert_eq!(device.refused().await, PENDING);

    let mut browser = Browser::new();
    let page = browser.open(server.url("/device")).await;
    let typed = code.to_lowercase().replace('-', " ");
    let page = browser.press(&page, "user-code-submit", &[("user_code", &typed)]).await;
    assert!(page.is_sign_in() && page.text().contains("Living Room TV"), "{}", page.text());
    let page = browser.sign_in(&page, "alice", PASSWORD).await;
    let text = page.text();
    for words in [
        "Connect Living Room TV ?",
        "tv.example",
        "TV Makers Ltd",
        &code,
        "Only go on if you started this on a device of yours",
        "alice",
        "see your photos",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
    assert_eq!(page.boxes(), [("photos:order".to_owned(), false)]);
    let done = browser.press(&page, "device-allow", &[]).await;
    assert!(done.text().contains("Your device may go on"), "{} {}", done.status, done.text());
    assert!(!browser.has_seen(device.text("device_code")));

    let got = device.poll().await.unwrap();
    assert_eq!(got.text("scope"), "openid profile offline_access photos:read", "no box was ticked");
    let id_token = got.claims("id_token");
    assert_eq!((&id_token["aud"], &id_token["amr"]), (&json!("tv"), &json!(["pwd"])));
    assert!(id_token.get("nonce").is_none() && id_token["auth_time"].is_i64());
    assert_eq!(got.claims("access_token")["aud"], "https://photos.example");
    assert_eq!(server.app().userinfo(got.access_token()).await.1["name"], "Alice Example");
    assert_eq!(device.refused().await, "invalid_grant", "used");
    let next = device.app.refresh(got.refresh_token()).await.unwrap();
    assert_eq!(server.app().userinfo(next.access_token()).await.0, 200);
}

#[tokio::test]
async fn access_of_a_device_stands_on_the_account_page_and_can_be_taken_back() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid offline_access photos:read").await;
    let mut browser = Browser::new();
    device.allow(&mut browser).await;
    let got = device.poll().await.unwrap();
    let page = browser.open(server.url("/account")).await;
    assert!(page.text().contains("Living Room TV") && page.text().contains("see your photos"));
    let token = page.field("token").unwrap();
    let fields = [("token", token.as_str()), ("action", "withdraw"), ("client_id", "tv")];
    let page = browser.post(server.url("/account"), &fields).await;
    assert!(!page.text().contains("Living Room TV"), "{}", page.text());
    assert_eq!(server.app().userinfo(got.access_token()).await.0, 401);
    let error = device.app.refresh(got.refresh_token()).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant");
}

#[tokio::test]
async fn a_client_with_a_secret_asks_for_a_resource_and_gets_no_refresh_token() {
    let server = start().await;
    let app = Device::kiosk(&server);
    let api = "https://photos.example";
    let codes = Device::ask(&app, &[("scope", "photos:read"), ("resource", api)]).await.unwrap();
    let device = Device { app, codes };
    device.allow(&mut Browser::new()).await;
    let error = device
        .app
        .token(&[
            ("grant_type", DEVICE_CODE),
            ("device_code", device.text("device_code")),
            ("resource", "https://nowhere.example"),
        ])
        .await
        .unwrap_err();
    assert_eq!(error.error, "invalid_target");
    let got = device.poll().await.expect("a wrong resource burns nothing");
    assert_eq!(got.claims("access_token")["aud"], api);
    assert!(got.json.get("refresh_token").is_none() && got.json.get("id_token").is_none());
}

#[tokio::test]
async fn what_a_device_may_not_ask_is_refused_rfc_8628_3_1() {
    let server = start().await;
    let tv = Device::tv(&server);
    let long = "s".repeat(3000);
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("scope", "nonsense")], "invalid_scope"),
        (&[("scope", "email")], "invalid_scope"),
        (&[("scope", &long)], "invalid_scope"),
        (&[("scope", "openid"), ("scope", "profile")], "invalid_request"),
        (&[("resource", "https://nowhere.example")], "invalid_target"),
        (&[("client_secret", "x")], "invalid_client"),
    ];
    for (pairs, expected) in cases {
        let error = Device::ask(&tv, pairs).await.expect_err(expected);
        assert_eq!(error.error, expected, "{}", error.description);
    }
    let error = Device::ask(&server.app(), &[]).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "unauthorized_client"));
    let mut impostor = Device::kiosk(&server);
    impostor.secret = Some("not the secret of the kiosk at all, is it".to_owned());
    let error = Device::ask(&impostor, &[]).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
    impostor.secret = None;
    assert_eq!(Device::ask(&impostor, &[]).await.unwrap_err().error, "invalid_client");
    let get = reqwest::get(server.url("/device_authorization")).await.unwrap();
    assert_eq!(get.status(), 405);
}

#[tokio::test]
async fn polls_that_get_nothing_say_why_rfc_8628_3_5() {
    let server = start().await;
    let tv = Device::tv(&server);
    let device = Device::begin(tv.clone(), "openid").await;
    let code = device.text("device_code");
    let altered =
        format!("{}{}", &code[..code.len() - 1], if code.ends_with('A') { "Q" } else { "A" });
    for wrong in [device.user_code(), "nonsense", &altered, &code[1..], &"A".repeat(64)] {
        let error = Device::poll_with(&tv, wrong).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (400, "invalid_grant"), "{wrong}");
    }
    let error = Device::poll_with(&Device::kiosk(&server), code).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant", "another client's");
    let error = Device::poll_with(&server.app(), code).await.unwrap_err();
    assert_eq!(error.error, "unauthorized_client");
    let grant_type = ("grant_type", DEVICE_CODE);
    for pairs in [vec![grant_type], vec![grant_type, ("device_code", code), ("device_code", code)]]
    {
        assert_eq!(tv.token(&pairs).await.unwrap_err().error, "invalid_request");
    }
    let error =
        tv.token(&[("grant_type", "device_code"), ("device_code", code)]).await.unwrap_err();
    assert_eq!(error.error, "unsupported_grant_type");

    let mut browser = Browser::new();
    let page = device.question(&mut browser, "alice").await;
    let page = browser.press(&page, "device-deny", &[]).await;
    assert!(page.text().contains("You did not allow it"), "{}", page.text());
    for _ in 0..2 {
        assert_eq!(device.refused().await, "access_denied");
    }
}

#[tokio::test]
async fn codes_expire_whatever_was_said_rfc_8628_3_5() {
    let more = format!("{DEVICES}\n[lifetimes]\ndevice_code = 2\n");
    let server = Keystile::start_with(&more).await;
    let mut browser = Browser::new();
    let allowed = Device::begin(Device::tv(&server), "openid").await;
    assert_eq!(allowed.codes["expires_in"], 2);
    allowed.allow(&mut browser).await;
    let waiting = Device::begin(Device::tv(&server), "openid").await;
    let asked = waiting.question(&mut browser, "alice").await;
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(allowed.refused().await, "expired_token");
    assert_eq!(waiting.refused().await, "expired_token");
    let late = browser.press(&asked, "device-allow", &[]).await;
    assert!(late.has("user-code-error"), "{} {}", late.status, late.text());
    assert_eq!(waiting.refused().await, "expired_token");
}

#[tokio::test]
async fn who_polls_too_fast_is_told_to_slow_down_and_still_gets_tokens_rfc_8628_3_5() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    assert_eq!(device.refused().await, PENDING, "the first poll may come at once");
    for _ in 0..15 {
        assert_eq!(device.refused().await, "slow_down");
    }
    let other = Device::begin(Device::tv(&server), "openid").await;
    assert_eq!(other.refused().await, PENDING, "each code has a pace of its own");
    device.allow(&mut Browser::new()).await;
    assert!(device.poll().await.is_ok(), "there is nothing to wait for any more");
}

#[tokio::test]
async fn of_polls_at_once_after_the_word_one_gets_tokens_and_they_live_rfc_8628_3_5() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid offline_access").await;
    device.allow(&mut Browser::new()).await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let device = device.clone();
            tokio::spawn(async move { device.poll().await })
        })
        .collect();
    let mut got = Vec::new();
    for attempt in attempts {
        match attempt.await.unwrap() {
            Ok(tokens) => got.push(tokens),
            Err(error) => assert_eq!(error.error, "invalid_grant"),
        }
    }
    let [tokens] = &got[..] else { panic!("{} of 8 got tokens", got.len()) };
    assert_eq!(server.app().userinfo(tokens.access_token()).await.0, 200);
    assert!(device.app.refresh(tokens.refresh_token()).await.is_ok());
}

#[tokio::test]
async fn of_first_polls_at_once_one_is_in_time() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    let attempts: Vec<_> = (0..8)
        .map(|_| {
            let device = device.clone();
            tokio::spawn(async move { device.refused().await })
        })
        .collect();
    let mut pending = 0;
    for attempt in attempts {
        match attempt.await.unwrap().as_str() {
            PENDING => pending += 1,
            other => assert_eq!(other, "slow_down"),
        }
    }
    assert_eq!(pending, 1);
}

#[tokio::test]
async fn what_ends_between_word_and_poll_ends_the_authorization_idea_5() {
    let server = start().await;
    let mut browser = Browser::new();
    let online = Device::begin(Device::tv(&server), "openid").await;
    let offline = Device::begin(Device::tv(&server), "openid offline_access").await;
    for device in [&online, &offline] {
        device.allow(&mut browser).await;
    }
    let page = browser.open(server.url("/logout")).await;
    browser.press(&page, "logout-confirm", &[]).await;
    assert_eq!(online.refused().await, "invalid_grant", "the session has ended");
    let tokens = offline.poll().await.expect("offline_access outlives the session");
    assert_eq!(server.app().userinfo(tokens.access_token()).await.0, 200);
}

#[tokio::test]
async fn a_waiting_device_survives_a_kill() {
    let mut server = start().await;
    let device = Device::begin(Device::tv(&server), "openid").await;
    server.stop();
    let server = server.restart().await;
    device.allow(&mut Browser::new()).await;
    assert!(device.poll().await.is_ok());
    drop(server);
}

#[tokio::test]
async fn a_proof_binds_a_devices_tokens_to_its_key_rfc_9449_5() {
    let server = start().await;
    let device = Device::begin(Device::tv(&server), "openid offline_access").await;
    device.allow(&mut Browser::new()).await;
    let key = ClientKey::new(Algorithm::ES256);
    let code = device.text("device_code");
    let proof = key.proof("POST", &server.url("/token"), None);
    let pairs = [("grant_type", DEVICE_CODE), ("device_code", code)];
    let send = |proof: String, pairs: &[(&str, &str)]| {
        let request = device.app.call("/token", pairs).header("dpop", proof);
        async { tokens(request.send().await.unwrap()).await }
    };
    let error = send("nonsense".to_owned(), &pairs).await.unwrap_err();
    assert_eq!(error.error, "invalid_dpop_proof");
    let got = send(proof.clone(), &pairs).await.unwrap();
    assert_eq!(got.text("token_type"), "DPoP");
    assert_eq!(got.claims("access_token")["cnf"]["jkt"], key.thumbprint());
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", got.refresh_token())];
    assert_eq!(send(proof, &refresh).await.unwrap_err().error, "invalid_dpop_proof", "used");
    let error = device.app.refresh(got.refresh_token()).await.unwrap_err();
    assert_eq!(error.error, "invalid_dpop_proof", "bound");
    let proof = key.proof("POST", &server.url("/token"), None);
    assert!(send(proof, &refresh).await.is_ok());
}

#[tokio::test]
async fn waiting_devices_have_a_cap_per_network_and_in_all_finding_13() {
    let limits = "[limits]\nwaiting = 3\nwaiting_from_network = 2\n";
    let server = Keystile::start_with(&format!("{DEVICES}\n{limits}")).await;
    let tv = Device::tv(&server);
    let first = Device::begin(tv.clone(), "openid").await;
    Device::begin(tv.clone(), "openid").await;
    let error = Device::ask(&tv, &[]).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "slow_down"));
    first.allow(&mut Browser::new()).await;
    Device::begin(tv.clone(), "openid").await;
    let second = Device::ask(&tv, &[]).await.unwrap_err();
    assert_eq!(second.error, "slow_down");

    let limits = "[limits]\nwaiting = 2\n";
    let server = Keystile::start_with(&format!("{DEVICES}\n{limits}")).await;
    let tv = Device::tv(&server);
    for _ in 0..2 {
        Device::begin(tv.clone(), "openid").await;
    }
    let response = tv.call("/device_authorization", &[]).send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], "temporarily_unavailable");
    assert!(server.app().code(&mut Browser::new()).await.len() > 20, "logins go on");
}

#[tokio::test]
async fn it_is_advertised_and_a_client_is_added_for_it_rfc_8628_4() {
    let server = start().await;
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    let endpoint = server.url("/device_authorization");
    assert_eq!(metadata["device_authorization_endpoint"], endpoint);
    let grants = metadata["grant_types_supported"].as_array().unwrap();
    assert!(grants.contains(&json!(DEVICE_CODE)));
    let add = ["client", "add", "radio", "--device", "--public", "--scope", "openid"];
    let output = server.command(&[&add[..], &["--config", "keystile.toml"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let radio = crate::harness::App::new(&server.issuer, "radio", None, "");
    let device = Device::begin(radio, "openid").await;
    device.allow(&mut Browser::new()).await;
    assert!(device.poll().await.is_ok());
}
