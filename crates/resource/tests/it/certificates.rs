//! Tokens that are bound to a client certificate (RFC 8705 section 3).

use axum::body::Body;
use axum::extract::Request;
use keystile_resource::ClientCertificate;
use serde_json::{Value, json};

use crate::issuer::{Answer, Issuer};

fn certificate(der: &str) -> ClientCertificate {
    ClientCertificate::from_chain(&[der]).expect("bounded")
}

async fn get(issuer: &Issuer, cnf: Value, certificate: Option<ClientCertificate>) -> Answer {
    let token = issuer.token(&[("cnf", cnf)]);
    let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
    let mut request = request.body(Body::empty()).expect("a request");
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(certificate);
    }
    issuer.api().send(request).await
}

#[tokio::test]
async fn a_bound_token_passes_with_its_certificate_alone_rfc_8705_3() {
    let issuer = Issuer::start().await;
    let own = certificate("own");
    let bound = json!({ "x5t#S256": own.thumbprint().to_string() });
    let good = get(&issuer, bound.clone(), Some(own.clone())).await;
    assert_eq!((good.status, good.body.as_str()), (200, "alice"));
    for other in [None, Some(certificate("another"))] {
        let refused = get(&issuer, bound.clone(), other).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").contains("error=\"invalid_token\""));
        assert!(refused.body.contains("client certificate"), "{}", refused.body);
    }
    let unbound = get(&issuer, Value::Null, Some(own)).await;
    assert_eq!(unbound.status, 200, "a certificate beside a bearer token changes nothing");
}

#[tokio::test]
async fn a_certificate_opens_nothing_that_is_bound_otherwise_rfc_7800_3_1() {
    let issuer = Issuer::start().await;
    let own = certificate("own");
    let thumbprint = own.thumbprint().to_string();
    for cnf in [
        json!({ "jkt": thumbprint }),
        json!({ "jkt": thumbprint, "x5t#S256": thumbprint }),
        json!({}),
        json!({ "kid": "a" }),
        json!({ "x5t#S256": "short" }),
        json!("own"),
    ] {
        let refused = get(&issuer, cnf.clone(), Some(own.clone())).await;
        assert_eq!(refused.status, 401, "{cnf}");
    }
}
