//! Tokens that are bound to a client certificate (RFC 8705 section 3).

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use keystile_resource::{ClientCertificate, Guard};
use serde_json::{Value, json};

use crate::issuer::{API, Answer, Api, Issuer};

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

#[tokio::test]
async fn a_proxys_header_counts_from_its_network_alone_rfc_9440_4() {
    let issuer = Issuer::start().await;
    let guard = Guard::builder(&issuer.url, API)
        .client_certificates_from(&["10.0.0.0/8".parse().expect("a network")])
        .bound_tokens_alone();
    let api = Api::behind(&guard.build().expect("good"));
    let bound = json!({ "x5t#S256": certificate("own").thumbprint().to_string() });
    let get = async |peer: &str, header: &str, cnf: &Value| {
        let token = issuer.token(&[("cnf", cnf.clone())]);
        let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
        let request = request.header("client-cert", header).body(Body::empty());
        let mut request = request.expect("a request");
        let peer: SocketAddr = peer.parse().expect("an address");
        request.extensions_mut().insert(ConnectInfo(peer));
        api.send(request).await
    };
    // base64 of "own" and of "another".
    let (own, another) = (":b3du:", ":YW5vdGhlcg==:");
    assert_eq!(get("10.1.2.3:4", own, &bound).await.status, 200);
    for (peer, header) in [("11.1.2.3:4", own), ("10.1.2.3:4", another), ("10.1.2.3:4", "b3du")] {
        assert_eq!(get(peer, header, &bound).await.status, 401, "{peer} {header}");
    }
    let unbound = get("10.1.2.3:4", own, &Value::Null).await;
    assert_eq!(unbound.status, 401, "only bound tokens are taken");
    assert!(unbound.body.contains("bound to nothing"), "{}", unbound.body);
}
