//! Is the certificate of this connection the client's? (RFC 8705 section 2.) What tokens are bound
//! to stands in `sender_constraint`.

use std::net::IpAddr;

use keystile_protocol::{ErrorCode, ProtocolError};

use crate::certificate::{Certificate, CertificateError, DistinguishedName};
use crate::policy::Policy;
use crate::records::{CertificateName, Client, ClientKind, ExpectedCertificate};
use crate::rules::client_auth::Facts;
use crate::rules::registration::{ClientMetadata, MetadataError, wrong};

/// `token_endpoint_auth_method` of section 2.1.
pub const BY_AUTHORITY: &str = "tls_client_auth";
/// `token_endpoint_auth_method` of section 2.2.
pub const SELF_SIGNED: &str = "self_signed_tls_client_auth";

/// Longest name that is registered, in bytes.
const NAME_AT_MOST: usize = 2048;

/// Believes the connection's certificate to be the client's, or says why not.
pub fn verify(expected: &ExpectedCertificate, facts: &Facts<'_>) -> Result<(), ProtocolError> {
    let presented = facts.certificate.ok_or_else(|| {
        refused(
            "the connection came without a client certificate; use the mtls_endpoint_aliases (RFC \
             8705 section 5)",
        )
    })?;
    let unusable = |problem: CertificateError| {
        refused(&format!("the client certificate is refused: {problem}"))
    };
    let certificate = Certificate::parse(presented.der()).map_err(unusable)?;
    match expected {
        ExpectedCertificate::Issued(name) => {
            facts.authorities.issued(presented, facts.now).map_err(unusable)?;
            if !bears(&certificate, name) {
                return Err(refused(
                    "the client certificate does not bear the registered name (RFC 8705 section \
                     2.1.2)",
                ));
            }
        }
        // No chain and no dates here (section 2.2): the client itself registered the key. What
        // `x5c` of a key holds is a certificate with that very key (RFC 7517 section 4.7).
        ExpectedCertificate::SelfSigned => {
            if !certificate.public_key().is_some_and(|key| facts.keys.holds(&key)) {
                return Err(refused(
                    "the client certificate's key is not in the client's jwks (RFC 8705 section \
                     2.2)",
                ));
            }
        }
    }
    Ok(())
}

fn refused(words: &str) -> ProtocolError {
    ProtocolError::new(ErrorCode::InvalidClient, words)
}

fn bears(certificate: &Certificate<'_>, name: &CertificateName) -> bool {
    match name {
        CertificateName::SubjectDn(name) => {
            name.parse().is_ok_and(|name: DistinguishedName| certificate.subject() == name)
        }
        CertificateName::SanDns(host) => certificate.has_dns(host),
        CertificateName::SanUri(uri) => certificate.has_uri(uri),
        CertificateName::SanIp(address) => certificate.has_ip(*address),
        CertificateName::SanEmail(address) => certificate.has_email(address),
    }
}

/// The kind of a client with `token_endpoint_auth_method` `tls_client_auth`.
pub(super) fn issued(metadata: &ClientMetadata) -> Result<ClientKind, MetadataError> {
    let given = names(metadata);
    let [(member, text)] = given.as_slice() else {
        return wrong(
            "tls_client_auth_subject_dn",
            "tls_client_auth needs exactly one of tls_client_auth_subject_dn, _san_dns, _san_uri, \
             _san_ip and _san_email (RFC 8705 section 2.1.2)",
        );
    };
    of_certificate(metadata, ExpectedCertificate::Issued(name(member, text)?))
}

/// The kind of a client with `token_endpoint_auth_method` `self_signed_tls_client_auth`.
pub(super) fn self_signed(metadata: &ClientMetadata) -> Result<ClientKind, MetadataError> {
    if metadata.jwks.is_none() && metadata.jwks_uri.is_none() {
        return wrong(
            "jwks",
            "self_signed_tls_client_auth needs the keys of the client's certificates: { \"keys\": [ \
             ... ] }, or where they are: jwks_uri (RFC 8705 section 2.2.2)",
        );
    }
    of_certificate(metadata, ExpectedCertificate::SelfSigned)
}

fn of_certificate(
    metadata: &ClientMetadata,
    certificate: ExpectedCertificate,
) -> Result<ClientKind, MetadataError> {
    if metadata.client_secret.is_some() {
        return wrong("client_secret", "a client that proves itself by a certificate has none");
    }
    let require_pkce = metadata.require_pkce.unwrap_or(true);
    Ok(ClientKind::MutualTls { certificate, require_pkce })
}

