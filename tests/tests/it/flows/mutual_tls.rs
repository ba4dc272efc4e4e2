//! Mutual TLS (RFC 8705) over real TLS.

use std::sync::Arc;

use keystile_protocol::jose::Algorithm;
use reqwest::Response;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{
    App, Authority, Browser, ClientKey, ErrorAnswer, Identity, Keystile, Tokens, expired, form,
    free_ports, http_with, new_directory, tokens,
};

const CALLBACK: &str = "https://app.example/callback";
const MACHINE: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A server with a listener of its own for clients with certificates, and a client of each kind.
struct Bench {
    server: Keystile,
    alias: String,
    authority: Authority,
    issued: Identity,
    own: Identity,
    key: ClientKey,
}

impl Bench {
    async fn start() -> Self {
        let port = free_ports(2);
        let alias = format!("https://localhost:{}", port + 1);
        let mtls = format!("listen = \"127.0.0.1:{}\"\nissuer_alias = \"{alias}\"\n", port + 1);
        Self::start_with(port, alias, "", &mtls).await
    }

    async fn start_with(port: u16, alias: String, tls: &str, mtls: &str) -> Self {
        let (directory, authority) = (new_directory(), Authority::new("Example Authority"));
        let issued = authority.issue("app.example");
        let (own, key) = (Identity::self_signed(), ClientKey::new(Algorithm::ES256));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let files = [
            ("cert.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
            ("ca.pem", authority.pem()),
        ];
        for (name, text) in files {
            std::fs::write(directory.join(name), text).unwrap();
        }
        let config = config(port, tls, mtls, &own, &key);
        std::fs::write(directory.join("keystile.toml"), config).unwrap();
        let server = Keystile::start_https_in(directory, port).await;
        Self { server, alias, authority, issued, own, key }
    }

    /// Calls an endpoint where certificates are asked for.
    async fn call(
        &self,
        identity: Option<&Identity>,
        path: &str,
        pairs: &[(&str, &str)],
    ) -> Response {
        let request = http_with(identity).post(format!("{}{path}", self.alias));
        form(request, pairs).send().await.unwrap()
    }

    async fn token(
        &self,
        client_id: &str,
        identity: Option<&Identity>,
        pairs: &[(&str, &str)],
    ) -> Result<Tokens, ErrorAnswer> {
        let pairs = [&[("client_id", client_id)], pairs].concat();
        tokens(self.call(identity, "/token", &pairs).await).await
    }

    async fn userinfo(&self, identity: Option<&Identity>, token: &str) -> Response {
        let request = http_with(identity).get(format!("{}/userinfo", self.alias));
        request.bearer_auth(token).send().await.unwrap()
    }

    fn app(&self, client_id: &str, scope: &str) -> App {
        App::new(&self.server.issuer, client_id, None, CALLBACK).with_scope(scope)
    }

    async fn metadata(&self) -> Value {
        let url = self.server.url("/.well-known/openid-configuration");
        http_with(None).get(url).send().await.unwrap().json().await.unwrap()
    }
}

fn config(port: u16, tls: &str, mtls: &str, own: &Identity, key: &ClientKey) -> String {
    let client = |id: &str, more: &str| {
        format!(
            "\n[[clients]]\nclient_id = \"{id}\"\nredirect_uris = [\"{CALLBACK}\"]\nscope = \
             \"openid offline_access photos:read\"\nid_token_signed_response_alg = \"ES256\"\n{more}\n"
        )
    };
    let grants = "grant_types = [\"authorization_code\", \"refresh_token\", \"client_credentials\"]\n\
                  tls_client_certificate_bound_access_tokens = true";
    let issued = format!(
        "token_endpoint_auth_method = \"tls_client_auth\"\n\
         tls_client_auth_san_dns = \"app.example\"\n{grants}"
    );
    let own = format!(
        "token_endpoint_auth_method = \"self_signed_tls_client_auth\"\njwks = {}\n{grants}",
        own.jwks()
    );
    let signing = format!(
        "token_endpoint_auth_method = \"private_key_jwt\"\njwks = {}\n{grants}",
        key.jwks()
    );
    let native = "token_endpoint_auth_method = \"none\"\n\
                  grant_types = [\"authorization_code\", \"refresh_token\"]\n\
                  tls_client_certificate_bound_access_tokens = true";
    let plain = "token_endpoint_auth_method = \"none\"";
    format!(
        "issuer = \"https://localhost:{port}\"\nlisten = \"127.0.0.1:{port}\"\n[store]\nurl = \
         \"sqlite://data.db\"\n[password_hash]\nmemory_kib = 256\niterations = 1\n[tls]\n\
         certificate = \"cert.pem\"\nkey = \"key.pem\"\n{tls}\n[mtls]\nca = \"ca.pem\"\n{mtls}\n\
         [[scopes]]\nname = \"photos:read\"\n[[apis]]\naudience = \"https://photos.example\"\n\
         scopes = [\"photos:read\"]\n[[users]]\nusername = \"alice\"\npassword = \"correct horse \
         battery staple\"\n{}{}{}{}{}",
        client("issued", &issued),
        client("own", &own),
        client("signing", &signing),
        client("public", native),
        client("plain", plain),
    )
}

fn redemption<'a>(app: &'a App, code: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &app.redirect_uri),
        ("code_verifier", app.verifier.expose()),
    ]
}

