//! What a route asks of the authorization details of a token (RFC 9396 section 9).

use axum::Router;
use axum::routing::get;
use keystile_resource::Token;
use serde_json::{Value, json};

use crate::issuer::{API, Answer, Api, Issuer};

/// Accounts, each of which needs a detail that names it.
async fn read(issuer: &Issuer, details: Value, path: &str) -> Answer {
    let guard = issuer.guard();
    let named = guard.require("photos:read").require_detail("account", |detail, request| {
        let number = request.uri.path().rsplit('/').next();
        detail.members().get("number").and_then(Value::as_str) == number
    });
    let count = |token: Token| async move { token.details("account").count().to_string() };
    let app = Router::new().route("/accounts/{number}", get(count).layer(named)).layer(guard);
    Api::of(app).get(path, &issuer.token(&[("authorization_details", details)])).await
}

#[tokio::test]
async fn a_detail_has_to_allow_the_request_rfc_9396_9() {
    let issuer = Issuer::start().await;
    let account = |number: &str| json!({ "type": "account", "number": number });
    let both = json!([account("1"), account("2"), { "type": "other" }]);
    for number in ["1", "2"] {
        let answer = read(&issuer, both.clone(), &format!("/accounts/{number}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "2"));
    }
    for details in [both, json!([]), json!([{ "type": "Account", "number": "3" }])] {
        let answer = read(&issuer, details.clone(), "/accounts/3").await;
        assert_eq!(answer.status, 403, "{details}");
        assert_eq!(
            answer.header("www-authenticate"),
            format!(
                r#"Bearer realm="{API}", error="insufficient_scope", error_description="the token has no authorization detail of the type 'account' that allows this""#
            )
        );
    }
    for wrong in [json!("x"), json!([{}]), json!([7]), json!([{ "type": 7 }])] {
        assert_eq!(read(&issuer, wrong.clone(), "/accounts/1").await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_detail_with_locations_counts_there_alone_rfc_9396_2_2() {
    let issuer = Issuer::start().await;
    let at =
        |locations: Value| json!([{ "type": "account", "number": "1", "locations": locations }]);
    for (locations, status) in [
        (json!([API]), 200),
        (json!(["https://other.example", API]), 200),
        (json!(["https://other.example"]), 403),
        (json!([format!("{API}/")]), 403),
    ] {
        let answer = read(&issuer, at(locations.clone()), "/accounts/1").await;
        assert_eq!(answer.status, status, "{locations}");
    }
}