/// The names that a certificate may have to bear, as they were given.
fn names(metadata: &ClientMetadata) -> Vec<(&'static str, &str)> {
    let all = [
        ("tls_client_auth_subject_dn", &metadata.tls_client_auth_subject_dn),
        ("tls_client_auth_san_dns", &metadata.tls_client_auth_san_dns),
        ("tls_client_auth_san_uri", &metadata.tls_client_auth_san_uri),
        ("tls_client_auth_san_ip", &metadata.tls_client_auth_san_ip),
        ("tls_client_auth_san_email", &metadata.tls_client_auth_san_email),
    ];
    all.into_iter().filter_map(|(member, text)| Some((member, text.as_deref()?))).collect()
}

fn name(member: &'static str, text: &str) -> Result<CertificateName, MetadataError> {
    if text.is_empty() || text.len() > NAME_AT_MOST || text.contains(char::is_control) {
        return wrong(member, format!("it has 1 to {NAME_AT_MOST} printable characters"));
    }
    let owned = || text.to_owned();
    match member {
        "tls_client_auth_subject_dn" => match text.parse::<DistinguishedName>() {
            Ok(_) => Ok(CertificateName::SubjectDn(owned())),
            Err(problem) => wrong(member, problem),
        },
        "tls_client_auth_san_dns" if text.bytes().all(|b| b.is_ascii_graphic()) => {
            Ok(CertificateName::SanDns(owned()))
        }
        "tls_client_auth_san_uri" if url::Url::parse(text).is_ok() => {
            Ok(CertificateName::SanUri(owned()))
        }
        "tls_client_auth_san_ip" => match text.parse::<IpAddr>() {
            Ok(address) => Ok(CertificateName::SanIp(address)),
            Err(_) => wrong(member, format!("'{text}' is not an address, such as 192.0.2.1")),
        },
        "tls_client_auth_san_email" if text.contains('@') => Ok(CertificateName::SanEmail(owned())),
        _ => wrong(member, format!("'{text}' is no such name")),
    }
}

/// A name that nothing would look at, and a promise that contradicts another, are mistakes.
pub(super) fn nothing_unused(
    metadata: &ClientMetadata,
    kind: &ClientKind,
) -> Result<(), MetadataError> {
    let issued =
        matches!(kind, ClientKind::MutualTls { certificate: ExpectedCertificate::Issued(_), .. });
    if let Some((member, _)) = names(metadata).first().filter(|_| !issued) {
        return wrong(
            member,
            "only a client with token_endpoint_auth_method tls_client_auth has it",
        );
    }
    if metadata.tls_client_certificate_bound_access_tokens && metadata.dpop_bound_access_tokens {
        return wrong(
            "tls_client_certificate_bound_access_tokens",
            "dpop_bound_access_tokens is there too; a token is bound to one of the two",
        );
    }
    Ok(())
}