fn refresh(token: &str) -> [(&str, &str); 2] {
    [("grant_type", "refresh_token"), ("refresh_token", token)]
}

#[tokio::test]
async fn a_certificate_authenticates_at_each_endpoint_rfc_8705_2_and_is_advertised() {
    let bench = Bench::start().await;
    for (client_id, identity) in [("issued", &bench.issued), ("own", &bench.own)] {
        let got = bench.token(client_id, Some(identity), &MACHINE).await.unwrap();
        let by = ("client_id", client_id);
        let token = [by, ("token", got.access_token())];
        let answer = bench.call(Some(identity), "/introspect", &token).await;
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["active"], true);
        assert_eq!(answer["cnf"], json!({ "x5t#S256": identity.thumbprint() }));
        assert_eq!(answer["token_type"], "Bearer", "RFC 8705 section 3");
        let app = bench.app(client_id, "openid");
        let request = app.request();
        let pushed: Vec<_> = request.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(bench.call(Some(identity), "/par", &pushed).await.status(), 201);
        assert_eq!(bench.call(None, "/par", &pushed).await.status(), 401);
        assert_eq!(bench.call(Some(identity), "/revoke", &token).await.status(), 200);
        let answer = bench.call(Some(identity), "/introspect", &token).await;
        assert_eq!(answer.json::<Value>().await.unwrap(), json!({ "active": false }));
    }
    let metadata = bench.metadata().await;
    for endpoint in ["token", "revocation", "introspection"] {
        let methods = &metadata[format!("{endpoint}_endpoint_auth_methods_supported")];
        for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
            assert!(methods.as_array().unwrap().contains(&method.into()), "{endpoint} {method}");
        }
    }
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    let aliases = metadata["mtls_endpoint_aliases"].as_object().unwrap();
    assert_eq!(aliases["token_endpoint"], format!("{}/token", bench.alias));
    for (name, url) in aliases {
        let plain = metadata[name].as_str().unwrap();
        let path = plain.strip_prefix(&bench.server.issuer).unwrap();
        assert_eq!(*url, format!("{}{path}", bench.alias), "{name}");
        let status = http_with(None).post(url.as_str().unwrap()).send().await.unwrap().status();
        assert_ne!(status, 404, "{name}");
    }
}

#[tokio::test]
async fn other_certificates_do_not_authenticate_rfc_8705_2() {
    let bench = Bench::start().await;
    let (authority, stranger) = (&bench.authority, Authority::new("Another Authority"));
    let for_servers = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let others = [
        ("another client's", authority.issue("other.example")),
        ("a wider name's", authority.issue("www.app.example")),
        ("expired", authority.issue_with("app.example", expired)),
        ("a server's", authority.issue_with("app.example", for_servers)),
        ("another authority's", stranger.issue("app.example")),
        ("nobody's", Identity::self_signed()),
    ];
    for (what, identity) in &others {
        for client_id in ["issued", "own", "nobody"] {
            let error = bench.token(client_id, Some(identity), &MACHINE).await.unwrap_err();
            let got = (error.status, error.error.as_str());
            assert_eq!(got, (401, "invalid_client"), "{client_id} {what}");
        }
    }
    let swapped = [
        ("issued", Some(&bench.own)),
        ("own", Some(&bench.issued)),
        ("issued", None),
        ("own", None),
        ("signing", Some(&bench.own)),
    ];
    for (client_id, identity) in swapped {
        let error = bench.token(client_id, identity, &MACHINE).await.unwrap_err();
        assert_eq!((error.status, error.error.as_str()), (401, "invalid_client"), "{client_id}");
    }
    let secret = [MACHINE[0], ("client_secret", "x")];
    let error = bench.token("issued", Some(&bench.issued), &secret).await.unwrap_err();
    assert_eq!(error.error, "invalid_client", "a secret beside it is another method");
}

