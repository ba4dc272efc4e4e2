//! Authorization details at the token endpoint (RFC 9396 sections 6 and 7).

use serde_json::{Value, json};

use crate::harness::{App, Browser, Device, ErrorAnswer, Keystile, Tokens, payment, payment_with};

fn mailbox() -> Value {
    json!({ "type": "mailbox" })
}

async fn code(app: &App, details: &Value) -> String {
    let address = app.authorize_url_with(&[("authorization_details", Some(&details.to_string()))]);
    let page = app.callback_by(&mut Browser::new(), "alice", &address).await;
    page.query("code").expect("a code")
}

async fn redeem(app: &App, code: &str, details: &Value) -> Result<Tokens, ErrorAnswer> {
    app.redeem_with(code, &[("authorization_details", Some(&details.to_string()))]).await
}

async fn refresh(app: &App, token: &str, more: &[(&str, &str)]) -> Result<Tokens, ErrorAnswer> {
    let pairs = [("grant_type", "refresh_token"), ("refresh_token", token)];
    app.token(&[&pairs, more].concat()).await
}

#[tokio::test]
async fn a_code_gives_what_was_allowed_or_less_and_never_more_rfc_9396_6() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let granted = json!([payment(), mailbox()]);
    let code = code(&app, &granted).await;
    let more = [
        json!([payment_with(json!({ "creditorName": "Thief" }))]),
        json!([payment_with(json!({ "actions": ["initiate", "cancel"] }))]),
        json!([payment(), payment()]),
        json!([payment_with(json!({ "urgent": true }))]),
        json!([{ "type": "unknown" }]),
        json!({}),
    ];
    for wider in more {
        let error = redeem(&app, &code, &wider).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (400, "invalid_authorization_details"));
    }
    let narrow = json!([payment_with(json!({ "actions": ["status"] }))]);
    let tokens = redeem(&app, &code, &narrow).await.expect("nothing was burnt");
    assert_eq!(tokens.json["authorization_details"], narrow);
    assert_eq!(tokens.claims("access_token")["authorization_details"], narrow);
    assert_eq!(tokens.claims("access_token")["aud"], "https://pay.example");
    let plain = server.payer().with_scope("openid");
    let bare = plain.code(&mut Browser::new()).await;
    let error = redeem(&plain, &bare, &json!([payment()])).await.unwrap_err();
    assert_eq!(error.error, "invalid_authorization_details", "none were allowed");
}

#[tokio::test]
async fn a_refresh_has_less_when_asked_and_all_again_afterwards_rfc_9396_6() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid offline_access");
    let granted = json!([payment(), mailbox()]);
    let tokens = app.redeem(&code(&app, &granted).await).await.unwrap();
    assert_eq!(tokens.json["authorization_details"], granted);
    let token = tokens.refresh_token();
    let narrow = json!([mailbox()]).to_string();
    let less = refresh(&app, token, &[("authorization_details", &narrow)]).await.unwrap();
    assert_eq!(less.claims("access_token")["authorization_details"], json!([mailbox()]));
    assert_eq!(less.claims("access_token")["aud"], "https://mail.example");
    let other = json!([payment_with(json!({ "creditorName": "Thief" }))]).to_string();
    let error = refresh(&app, token, &[("authorization_details", &other)]).await.unwrap_err();
    assert_eq!(error.error, "invalid_authorization_details");
    let all = refresh(&app, token, &[]).await.unwrap();
    assert_eq!(all.claims("access_token")["authorization_details"], granted);
    let about_grant = app.introspect(token).await;
    assert_eq!(about_grant["authorization_details"], granted);

    let _server = server.restart().await;
    let all = refresh(&app, token, &[]).await.unwrap();
    assert_eq!(all.json["authorization_details"], granted, "the row keeps them");
}

#[tokio::test]
async fn a_token_for_one_api_says_nothing_of_another_rfc_9396_9() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("openid offline_access");
    let granted = json!([payment(), mailbox()]);
    let tokens = app.redeem(&code(&app, &granted).await).await.unwrap();
    let both = json!(["https://pay.example", "https://mail.example"]);
    assert_eq!(tokens.claims("access_token")["aud"], both);
    let seen = server.payer_named("pay-api").introspect(tokens.access_token()).await;
    assert_eq!(seen["authorization_details"], json!([payment()]), "what is meant for that API");
    let one = [("resource", "https://mail.example")];
    let tokens = refresh(&app, tokens.refresh_token(), &one).await.unwrap();
    assert_eq!(tokens.claims("access_token")["aud"], "https://mail.example");
    assert_eq!(tokens.json["authorization_details"], json!([mailbox()]));
}

#[tokio::test]
async fn a_client_has_for_itself_what_needs_no_user_rfc_9396_6() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer();
    let ask = async |details: Value| {
        let details = details.to_string();
        let pairs = [("grant_type", "client_credentials"), ("authorization_details", &details)];
        app.token(&pairs).await
    };
    let tokens = ask(json!([mailbox()])).await.unwrap();
    assert_eq!(tokens.json["authorization_details"], json!([mailbox()]));
    let claims = tokens.claims("access_token");
    assert_eq!((&claims["aud"], claims.get("scope")), (&json!("https://mail.example"), None));
    for refused in [json!([payment()]), json!([mailbox(), payment()]), json!([{ "type": "x" }])] {
        let error = ask(refused).await.unwrap_err();
        assert_eq!(error.error, "invalid_authorization_details");
    }
}

#[tokio::test]
async fn a_device_gets_the_payment_that_its_user_read_and_allowed_rfc_9396_3() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer_named("till");
    let details = json!([payment()]);
    let codes = Device::ask(&app, &[("authorization_details", &details.to_string())]).await;
    let device = Device { app: app.clone(), codes: codes.expect("codes") };
    let mut browser = Browser::new();
    let page = device.question(&mut browser, "alice").await;
    assert!(page.text().contains("Pay 123.50 EUR to Merchant A ."), "{}", page.text());
    browser.press(&page, "device-allow", &[]).await;
    let tokens = device.poll().await.unwrap();
    assert_eq!(tokens.json["authorization_details"], details);
    assert_eq!(tokens.claims("access_token")["authorization_details"], details);
    assert!(tokens.json.get("scope").is_none());
    let wrong = [("authorization_details", r#"[{"type":"mailbox"}]"#)];
    let error = Device::ask(&app, &wrong).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "invalid_authorization_details"));
}

#[tokio::test]
async fn an_exchanged_token_has_no_details_and_none_can_be_asked_for_rfc_8693() {
    let server = Keystile::start_for_payments("").await;
    let app = server.payer().with_scope("photos:read");
    let tokens = app.redeem(&code(&app, &json!([payment()])).await).await.unwrap();
    let kind = "urn:ietf:params:oauth:token-type:access_token";
    let exchange = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", tokens.access_token()),
        ("subject_token_type", kind),
        ("scope", "photos:read"),
    ];
    let exchanged = app.token(&exchange).await.unwrap();
    assert_eq!(exchanged.json["scope"], "photos:read");
    assert!(exchanged.json.get("authorization_details").is_none());
    assert!(exchanged.claims("access_token").get("authorization_details").is_none());
    let details = json!([payment()]).to_string();
    let asked = [&exchange[..], &[("authorization_details", &details)]].concat();
    let error = app.token(&asked).await.unwrap_err();
    assert_eq!(error.error, "invalid_authorization_details");
}