/// Whether the server can keep what it promises by such a registration: somebody has to ask for
/// certificates, and know who issues them.
pub fn is_offered(client: &Client, policy: &Policy) -> Result<(), MetadataError> {
    let method = match &client.kind {
        ClientKind::MutualTls { certificate, .. } => Some(certificate),
        _ => None,
    };
    let nobody_asks = "no listener asks for client certificates; see [mtls] in the operator guide";
    match (&policy.mutual_tls, method) {
        (None, Some(_)) => wrong("token_endpoint_auth_method", nobody_asks),
        (None, None) if client.certificate_bound_access_tokens => {
            wrong("tls_client_certificate_bound_access_tokens", nobody_asks)
        }
        (Some(mutual_tls), Some(ExpectedCertificate::Issued(_)))
            if mutual_tls.authorities.is_empty() =>
        {
            wrong(
                "token_endpoint_auth_method",
                "tls_client_auth needs the authorities that issue clients' certificates: 'ca' in \
                 [mtls]",
            )
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use keystile_protocol::ClientCertificate;
    use keystile_protocol::jose::{Algorithm, JwkSet, KeySet, SigningKey};
    use rcgen::SanType;
    use serde_json::json;

    use super::*;
    use crate::certificate::Authorities;
    use crate::certificate::testing::{Authority, DAY, Issued, NOW, issue, self_signed, valid};
    use crate::fixtures::{self, SECRET};
    use crate::policy::MutualTls;
    use crate::rules::client_assertion::Recipient;
    use crate::rules::registration::register;

    fn verified(
        expected: &ExpectedCertificate,
        certificate: Option<&ClientCertificate>,
        authorities: &Authorities,
    ) -> bool {
        verified_by(expected, certificate, authorities, &KeySet::default())
    }

    fn verified_by(
        expected: &ExpectedCertificate,
        certificate: Option<&ClientCertificate>,
        authorities: &Authorities,
        keys: &KeySet,
    ) -> bool {
        let issuer = fixtures::policy().issuer;
        let recipient = Recipient { issuer: &issuer, endpoints: &[] };
        let facts = Facts { keys, recipient, certificate, authorities, now: NOW };
        let verified = verify(expected, &facts);
        assert!(verified.as_ref().map_or_else(|e| e.error == ErrorCode::InvalidClient, |()| true));
        verified.is_ok()
    }

    #[test]
    fn an_authoritys_certificate_has_to_bear_the_registered_name_rfc_8705_2_1_2() {
        let root = Authority::new("root");
        let authorities = Authorities::new(&[root.der()]).expect("good");
        let ia5 = |text: &str| text.try_into().expect("ASCII");
        let issued = issue(&root, |params| {
            params.subject_alt_names = vec![
                SanType::DnsName(ia5("app.example")),
                SanType::URI(ia5("https://app.example/")),
                SanType::IpAddress([192, 0, 2, 1].into()),
                SanType::Rfc822Name(ia5("app@app.example")),
            ];
        });
        let of = |name: CertificateName| {
            let expected = ExpectedCertificate::Issued(name);
            verified(&expected, Some(&issued.certificate()), &authorities)
        };
        let ip = |text: &str| CertificateName::SanIp(text.parse().expect("an address"));
        for (good, bad) in [
            (
                CertificateName::SubjectDn("CN=app".into()),
                CertificateName::SubjectDn("CN=b".into()),
            ),
            (
                CertificateName::SanDns("app.example".into()),
                CertificateName::SanDns("app.example.org".into()),
            ),
            (
                CertificateName::SanUri("https://app.example/".into()),
                CertificateName::SanUri("https://app.example".into()),
            ),
            (ip("192.0.2.1"), ip("192.0.2.2")),
            (
                CertificateName::SanEmail("app@app.example".into()),
                CertificateName::SanEmail("app.example".into()),
            ),
        ] {
            assert!(of(good.clone()), "{good:?}");
            assert!(!of(bad.clone()), "{bad:?}");
        }
        assert!(!of(CertificateName::SanDns("app".into())), "a subject is no alternative name");
        assert!(!of(CertificateName::SubjectDn("nonsense".into())));
    }

    #[test]
    fn a_certificate_of_others_an_old_one_and_none_are_refused_rfc_8705_2_1() {
        let (root, other) = (Authority::new("root"), Authority::new("other"));
        let authorities = Authorities::new(&[root.der()]).expect("good");
        let name = CertificateName::SubjectDn("CN=app".into());
        let expected = ExpectedCertificate::Issued(name);
        let of = |issued: &Issued| verified(&expected, Some(&issued.certificate()), &authorities);
        assert!(of(&issue(&root, |_| {})));
        assert!(!of(&issue(&other, |_| {})));
        assert!(!of(&self_signed()));
        assert!(!of(&issue(&root, |params| valid(params, NOW.minus(2 * DAY), NOW.minus(DAY)))));
        assert!(!verified(&expected, None, &authorities));
        let garbage = ClientCertificate::from_chain(&[b"garbage"]).expect("bounded");
        assert!(!verified(&expected, Some(&garbage), &authorities));
    }

    #[test]
    fn a_self_signed_certificate_has_a_registered_key_whatever_else_is_in_it_rfc_8705_2_2() {
        let (own, another) = (self_signed(), self_signed());
        let key = Certificate::parse(own.der()).expect("good").public_key().expect("a key");
        let other = SigningKey::generate(Algorithm::ES256).expect("generated").key;
        let keys = KeySet::from_jwks(&JwkSet { keys: vec![other.public().clone(), key] });
        let expected = ExpectedCertificate::SelfSigned;
        let nobody = Authorities::default();
        let of =
            |issued: &Issued| verified_by(&expected, Some(&issued.certificate()), &nobody, &keys);
        assert!(of(&own));
        assert!(!of(&another));
        assert!(!of(&issue(&Authority::new("root"), |_| {})));
        assert!(!verified_by(&expected, None, &nobody, &keys));
        assert!(!verified(&expected, Some(&own.certificate()), &nobody), "no keys, no client");
    }

    fn good() -> ClientMetadata {
        ClientMetadata {
            client_id: "app".into(),
            token_endpoint_auth_method: Some("tls_client_auth".into()),
            tls_client_auth_san_dns: Some("app.example".into()),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        }
    }

    fn member(change: impl FnOnce(&mut ClientMetadata)) -> &'static str {
        let mut metadata = good();
        change(&mut metadata);
        register(&metadata, false).map_or_else(|error| error.member, |_| "good")
    }

    #[test]
    fn exactly_one_name_is_registered_rfc_8705_2_1_2() {
        let set = |to: &str| Some(to.to_owned());
        let client = register(&good(), false).expect("good");
        assert_eq!(client.authentication_method(), "tls_client_auth");
        assert!(client.must_use_pkce() && !client.is_public());
        assert_eq!(member(|m| m.tls_client_auth_san_dns = None), "tls_client_auth_subject_dn");
        let two = |m: &mut ClientMetadata| m.tls_client_auth_san_ip = set("192.0.2.1");
        assert_eq!(member(two), "tls_client_auth_subject_dn");
        assert_eq!(member(|m| m.client_secret = Some(SECRET.into())), "client_secret");
        assert_eq!(member(|m| m.tls_client_auth_san_dns = set("a b")), "tls_client_auth_san_dns");
        assert_eq!(member(|m| m.tls_client_auth_san_dns = set("")), "tls_client_auth_san_dns");
        let instead = |change: fn(&mut ClientMetadata, Option<String>), text: &str| {
            member(|m| {
                m.tls_client_auth_san_dns = None;
                change(m, set(text));
            })
        };
        for (change, good, bad) in [
            (
                (|m, text| m.tls_client_auth_subject_dn = text) as fn(&mut ClientMetadata, _),
                "CN=app,O=Example",
                "app",
            ),
            (|m, text| m.tls_client_auth_san_uri = text, "https://app.example/", "app"),
            (|m, text| m.tls_client_auth_san_ip = text, "2001:db8::1", "app.example"),
            (|m, text| m.tls_client_auth_san_email = text, "a@app.example", "app"),
        ] {
            assert_eq!(instead(change, good), "good", "{good}");
            assert!(instead(change, bad).starts_with("tls_client_auth_"), "{bad}");
        }
        let by_secret = |m: &mut ClientMetadata| {
            m.token_endpoint_auth_method = None;
            m.client_secret = Some(SECRET.into());
        };
        assert_eq!(member(by_secret), "tls_client_auth_san_dns", "nothing would look at it");
    }

    #[test]
    fn a_self_signed_client_registers_its_keys_of_any_curve_rfc_8705_2_2_2() {
        let with = |jwks: Option<serde_json::Value>| {
            member(|m| {
                m.token_endpoint_auth_method = Some("self_signed_tls_client_auth".into());
                m.tls_client_auth_san_dns = None;
                m.jwks = jwks;
            })
        };
        let p384 = json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA", "x5c": ["MIIB"] });
        assert_eq!(with(Some(json!({ "keys": [p384] }))), "good");
        assert_eq!(with(None), "jwks");
        assert_eq!(with(Some(json!({ "keys": [] }))), "jwks");
        assert_eq!(with(Some(json!({ "keys": [{ "kty": "oct", "k": "AA" }] }))), "jwks");
    }

    #[test]
    fn a_token_is_bound_to_one_thing_and_nothing_is_promised_that_is_off() {
        let both = |m: &mut ClientMetadata| {
            m.tls_client_certificate_bound_access_tokens = true;
            m.dpop_bound_access_tokens = true;
        };
        assert_eq!(member(both), "tls_client_certificate_bound_access_tokens");
        let authorities = Authorities::new(&[Authority::new("root").der()]).expect("good");
        let off = fixtures::policy();
        let self_signed_alone = Policy { mutual_tls: Some(MutualTls::default()), ..off.clone() };
        let mutual_tls = MutualTls { authorities, ..MutualTls::default() };
        let on = Policy { mutual_tls: Some(mutual_tls), ..off.clone() };
        let client = register(&good(), false).expect("good");
        let bound = Client { certificate_bound_access_tokens: true, ..fixtures::client() };
        for (policy, by_authority, is_bound) in
            [(&off, false, false), (&self_signed_alone, false, true), (&on, true, true)]
        {
            assert_eq!(is_offered(&client, policy).is_ok(), by_authority);
            assert_eq!(is_offered(&bound, policy).is_ok(), is_bound);
            assert!(is_offered(&fixtures::client(), policy).is_ok());
        }
    }
}