#[tokio::test]
async fn a_token_is_bound_to_the_certificate_that_it_was_got_with_rfc_8705_3() {
    let bench = Bench::start().await;
    for (client_id, identity) in [("issued", &bench.issued), ("own", &bench.own)] {
        let app = bench.app(client_id, "openid offline_access");
        let code = app.code(&mut Browser::new()).await;
        let pairs = redemption(&app, &code);
        assert_eq!(bench.token(client_id, None, &pairs).await.unwrap_err().error, "invalid_client");
        let got = bench.token(client_id, Some(identity), &pairs).await.unwrap();
        assert_eq!(got.text("token_type"), "Bearer");
        let bound = json!({ "x5t#S256": identity.thumbprint() });
        assert_eq!(got.claims("access_token")["cnf"], bound);
        let token = got.access_token();
        assert_eq!(bench.userinfo(Some(identity), token).await.status(), 200);
        let other = Identity::self_signed();
        for refused in [Some(&other), None] {
            let answer = bench.userinfo(refused, token).await;
            assert_eq!(answer.status(), 401);
            let challenge = answer.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        }
        let elsewhere = http_with(Some(identity)).get(bench.server.url("/userinfo"));
        let answer = elsewhere.bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 401, "the main listener asks for no certificate");
        let pairs = refresh(got.refresh_token());
        let error = bench.token(client_id, None, &pairs).await.unwrap_err();
        assert_eq!(error.error, "invalid_client");
        let next = bench.token(client_id, Some(identity), &pairs).await.unwrap();
        assert_eq!(next.claims("access_token")["cnf"], bound);
    }
}

