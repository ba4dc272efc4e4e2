//! Rich authorization requests (RFC 9396): asking, and what people see of it.

use keystile_protocol::jose::Algorithm;
use serde_json::{Value, json};

use crate::harness::{App, Browser, ClientKey, Keystile, PASSWORD, Page, payment, payment_with};

/// An authorization request for these details.
fn asking(app: &App, details: &Value) -> String {
    app.authorize_url_with(&[("authorization_details", Some(&details.to_string()))])
}

/// The consent page for these details, as `alice` sees it.
async fn consent_page(browser: &mut Browser, app: &App, details: &Value) -> Page {
    let page = browser.open(asking(app, details)).await;
    let signed_out = page.is_sign_in();
    let page = if signed_out { browser.sign_in(&page, "alice", PASSWORD).await } else { page };
    assert!(page.is_consent(), "{} {}", page.url, page.text());
    page
}

#[tokio::test]
async fn a_payment_without_any_scope_is_shown_allowed_and_said_in_the_token_rfc_9396_7_and_9() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let details = json!([payment()]);
    let mut browser = Browser::new();
    let page = consent_page(&mut browser, &app, &details).await;
    assert!(page.text().contains("Make a payment"), "{}", page.text());
    assert!(page.text().contains("Pay 123.50 EUR to Merchant A ."), "{}", page.text());
    let back = browser.press(&page, "consent-allow", &[]).await;
    let tokens = app.redeem(&back.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["authorization_details"], details);
    assert!(tokens.json.get("scope").is_none() && tokens.json.get("id_token").is_none());
    let claims = tokens.claims("access_token");
    assert_eq!(claims["authorization_details"], details);
    assert_eq!(claims["aud"], "https://pay.example");
    for caller in [&app, &server.payer_named("pay-api")] {
        let answer = caller.introspect(tokens.access_token()).await;
        assert_eq!((&answer["active"], &answer["authorization_details"]), (&json!(true), &details));
    }
}

#[tokio::test]
async fn the_consent_page_says_every_field_and_runs_none_rfc_9396_12() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid photos:read");
    let evil = "<script>alert(1)</script>\"'>{{ 7*7 }}";
    let hebrew = "\u{5e9}\u{5dc}\u{5d5}\u{5dd} (\u{5d4}\u{5d3}\u{5e4}\u{5d5}\u{5e1})";
    let details = json!([
        payment_with(json!({
            "creditorName": evil,
            "creditorAccount": { "iban": "DE02100100109307118603" },
            "remittance": hebrew,
            "urgent": true,
            "copies": 2,
            "documents": [{ "hash": "aa11" }, { "hash": "bb22", "name": "Contract" }],
            "locations": ["https://pay.example"],
        })),
        { "type": "mailbox", "identifier": "INBOX" },
    ]);
    let page = consent_page(&mut Browser::new(), &app, &details).await;
    let text = page.text();
    for words in [
        evil,
        hebrew,
        "123.50 EUR",
        "Account of the payee \u{b7} IBAN DE02100100109307118603",
        "What for",
        "Actions initiate status",
        "Right away Yes",
        "copies 2",
        "Document \u{b7} 1 \u{b7} hash aa11",
        "Document \u{b7} 2 \u{b7} hash bb22",
        "Document \u{b7} 2 \u{b7} Name Contract",
        "Where https://pay.example",
        "Look into a mailbox",
        "Which one INBOX",
        "see your photos",
    ] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert_eq!(page.html.matches("<script").count(), 1, "ours alone");
    let mut german = Browser::new().with_header("accept-language", "de");
    let text = consent_page(&mut german, &app, &details).await.text();
    assert!(text.contains("Right away Ja") && text.contains("Aktionen initiate"), "{text}");
}

#[tokio::test]
async fn a_payment_is_allowed_each_time_whatever_was_allowed_before() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid");
    let details = json!([payment()]);
    let mut browser = Browser::new();
    for _ in 0..2 {
        let page = consent_page(&mut browser, &app, &details).await;
        let back = browser.press(&page, "consent-allow", &[]).await;
        assert!(back.query("code").is_some(), "{}", back.url);
    }
    let silent = asking(&app, &details) + "&prompt=none";
    let refused = browser.open(silent).await;
    assert_eq!(refused.query("error").as_deref(), Some("consent_required"));
    let without = browser.open(app.authorize_url()).await;
    assert!(without.query("code").is_some(), "the scope alone is remembered");
    let page = consent_page(&mut browser, &app, &details).await;
    let denied = browser.press(&page, "consent-deny", &[]).await;
    assert_eq!(denied.query("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn an_app_of_the_house_asks_by_itself() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer_named("house");
    let mut browser = Browser::new();
    let page = browser.open(asking(&app, &json!([payment()]))).await;
    let back = browser.sign_in(&page, "alice", PASSWORD).await;
    assert!(back.query("code").is_some(), "{}", back.url);
}

#[tokio::test]
async fn a_pushed_payment_of_a_client_with_a_key_rfc_9126_and_9449() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let key = ClientKey::new(Algorithm::ES256);
    let details = json!([payment()]);
    let mut pairs = app.request();
    pairs.push(("authorization_details".to_owned(), details.to_string()));
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let proof = key.proof("POST", &server.url("/par"), None);
    let answer = app.call("/par", &pairs).header("DPoP", proof).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let answer: Value = answer.json().await.unwrap();
    let request_uri = answer["request_uri"].as_str().unwrap();
    let address = format!("{}/authorize?client_id=payer&request_uri={request_uri}", app.issuer);
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    let code = page.query("code").expect("a code");
    assert!(app.redeem(&code).await.is_err(), "the code is bound to the key");
    let redeem = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", app.verifier.expose()),
    ];
    let proof = key.proof("POST", &server.url("/token"), None);
    let answer = app.call("/token", &redeem).header("DPoP", proof).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(
        (&answer["token_type"], &answer["authorization_details"]),
        (&json!("DPoP"), &details)
    );
}

