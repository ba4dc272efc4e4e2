//! An https issuer: TLS by the program itself, and cookies that only https may set.

use std::sync::Arc;

use rustls::CipherSuite;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::harness::{Keystile, free_port, new_directory};

/// A certificate for localhost and its key, PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

async fn start(more: &str) -> Keystile {
    let (directory, port) = (new_directory(), free_port());
    let (certificate, key) = certificate();
    std::fs::write(directory.join("cert.pem"), certificate).unwrap();
    std::fs::write(directory.join("key.pem"), key).unwrap();
    let config = format!(
        "issuer = \"https://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n[store]\nurl = \
         \"sqlite://data.db\"\n[tls]\ncertificate = \"cert.pem\"\nkey = \"key.pem\"\n{more}\n\
         [[clients]]\nclient_id = \"app\"\nclient_secret = \"the secret of the app, forty \
         characters long\"\nredirect_uris = [\"https://app.example/callback\"]\nscope = \
         \"openid\"\n"
    );
    std::fs::write(directory.join("keystile.toml"), config).unwrap();
    Keystile::start_https_in(directory, port).await
}

fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true)
        .build()
        .unwrap()
}

#[tokio::test]
async fn an_https_issuer_serves_tls_and_sets_host_bound_cookies() {
    let server = start("").await;
    let metadata =
        http().get(server.url("/.well-known/openid-configuration")).send().await.unwrap();
    assert!(metadata.text().await.unwrap().contains(&server.issuer));
    let app = server.app().with_scope("openid");
    let answer = http().get(app.authorize_url()).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-keystile-browser=") && cookie.contains("; Secure"),
        "{cookie}"
    );
    // An https issuer says less to strangers.
    let wrong = app.authorize_url_with(&[("redirect_uri", Some("https://app.example/x"))]);
    let page = http().get(wrong).send().await.unwrap().text().await.unwrap();
    assert!(!page.contains("https://app.example/callback"), "what is registered is not told");
}

#[tokio::test]
async fn tls_1_2_is_spoken_with_recommended_suites_alone_rfc_9325_4_2() {
    let server = start("").await;
    let mut roots = rustls::RootCertStore::empty();
    let path = server.directory.join("cert.pem");
    roots.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
    let speaks = async |suite: CipherSuite, version| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider.cipher_suites.retain(|offered| offered.suite() == suite);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(provider));
        let config = config.with_protocol_versions(&[version]).unwrap();
        let config = config.with_root_certificates(roots.clone()).with_no_client_auth();
        let address = server.issuer.trim_start_matches("https://");
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.is_ok()
    };
    let (old, new) = (&rustls::version::TLS12, &rustls::version::TLS13);
    assert!(speaks(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, old).await);
    assert!(speaks(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, old).await);
    let chacha = CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256;
    assert!(!speaks(chacha, old).await);
    assert!(speaks(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256, new).await);
}

#[tokio::test]
async fn a_connection_that_says_nothing_holds_nobody_up() {
    let server = start("").await;
    let address = server.issuer.trim_start_matches("https://").to_owned();
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(tokio::net::TcpStream::connect(&address).await.unwrap());
    }
    let answer = http().get(server.url("/readyz")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn addresses_count_as_the_trusted_proxy_says_and_only_then() {
    let trusting = "[proxy]\ntrusted = [\"127.0.0.0/8\"]\nforwarded_header = \"X-Forwarded-For\"\n";
    for (config, told_apart) in [(trusting, true), ("", false)] {
        let server =
            start(&format!("{config}[limits]\nclient = {{ burst = 3, every_seconds = 60 }}\n"))
                .await;
        let right = "the secret of the app, forty characters long";
        let attempt = |from: &'static str| {
            let request = http().post(server.url("/token")).header("x-forwarded-for", from);
            let request = request
                .header("content-type", "application/x-www-form-urlencoded")
                .body("grant_type=client_credentials&client_id=app&client_secret=wrong");
            async move { request.send().await.unwrap().status().as_u16() }
        };
        for _ in 0..3 {
            assert_eq!(attempt("192.0.2.1").await, 401);
        }
        assert_eq!(attempt("192.0.2.1").await, 429);
        assert_eq!(attempt("198.51.100.1").await, if told_apart { 401 } else { 429 });
        // An app that proves itself is not held up by its neighbours.
        let app = server.app();
        let request = http().post(server.url("/token")).header("authorization", app.basic(right));
        let request = request
            .header("x-forwarded-for", "192.0.2.1")
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body("grant_type=client_credentials").send().await.unwrap();
        let error = answer.text().await.unwrap();
        assert!(error.contains("unauthorized_client"), "known, and not registered so: {error}");
    }
}
