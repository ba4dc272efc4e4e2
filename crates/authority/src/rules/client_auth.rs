//! Who sends this request to the token endpoint? (RFC 6749 section 2.3, OAuth 2.1 section 2.4.)

use std::sync::Arc;

use keystile_protocol::encoding::{form_decode, from_base64};
use keystile_protocol::jose::KeySet;
use keystile_protocol::{
    ClientCertificate, ClientId, ErrorCode, Params, ProtocolError, Secret, Timestamp,
};

use crate::certificate::Authorities;
use crate::decisions::UsedOnce;
use crate::records::{Client, ClientKind, SecretMethod};
use crate::rules::client_assertion::{self, Recipient};
use crate::rules::mutual_tls;

/// Longest secret that is looked at, in bytes.
const SECRET_AT_MOST: usize = 512;

/// What a request presents to say who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Who it claims to be.
    pub client_id: ClientId,
    /// How it claims to prove it.
    pub proof: Proof,
}

/// How a client claims to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A secret, sent by that method.
    Secret(SecretMethod, Secret),
    /// A signed assertion (RFC 7523).
    Assertion(Secret),
    /// None in the request itself: a public client, or one that proves itself by the certificate
    /// of its connection (RFC 8705 section 2).
    None,
}

/// A client that has proved who it is. Only [`prove`] makes one.
#[derive(Clone, Debug)]
pub struct AuthenticatedClient {
    client: Arc<Client>,
    once: Option<UsedOnce>,
}

impl AuthenticatedClient {
    /// The client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// What it proved itself with, where that counts once: it has to be used up.
    pub fn once(&self) -> Option<UsedOnce> {
        self.once
    }
}

/// What the proof of a client is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The client's public keys, wherever they came from.
    pub keys: &'a KeySet,
    /// Whom an assertion may be for.
    pub recipient: Recipient<'a>,
    /// The client certificate of the connection.
    pub certificate: Option<&'a ClientCertificate>,
    /// Who may have issued it.
    pub authorities: &'a Authorities,
    /// What time it is.
    pub now: Timestamp,
}

fn invalid_client(words: impl AsRef<str>) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidClient, words)
}

fn invalid_request(words: impl ToString) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidRequest, words.to_string())
}

/// Reads the credentials of a request. `authorization` are its `Authorization` headers. Two
/// credentials in one request are refused (RFC 6749 section 2.3).
pub fn presented(authorization: &[&[u8]], params: &Params) -> Result<Presented, ProtocolError> {
    let named: Option<ClientId> = params.optional_as("client_id").map_err(invalid_request)?;
    let secret = params.optional("client_secret").map_err(invalid_request)?;
    if let Some((client_id, assertion)) = client_assertion::presented(params, named.as_ref())? {
        if !authorization.is_empty() || secret.is_some() {
            return Err(two_credentials());
        }
        return Ok(Presented { client_id, proof: Proof::Assertion(Secret::new(assertion)) });
    }
    match (authorization, secret) {
        ([], None) => {
            let words = "no client authentication: send HTTP Basic, client_secret, \
                         client_assertion, or client_id of a public client or beside a client \
                         certificate (RFC 6749 section 2.3, RFC 8705 section 2)";
            named
                .map(|client_id| Presented { client_id, proof: Proof::None })
                .ok_or_else(|| invalid_client(words))
        }
        ([], Some(secret)) => {
            let client_id =
                named.ok_or_else(|| invalid_request("client_secret came without client_id"))?;
            let proof = Proof::Secret(SecretMethod::ClientSecretPost, bounded(secret)?);
            Ok(Presented { client_id, proof })
        }
        ([header], None) => {
            let (client_id, secret) = basic(header)?;
            if named.is_some_and(|named| named != client_id) {
                return Err(invalid_request(
                    "client_id differs from the one in the Authorization header",
                ));
            }
            let proof = Proof::Secret(SecretMethod::ClientSecretBasic, secret);
            Ok(Presented { client_id, proof })
        }
        _ => Err(two_credentials()),
    }
}

fn two_credentials() -> ProtocolError {
    invalid_request("more than one client credential came; send one (RFC 6749 section 2.3)")
}

fn bounded(secret: &str) -> Result<Secret, ProtocolError> {
    if secret.len() > SECRET_AT_MOST {
        return Err(invalid_client("the client secret is too long"));
    }
    Ok(Secret::new(secret))
}

