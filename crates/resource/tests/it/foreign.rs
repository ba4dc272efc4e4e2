//! Tokens of servers that were not written here, and several issuers at once.

use keystile_resource::{Algorithm, Guard, TrustedIssuer};
use serde_json::{Value, json};

use crate::issuer::{API, Api, Issuer, new_key, now};

/// As Keycloak writes them: with a header `typ` of `JWT`, RS256, `azp`, and roles.
fn keycloak(issuer: &Issuer, changes: &[(&str, Value)]) -> Value {
    let mut claims = json!({
        "exp": now() + 300, "iat": now(), "jti": "onrtac:5b0c", "iss": issuer.url,
        "aud": [API, "account"], "sub": "alice", "typ": "Bearer", "azp": "printer", "sid": "s",
        "acr": "1", "realm_access": { "roles": ["user"] }, "scope": "openid photos:read",
        "email_verified": true, "preferred_username": "alice",
    });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims
}

async fn status(api: &Api, token: &str) -> u16 {
    api.get("/photos", token).await.status
}

#[tokio::test]
async fn plain_jwts_are_taken_where_it_is_said_and_nowhere_else() {
    let issuer = Issuer::start().await;
    let rsa = new_key(Algorithm::RS256);
    issuer.publish(&[&rsa]);
    let strict = TrustedIssuer::new(&issuer.url).algorithms(&[Algorithm::RS256]);
    let guard = |trusted: &TrustedIssuer| {
        Api::behind(&Guard::builder(trusted.clone(), API).build().expect("good"))
    };
    let (strict, lax) = (guard(&strict), guard(&strict.plain_jwts()));
    let sign = |typ: &str, claims: &Value| rsa.sign(typ, claims).expect("signed");
    let token = sign("JWT", &keycloak(&issuer, &[]));
    assert_eq!((status(&strict, &token).await, status(&lax, &token).await), (401, 200));
    let standard = rsa.sign("at+jwt", &issuer.claims()).expect("signed");
    assert_eq!(status(&lax, &standard).await, 200, "those of RFC 9068 too");
    for (changes, case) in [
        (vec![("typ", json!("ID"))], "Keycloak's ID token"),
        (vec![("typ", json!("Refresh"))], "a refresh token"),
        (vec![("at_hash", json!("x"))], "an ID token"),
        (vec![("events", json!({}))], "a logout token"),
        (vec![("token_use", json!("id"))], "Cognito's ID token"),
        (vec![("aud", json!("account"))], "another audience"),
        (vec![("aud", Value::Null)], "no audience"),
        (vec![("aud", json!([]))], "no audience in the list"),
        (vec![("iss", json!("https://other.example"))], "another issuer"),
        (vec![("exp", json!(now() - 100))], "expired"),
        (vec![("exp", Value::Null)], "for ever"),
        (vec![("azp", Value::Null)], "of no client"),
        (vec![("sub", Value::Null)], "of nobody"),
        (vec![("iss", Value::Null)], "of no issuer"),
        (vec![("cnf", json!({ "jkt": "x" }))], "bound to what is no thumbprint"),
    ] {
        let token = sign("JWT", &keycloak(&issuer, &changes));
        assert_eq!(status(&lax, &token).await, 401, "{case}");
    }
    for typ in ["logout+jwt", "dpop+jwt", "secevent+jwt", "token-introspection+jwt"] {
        let token = sign(typ, &keycloak(&issuer, &[]));
        assert_eq!(status(&lax, &token).await, 401, "{typ}");
    }
}

#[tokio::test]
async fn a_token_without_an_audience_is_taken_from_named_clients_alone() {
    let issuer = Issuer::start().await;
    let trusted = TrustedIssuer::new(&issuer.url).plain_jwts().without_audience_from(&["printer"]);
    let api = Api::behind(&Guard::builder(trusted, API).build().expect("good"));
    for (changes, expected) in [
        (vec![("aud", Value::Null)], 200),
        (vec![("aud", json!([]))], 200),
        (vec![("aud", Value::Null), ("azp", json!("other"))], 401),
        (vec![("aud", json!("account"))], 401),
        (vec![("aud", json!(API)), ("azp", json!("other"))], 200),
    ] {
        let token = issuer.key.sign("JWT", &keycloak(&issuer, &changes)).expect("signed");
        assert_eq!(status(&api, &token).await, expected, "{changes:?}");
    }
    let api = Api::behind(&issuer.guard());
    assert_eq!(status(&api, &issuer.token(&[("aud", json!([]))])).await, 401);
}

#[tokio::test]
async fn claims_of_another_server_arrive_as_a_type_of_the_apis_own() {
    #[derive(serde::Deserialize)]
    struct Roles {
        realm_access: Access,
    }
    #[derive(serde::Deserialize)]
    struct Access {
        roles: Vec<String>,
    }
    let issuer = Issuer::start().await;
    let guard = Guard::builder(TrustedIssuer::new(&issuer.url).plain_jwts(), API).build();
    let roles = |token: keystile_resource::Token| async move {
        let claims: Roles = token.claims_as().expect("roles");
        format!("{} {}", token.client_id(), claims.realm_access.roles.join(" "))
    };
    let app = axum::Router::new().route("/roles", axum::routing::get(roles));
    let api = Api::of(app.layer(guard.expect("good")));
    let token = issuer.key.sign("JWT", &keycloak(&issuer, &[])).expect("signed");
    assert_eq!(api.get("/roles", &token).await.body, "printer user");
}

#[tokio::test]
async fn each_of_several_issuers_vouches_for_its_own_tokens_alone() {
    let (one, two, stranger) =
        (Issuer::start().await, Issuer::start().await, Issuer::start().await);
    let guard = Guard::builder(&one.url, API).trust(&two.url).build().expect("good");
    let api = Api::behind(&guard);
    for issuer in [&one, &two] {
        assert_eq!(status(&api, &issuer.token(&[])).await, 200);
    }
    let unknown = api.get("/me", &stranger.token(&[])).await;
    assert_eq!(unknown.status, 401);
    assert!(unknown.body.contains("an issuer that is not believed here"), "{}", unknown.body);
    assert_eq!(stranger.fetches(), 0, "it is not even asked for its keys");
    let mixed = one.token(&[("iss", json!(two.url))]);
    assert_eq!(status(&api, &mixed).await, 401, "signed by one in the name of the other");
    let none = one.token(&[("iss", Value::Null)]);
    assert_eq!(status(&api, &none).await, 401);
    two.away(true);
    assert_eq!(status(&api, &one.token(&[])).await, 200, "one does not fall with the other");
}
