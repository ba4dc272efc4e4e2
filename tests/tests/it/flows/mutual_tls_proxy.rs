//! Client certificates behind a proxy that ends TLS (RFC 9440).

use serde_json::Value;

use crate::harness::{Authority, ErrorAnswer, Identity, Keystile, Tokens, form, tokens};

struct Bench {
    server: Keystile,
    identity: Identity,
}

impl Bench {
    async fn start(proxy: &str) -> Self {
        let identity = Authority::new("Example Authority").issue("app.example");
        let more = format!(
            "[proxy]\n{proxy}\nforwarded_header = \"X-Forwarded-For\"\n\
             client_certificate_header = \"Client-Cert\"\n[mtls]\n\
             issuer_alias = \"http://localhost:1\"\n[[clients]]\nclient_id = \"own\"\n\
             token_endpoint_auth_method = \"self_signed_tls_client_auth\"\njwks = {}\n\
             grant_types = [\"client_credentials\"]\nscope = \"photos:read\"\n\
             tls_client_certificate_bound_access_tokens = true\n",
            identity.jwks()
        );
        Self { server: Keystile::start_with(&more).await, identity }
    }

    async fn token(&self, headers: &[&str]) -> Result<Tokens, ErrorAnswer> {
        let mut request = reqwest::Client::new().post(self.server.url("/token"));
        for value in headers {
            request = request.header("client-cert", *value);
        }
        let pairs = [("grant_type", "client_credentials"), ("client_id", "own")];
        tokens(form(request, &pairs).send().await.unwrap()).await
    }
}

#[tokio::test]
async fn a_trusted_proxy_tells_the_certificate_rfc_9440_2() {
    let bench = Bench::start("trusted = [\"127.0.0.0/8\"]").await;
    let header = bench.identity.header();
    let got = bench.token(&[&header]).await.unwrap();
    let thumbprint = bench.identity.thumbprint();
    assert_eq!(got.claims("access_token")["cnf"]["x5t#S256"], thumbprint);
    let large = format!(":{}:", "A".repeat(20_000));
    let bare = header.trim_matches(':');
    let others = Identity::self_signed().header();
    let bad: [&[&str]; 7] =
        [&[], &[&header, &header], &[bare], &[&large], &[":AAAA:"], &[&others], &[""]];
    for bad in bad {
        let error = bench.token(bad).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"), "{bad:?}");
    }
    let metadata = bench.server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["mtls_endpoint_aliases"]["token_endpoint"], "http://localhost:1/token");
    let methods = metadata["token_endpoint_auth_methods_supported"].as_array().unwrap();
    assert!(methods.contains(&"self_signed_tls_client_auth".into()));
    assert!(!methods.contains(&"tls_client_auth".into()), "without 'ca' nobody issues any");
}

#[tokio::test]
async fn the_header_of_anybody_else_is_nothing_rfc_9440_4() {
    let bench = Bench::start("trusted = [\"192.0.2.0/24\"]").await;
    let error = bench.token(&[&bench.identity.header()]).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"));
}

#[tokio::test]
async fn a_header_that_is_larger_than_a_requests_head_is_refused_unread() {
    let bench = Bench::start("trusted = [\"127.0.0.0/8\"]").await;
    let large = format!(":{}:", "A".repeat(200_000));
    let request = reqwest::Client::new().post(bench.server.url("/token"));
    let answer = request.header("client-cert", large).send().await;
    assert!(answer.map_or(true, |answer| answer.status() == 431));
    assert!(bench.token(&[&bench.identity.header()]).await.is_ok());
}

#[tokio::test]
async fn without_mutual_tls_nothing_of_it_is_advertised() {
    let server = Keystile::start().await;
    let metadata = server.url("/.well-known/openid-configuration");
    let metadata: Value = reqwest::get(metadata).await.unwrap().json().await.unwrap();
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], false);
    assert_eq!(metadata.get("mtls_endpoint_aliases"), None);
    assert!(!metadata["token_endpoint_auth_methods_supported"].to_string().contains("tls_"));
}