#[tokio::test]
async fn a_client_with_a_key_gets_tokens_bound_to_whatever_certificate_it_comes_with_rfc_8705_3() {
    let bench = Bench::start().await;
    let identity = Identity::self_signed();
    let token = async |identity, audience: &str| {
        let assertion = bench.key.authentication("signing", audience);
        let mut pairs = MACHINE.to_vec();
        pairs.extend(assertion.iter().map(|(name, value)| (*name, value.as_str())));
        tokens(bench.call(identity, "/token", &pairs).await).await
    };
    let alias = format!("{}/token", bench.alias);
    for audience in [&bench.server.issuer, &bench.server.url("/token"), &alias] {
        let got = token(Some(&identity), audience).await.unwrap();
        assert_eq!(got.claims("access_token")["cnf"]["x5t#S256"], identity.thumbprint());
    }
    let error = token(Some(&identity), &bench.alias).await.unwrap_err();
    assert_eq!(error.error, "invalid_client", "the alias is no issuer");
    let error = token(None, &alias).await.unwrap_err();
    assert_eq!((error.status, error.error.as_str()), (400, "invalid_request"), "section 3.4");
    // No token is given out there, so that no certificate is asked for (FAPI 2.0).
    let assertion = bench.key.authentication("signing", &bench.server.issuer);
    let mut pairs = bench.app("signing", "openid").request();
    pairs.extend(assertion.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let request = http_with(None).post(bench.server.url("/par"));
    assert_eq!(form(request, &pairs).send().await.unwrap().status(), 201);
}

#[tokio::test]
async fn a_public_clients_refresh_token_is_bound_to_its_certificate_rfc_8705_7_1() {
    let bench = Bench::start().await;
    let (identity, other) = (Identity::self_signed(), Identity::self_signed());
    let app = bench.app("public", "openid offline_access");
    let code = app.code(&mut Browser::new()).await;
    let pairs = redemption(&app, &code);
    let error = bench.token("public", None, &pairs).await.unwrap_err();
    assert_eq!(error.error, "invalid_request");
    let first = bench.token("public", Some(&identity), &pairs).await.unwrap();
    let pairs = refresh(first.refresh_token());
    let error = bench.token("public", Some(&other), &pairs).await.unwrap_err();
    assert_eq!(error.error, "invalid_grant");
    let next = bench.token("public", Some(&identity), &pairs).await.unwrap();
    assert_eq!(next.claims("access_token")["cnf"]["x5t#S256"], identity.thumbprint());
}

#[tokio::test]
async fn a_proof_names_either_url_of_an_endpoint_rfc_9449_4_3_and_not_beside_a_bound_certificate() {
    let bench = Bench::start().await;
    let app = bench.app("plain", "openid");
    let mut browser = Browser::new();
    let key = ClientKey::new(Algorithm::ES256);
    for url in [bench.server.url("/token"), format!("{}/token", bench.alias)] {
        let code = app.code(&mut browser).await;
        let pairs = [&[("client_id", "plain")], &redemption(&app, &code)[..]].concat();
        let proof = key.proof("POST", &url, None);
        let request = http_with(None).post(format!("{}/token", bench.alias)).header("dpop", proof);
        let got = tokens(form(request, &pairs).send().await.unwrap()).await.unwrap();
        assert_eq!(got.text("token_type"), "DPoP", "{url}");
        let url = url.replace("/token", "/userinfo");
        let proof = key.proof("GET", &url, Some(got.access_token()));
        let request = http_with(None).get(format!("{}/userinfo", bench.alias));
        let request = request.header("authorization", format!("DPoP {}", got.access_token()));
        assert_eq!(request.header("dpop", proof).send().await.unwrap().status(), 200, "{url}");
    }
    let proof = key.proof("POST", &bench.server.url("/token"), None);
    let request = http_with(Some(&bench.issued)).post(format!("{}/token", bench.alias));
    let pairs = [("client_id", "issued"), MACHINE[0]];
    let answer = form(request.header("dpop", proof), &pairs).send().await.unwrap();
    assert_eq!(tokens(answer).await.unwrap_err().error, "invalid_request");
}

#[tokio::test]
async fn the_listener_for_certificates_has_nothing_for_browsers() {
    let bench = Bench::start().await;
    for path in ["/", "/authorize", "/login", "/consent", "/logout", "/account"] {
        let answer = http_with(None).get(format!("{}{path}", bench.alias)).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_main_listener_may_ask_too_and_then_nothing_has_another_url_rfc_8705_5() {
    let port = free_ports(1);
    let issuer = format!("https://localhost:{port}");
    let bench = Bench::start_with(port, issuer, "client_certificates = \"optional\"", "").await;
    for (client_id, identity) in [("issued", &bench.issued), ("own", &bench.own)] {
        assert!(bench.token(client_id, Some(identity), &MACHINE).await.is_ok());
        assert!(bench.token(client_id, None, &MACHINE).await.is_err());
    }
    let metadata = bench.metadata().await;
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(metadata.get("mtls_endpoint_aliases"), None);
    let page = Browser::new().open(bench.app("plain", "openid").authorize_url()).await;
    assert!(page.is_sign_in(), "a browser without a certificate gets its pages");
}

#[tokio::test]
async fn an_oversize_certificate_is_refused_in_the_handshake() {
    let bench = Bench::start().await;
    let large = bench.authority.issue_with("app.example", |params| {
        let host = |n: u32| format!("a-host-with-a-rather-long-name-{n}.app.example");
        let hosts = (0..200).map(host).map(|name| name.try_into().unwrap());
        params.subject_alt_names.extend(hosts.map(rcgen::SanType::DnsName));
    });
    assert!(large.certificate.der().len() > 8 * 1024);
    let request = http_with(Some(&large)).post(format!("{}/token", bench.alias));
    assert!(form(request, &[("client_id", "issued"), MACHINE[0]]).send().await.is_err());
    assert!(bench.token("issued", Some(&bench.issued), &MACHINE).await.is_ok());
}

#[tokio::test]
async fn a_resumed_session_keeps_its_certificate_whatever_the_version_of_tls() {
    let bench = Bench::start().await;
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let connector = connector(&bench, version);
        for resumed in [false, true, true] {
            let address = bench.alias.trim_start_matches("https://");
            let socket = TcpStream::connect(address).await.unwrap();
            let name = "localhost".try_into().unwrap();
            let mut stream = connector.connect(name, socket).await.unwrap();
            let body = "grant_type=client_credentials&client_id=issued";
            let request = format!(
                "POST /token HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: \
                 application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind == Some(HandshakeKind::Resumed), resumed, "{version:?} {kind:?}");
            assert!(answer.starts_with("HTTP/1.1 200 "), "{version:?} {answer}");
        }
    }
}

fn connector(bench: &Bench, version: &'static SupportedProtocolVersion) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    let path = bench.server.directory.join("cert.pem");
    roots.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
    let chain = vec![bench.issued.certificate.der().clone()];
    let key = PrivatePkcs8KeyDer::from(bench.issued.key.serialize_der()).into();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    TlsConnector::from(Arc::new(config))
}