/// HTTP Basic with both halves form encoded (RFC 6749 section 2.3.1).
fn basic(header: &[u8]) -> Result<(ClientId, Secret), ProtocolError> {
    let malformed = || invalid_client("the Authorization header is not HTTP Basic (RFC 7617)");
    if header.len() > 2048 {
        return Err(malformed());
    }
    let header = std::str::from_utf8(header).map_err(|_| malformed())?;
    let (scheme, encoded) = header.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded = from_base64(encoded.trim()).ok_or_else(malformed)?;
    let colon = decoded.iter().position(|&byte| byte == b':').ok_or_else(malformed)?;
    let client_id = form_decode(&decoded[..colon]).ok_or_else(malformed)?;
    let secret = form_decode(&decoded[colon + 1..]).ok_or_else(malformed)?;
    let client_id = ClientId::new(client_id).map_err(|_| malformed())?;
    if secret.is_empty() {
        return Err(invalid_client("the client secret is empty"));
    }
    Ok((client_id, bounded(&secret)?))
}

/// Whether the client is who it says. Unknown client, wrong secret and wrong method answer alike.
pub fn prove(
    client: Option<Arc<Client>>,
    presented: &Presented,
    facts: &Facts<'_>,
) -> Result<AuthenticatedClient, ProtocolError> {
    let failed = || {
        invalid_client(
            "client authentication failed: unknown client, wrong secret, or another \
             token_endpoint_auth_method than registered",
        )
    };
    let client = client.filter(|client| client.enabled).ok_or_else(failed)?;
    let mut once = None;
    let proved = match (&client.kind, &presented.proof) {
        (ClientKind::Confidential { method, secrets, .. }, Proof::Secret(by, secret)) => {
            method == by && secrets.iter().any(|known| known.accepts(secret, facts.now))
        }
        (ClientKind::PrivateKeyJwt { .. }, Proof::Assertion(assertion)) => {
            let (assertion, Facts { keys, recipient, now, .. }) = (assertion.expose(), facts);
            once = Some(client_assertion::verify(assertion, &client, keys, recipient, *now)?);
            true
        }
        (ClientKind::MutualTls { certificate, .. }, Proof::None) => {
            mutual_tls::verify(certificate, facts)?;
            true
        }
        (ClientKind::Public { .. }, Proof::None) => true,
        // A public client that sends a secret believes to be another.
        _ => false,
    };
    if proved { Ok(AuthenticatedClient { client, once }) } else { Err(failed()) }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{Algorithm, SigningKey};

    use super::*;
    use crate::certificate::testing::{Authority, issue};
    use crate::fixtures::{self, SECRET};
    use crate::records::{CertificateName, ClientSecret, ExpectedCertificate};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn read(authorization: &[&str], body: &str) -> Result<Presented, ErrorCode> {
        let headers: Vec<&[u8]> = authorization.iter().map(|header| header.as_bytes()).collect();
        let params = Params::parse(body.as_bytes()).expect("few parameters");
        presented(&headers, &params).map_err(|error| error.error)
    }

    #[test]
    fn basic_is_decoded_twice_rfc_6749_2_3_1() {
        // "a b:c%3Ad+e" in base64, with and without padding.
        for header in ["Basic YStiOmMlM0FkK2U=", "basic YStiOmMlM0FkK2U"] {
            let got = read(&[header], "").expect("well formed");
            assert_eq!(got.client_id.as_str(), "a b");
            let secret = Proof::Secret(SecretMethod::ClientSecretBasic, Secret::new("c:d e"));
            assert_eq!(got.proof, secret);
        }
    }

    #[test]
    fn two_credentials_and_malformed_ones_are_refused_rfc_6749_2_3() {
        use ErrorCode::{InvalidClient, InvalidRequest};
        let good = "Basic YTpi";
        let cases: [(&[&str], &str, ErrorCode); 13] = [
            (&[good, good], "", InvalidRequest),
            (&[good], "client_secret=x", InvalidRequest),
            (&[good], "client_id=other", InvalidRequest),
            (&[], "client_secret=x", InvalidRequest),
            (&[], "client_id=a&client_id=a", InvalidRequest),
            (&[], "", InvalidClient),
            (&["Bearer abc"], "", InvalidClient),
            (&["Basic"], "", InvalidClient),
            (&["Basic !!!"], "", InvalidClient),
            (&["Basic YQ=="], "", InvalidClient),
            (&["Basic YTo="], "", InvalidClient),
            (&["Basic /zpi"], "", InvalidClient),
            (&[], "client_id=a&client_assertion=x", InvalidClient),
        ];
        for (headers, body, expected) in cases {
            assert_eq!(read(headers, body), Err(expected), "{headers:?} {body}");
        }
    }

    #[test]
    fn row_1_4_a_confidential_client_proves_itself_by_its_secret() {
        let authority = Authority::new("root");
        let authorities = Authorities::new(&[authority.der()]).expect("good");
        let certificate = issue(&authority, |_| {}).certificate();
        let prove = |proof: Proof, client: Client| {
            let presented = Presented { client_id: client.id.clone(), proof };
            let keys = fixtures::key_set(&client);
            let issuer = fixtures::policy().issuer;
            let recipient = Recipient { issuer: &issuer, endpoints: &[] };
            let facts = Facts {
                keys: &keys,
                recipient,
                certificate: Some(&certificate),
                authorities: &authorities,
                now: NOW,
            };
            prove(Some(Arc::new(client)), &presented, &facts).is_ok()
        };
        let basic = |s: &str| Proof::Secret(SecretMethod::ClientSecretBasic, Secret::new(s));
        let post = |s: &str| Proof::Secret(SecretMethod::ClientSecretPost, Secret::new(s));
        assert!(prove(basic(SECRET), fixtures::client()));
        assert!(!prove(basic("another secret of some length, no doubt"), fixtures::client()));
        assert!(!prove(post(SECRET), fixtures::client()), "another method than registered");
        assert!(!prove(Proof::None, fixtures::client()), "a secret is needed");
        assert!(!prove(basic(SECRET), Client { enabled: false, ..fixtures::client() }));
        let public = Client { kind: ClientKind::Public { native: true }, ..fixtures::client() };
        assert!(prove(Proof::None, public.clone()));
        assert!(!prove(post(SECRET), public));
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let claims = serde_json::json!({
            "iss": "app", "sub": "app", "aud": "https://login.example", "jti": "j",
            "exp": NOW.seconds() + 60,
        });
        let assertion = key.sign("JWT", &claims).expect("signed");
        let assertion = || Proof::Assertion(Secret::new(assertion.as_str()));
        let signing = fixtures::signing_client(&key);
        assert!(prove(assertion(), signing.clone()));
        assert!(!prove(assertion(), fixtures::client()), "another method than registered");
        assert!(!prove(Proof::None, signing.clone()));
        assert!(!prove(basic(SECRET), signing.clone()));
        let name = CertificateName::SubjectDn("CN=app".into());
        let certificate = ExpectedCertificate::Issued(name);
        let kind = ClientKind::MutualTls { certificate, require_pkce: true };
        let with_certificate = Client { kind, ..fixtures::client() };
        assert!(prove(Proof::None, with_certificate.clone()));
        assert!(!prove(basic(SECRET), with_certificate.clone()), "RFC 8705 section 2: one method");
        assert!(!prove(assertion(), with_certificate.clone()));
        assert!(!prove(Proof::None, Client { enabled: false, ..with_certificate }));
        assert!(!prove(assertion(), Client { enabled: false, ..signing }));
    }

    #[test]
    fn an_assertion_says_whose_it_is_rfc_7521_4_2() {
        use ErrorCode::{InvalidClient, InvalidRequest};
        let key = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let jwt = key.sign("JWT", &serde_json::json!({ "sub": "app" })).expect("signed");
        let kind = keystile_protocol::client_assertion::TYPE;
        let body = format!("client_assertion={jwt}&client_assertion_type={kind}");
        let got = read(&[], &body).expect("well formed");
        assert_eq!(
            (got.client_id.as_str(), got.proof),
            ("app", Proof::Assertion(jwt.as_str().into()))
        );
        assert!(read(&[], &format!("{body}&client_id=app")).is_ok());
        let cases: [(&[&str], String, ErrorCode); 8] = [
            (&[], format!("{body}&client_id=other"), InvalidClient),
            (&[], format!("{body}&client_secret=x"), InvalidRequest),
            (&["Basic YTpi"], body.clone(), InvalidRequest),
            (&[], format!("{body}&client_assertion={jwt}"), InvalidRequest),
            (&[], body.replace("jwt-bearer", "saml2-bearer"), InvalidClient),
            (&[], format!("client_assertion={jwt}"), InvalidClient),
            (&[], format!("client_assertion_type={kind}&client_id=app"), InvalidRequest),
            (&[], format!("client_assertion={}&{body}", "a".repeat(9000)), InvalidRequest),
        ];
        for (headers, body, expected) in cases {
            assert_eq!(read(headers, &body), Err(expected), "{body}");
        }
    }

    #[test]
    fn row_0_3_two_secrets_overlap_until_the_old_one_ends() {
        let until = NOW.plus(std::time::Duration::from_secs(60));
        let old = ClientSecret::of(&Secret::new("old"), Some(until));
        assert!(old.accepts(&Secret::new("old"), NOW));
        assert!(!old.accepts(&Secret::new("old"), until));
    }
}