#[tokio::test]
async fn what_is_wrong_with_details_is_told_to_the_app_rfc_9396_5() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let of = |details: Value| details.to_string();
    let many: serde_json::Map<_, _> =
        (0..10_000).map(|n| (format!("a{n}"), Value::Bool(true))).collect();
    let mut small = many.clone();
    small.retain(|name, _| name.len() < 4);
    small.insert("type".into(), "payment_initiation".into());
    let invalid = [
        "{".to_owned(),
        "[]".to_owned(),
        of(payment()),
        "[1]".to_owned(),
        "null".to_owned(),
        of(json!([{ "no": "type" }])),
        of(json!([{ "type": 1 }])),
        of(json!([{ "type": "unknown" }])),
        of(json!([payment(), { "type": "unknown" }])),
        of(json!([payment_with(json!({ "unknown": 1 }))])),
        of(json!([payment_with(json!({ "creditorName": 1 }))])),
        of(json!([payment_with(json!({ "creditorName": "a\u{202e}b" }))])),
        of(json!([payment_with(json!({ "actions": ["steal"] }))])),
        of(json!([payment_with(json!({ "locations": ["https://mail.example"] }))])),
        of(json!([payment_with(json!({ "locations": ["https://nowhere.example"] }))])),
        of(json!([{ "type": "payment_initiation" }])),
        of(json!([payment()])).replace(r#""EUR""#, r#""EUR","currency":"USD""#),
        of(json!([payment()])).replace(r#""type":"#, r#""type":"mailbox","type":"#),
        format!("{}{}", "[".repeat(2000), "]".repeat(2000)),
        format!(r#"[{{"type":"mailbox","x":{}{}}}]"#, "[".repeat(300), "]".repeat(300)),
        of(json!([small])),
        of(json!([payment_with(json!({ "remittance": "x".repeat(9000) }))])),
        of(json!(vec![payment(); 21])),
        of(json!([payment_with(json!({ "copies": 1e300 }))])),
    ];
    for details in invalid {
        let address = app.authorize_url_with(&[("authorization_details", Some(&details))]);
        let page = Browser::new().open(&address).await;
        let error = page.query("error");
        let shown: String = details.chars().take(200).collect();
        assert_eq!(error.as_deref(), Some("invalid_authorization_details"), "{shown} {}", page.url);
        assert_eq!(page.query("state").as_deref(), Some("the state & more"));
        let mut pairs = app.request();
        pairs.push(("authorization_details".to_owned(), details));
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = app.call("/par", &pairs).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{shown}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], "invalid_authorization_details", "{shown}");
    }
    let huge = [("authorization_details", of(json!([many])))];
    let huge: Vec<_> = huge.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(app.call("/par", &huge).send().await.unwrap().status(), 413);
    let twice = asking(&app, &json!([payment()])) + "&authorization_details=[]";
    let page = Browser::new().open(twice).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_request"));
    let other = server.app().with_scope("openid");
    let page = Browser::new().open(asking(&other, &json!([payment()]))).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_authorization_details"));
    assert!(page.query("error_description").unwrap().contains("not registered"));
    let ambiguous = server.payer_named("phone").with_scope("openid");
    let url = asking(&ambiguous, &json!([payment()])) + "&resource=https://photos.example";
    let page = Browser::new().open(url).await;
    assert_eq!(page.query("error").as_deref(), Some("invalid_target"), "{}", page.url);
}

#[tokio::test]
async fn a_request_object_has_them_as_an_array_rfc_9396_2() {
    let key = ClientKey::new(Algorithm::ES256);
    let signer = format!(
        "[[clients]]\nclient_id = \"signer\"\nclient_secret = \"the secret of the app, forty \
         characters long\"\nredirect_uris = [\"https://app.example/callback\"]\n\
         authorization_details_types = [\"payment_initiation\"]\njwks = {}\n",
        key.jwks()
    );
    let server = Keystile::start_for_payments(&signer).await;
    let app = server.payer_named("signer");
    let details = json!([payment()]);
    let object = |details: &Value| {
        let mut object = json!({ "iss": "signer", "aud": app.issuer });
        for (name, value) in app.request() {
            object[name] = value.into();
        }
        object["authorization_details"] = details.clone();
        let object = key.0.sign("oauth-authz-req+jwt", &object).unwrap();
        format!("{}/authorize?client_id=signer&request={object}", app.issuer)
    };
    let page = app.callback_by(&mut Browser::new(), "alice", &object(&details)).await;
    let tokens = app.redeem(&page.query("code").expect("a code")).await.unwrap();
    assert_eq!(tokens.json["authorization_details"], details);
    let text = Browser::new().open(object(&details.to_string().into())).await;
    assert_eq!(text.query("error").as_deref(), Some("invalid_authorization_details"));
}

#[tokio::test]
async fn the_metadata_name_the_types_rfc_9396_10() {
    let server = Keystile::start_for_payments("").await;
    let metadata =
        |server: &Keystile| reqwest::get(server.url("/.well-known/oauth-authorization-server"));
    let document: Value = metadata(&server).await.unwrap().json().await.unwrap();
    let types = json!(["payment_initiation", "mailbox"]);
    assert_eq!(document["authorization_details_types_supported"], types);
    let without = Keystile::start().await;
    let document: Value = metadata(&without).await.unwrap().json().await.unwrap();
    assert!(document.get("authorization_details_types_supported").is_none());
}
