//! Reading X.509 certificates (RFC 5280), as far as clients prove themselves by them (RFC 8705).
//! What has to stand in one is for the rules.

mod distinguished_name;
#[cfg(test)]
pub(crate) mod testing;

use std::net::IpAddr;
use std::time::Duration;

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::Jwk;
use keystile_protocol::{ClientCertificate, Timestamp};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

pub use distinguished_name::{DistinguishedName, DnError};

/// Why a certificate is not believed, or cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not DER, or not a certificate.
    #[error("it is not an X.509 certificate")]
    Unreadable,
    /// Too old.
    #[error("it has expired")]
    Expired,
    /// Too new.
    #[error("it is not valid yet")]
    NotYet,
    /// Somebody else's.
    #[error("no authority that is trusted for clients' certificates issued it")]
    UnknownIssuer,
    /// An extended key usage without client authentication.
    #[error("it is not for client authentication (RFC 5280 section 4.2.1.12)")]
    Usage,
    /// Anything else between it and its authority.
    #[error("the chain to its authority cannot be verified (RFC 5280 section 6)")]
    Chain,
}

/// Who may issue clients' certificates.
#[derive(Clone, Debug, Default)]
pub struct Authorities(Vec<TrustAnchor<'static>>);

impl Authorities {
    /// Takes the certificates of the authorities, DER. An authority between need not be a root.
    pub fn new<D: AsRef<[u8]>>(certificates: &[D]) -> Result<Self, CertificateError> {
        let anchor = |certificate: &D| {
            let certificate = CertificateDer::from(certificate.as_ref());
            let anchor = webpki::anchor_from_trusted_cert(&certificate);
            anchor.map(|anchor| anchor.to_owned()).map_err(|_| CertificateError::Unreadable)
        };
        certificates.iter().map(anchor).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them issued the certificate, for clients, and it is valid now (RFC 5280
    /// section 6).
    pub fn issued(
        &self,
        certificate: &ClientCertificate,
        now: Timestamp,
    ) -> Result<(), CertificateError> {
        let own = CertificateDer::from(certificate.der());
        let own = EndEntityCert::try_from(&own).map_err(|_| CertificateError::Unreadable)?;
        let between: Vec<_> = certificate.intermediates().map(CertificateDer::from).collect();
        let now = Duration::from_secs(u64::try_from(now.seconds()).unwrap_or_default());
        let now = UnixTime::since_unix_epoch(now);
        let algorithms = ALL_VERIFICATION_ALGS;
        let usage = KeyUsage::client_auth();
        own.verify_for_usage(algorithms, &self.0, &between, now, usage, None, None)
            .map(drop)
            .map_err(|problem| refused(&problem))
    }
}

fn refused(problem: &webpki::Error) -> CertificateError {
    match problem {
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotYet,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        webpki::Error::RequiredEkuNotFoundContext(_) => CertificateError::Usage,
        _ => CertificateError::Chain,
    }
}

/// What a certificate says.
#[derive(Debug)]
pub struct Certificate<'a>(X509Certificate<'a>);

impl<'a> Certificate<'a> {
    /// Reads DER, and nothing after it.
    pub fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        match X509Certificate::from_der(der) {
            Ok(([], certificate)) => Ok(Self(certificate)),
            _ => Err(CertificateError::Unreadable),
        }
    }

    /// Whose it is.
    pub fn subject(&self) -> DistinguishedName {
        DistinguishedName::from(self.0.subject())
    }

    /// Whether it has this host name; `*` in a certificate stands for itself alone.
    pub fn has_dns(&self, host: &str) -> bool {
        self.has(|name| matches!(name, GeneralName::DNSName(it) if it.eq_ignore_ascii_case(host)))
    }

    /// Whether it has this URI.
    pub fn has_uri(&self, uri: &str) -> bool {
        self.has(|name| matches!(name, GeneralName::URI(it) if *it == uri))
    }

    /// Whether it has this address.
    pub fn has_ip(&self, address: IpAddr) -> bool {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        self.has(|name| matches!(name, GeneralName::IPAddress(it) if *it == octets))
    }

    /// Whether it has this mail address: case counts before the `@` alone (RFC 5280 section 7.5).
    pub fn has_email(&self, address: &str) -> bool {
        let same = |it: &str| match (it.rsplit_once('@'), address.rsplit_once('@')) {
            (Some((one, host)), Some((other, their_host))) => {
                one == other && host.eq_ignore_ascii_case(their_host)
            }
            _ => false,
        };
        self.has(|name| matches!(name, GeneralName::RFC822Name(it) if same(it)))
    }

    fn has(&self, is_it: impl Fn(&GeneralName<'_>) -> bool) -> bool {
        let names = self.0.subject_alternative_name().ok().flatten();
        names.is_some_and(|names| names.value.general_names.iter().any(is_it))
    }

    /// Its public key, where a JWK can be made of it (RFC 7518 section 6, RFC 8037).
    pub fn public_key(&self) -> Option<Jwk> {
        let info = self.0.public_key();
        match info.parsed().ok()? {
            PublicKey::RSA(key) => Some(Jwk {
                kty: "RSA".to_owned(),
                n: Some(unsigned(key.modulus)),
                e: Some(unsigned(key.exponent)),
                ..Jwk::default()
            }),
            PublicKey::EC(point) => elliptic(info, point.data()),
            PublicKey::Unknown(bytes) => {
                let is_ed25519 = info.algorithm.algorithm.to_id_string() == "1.3.101.112";
                is_ed25519.then(|| Jwk {
                    kty: "OKP".to_owned(),
                    crv: Some("Ed25519".to_owned()),
                    x: Some(base64url(bytes)),
                    ..Jwk::default()
                })
            }
            _ => None,
        }
    }
}

/// A point of a named curve, uncompressed (RFC 5480 section 2.2).
fn elliptic(info: &SubjectPublicKeyInfo<'_>, point: &[u8]) -> Option<Jwk> {
    let curve = info.algorithm.parameters.as_ref()?.as_oid().ok()?.to_id_string();
    let (name, length) = match curve.as_str() {
        "1.2.840.10045.3.1.7" => ("P-256", 32),
        "1.3.132.0.34" => ("P-384", 48),
        "1.3.132.0.35" => ("P-521", 66),
        _ => return None,
    };
    let [4, coordinates @ ..] = point else { return None };
    if coordinates.len() != 2 * length {
        return None;
    }
    let (x, y) = coordinates.split_at(length);
    Some(Jwk {
        kty: "EC".to_owned(),
        crv: Some(name.to_owned()),
        x: Some(base64url(x)),
        y: Some(base64url(y)),
        ..Jwk::default()
    })
}

/// An integer without the zero that DER puts before a high bit.
fn unsigned(integer: &[u8]) -> String {
    let zeros = integer.iter().take_while(|byte| **byte == 0).count();
    base64url(&integer[zeros..])
}

#[cfg(test)]
mod tests {
    use keystile_protocol::jose::{Algorithm, SigningKey, Thumbprint};
    use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, PKCS_RSA_SHA256, SanType};

    use super::testing::{Authority, DAY, Issued, NOW, issue, self_signed, valid};
    use super::*;

    #[test]
    fn a_chain_is_verified_to_an_authority_for_clients_and_for_now_rfc_8705_2_1() {
        let (root, other) = (Authority::new("root"), Authority::new("other"));
        let between = root.intermediate("between");
        let trusted = Authorities::new(&[root.der()]).expect("good");
        let of = |issued: &Issued| trusted.issued(&issued.certificate(), NOW);
        assert_eq!(of(&issue(&root, |_| {})), Ok(()));
        assert_eq!(of(&issue(&between, |_| {})), Err(CertificateError::UnknownIssuer));
        let whole = issue(&between, |_| {}).certificate_with(&[between.der()]);
        assert_eq!(trusted.issued(&whole, NOW), Ok(()));
        let between_alone = Authorities::new(&[between.der()]).expect("good");
        assert_eq!(between_alone.issued(&issue(&between, |_| {}).certificate(), NOW), Ok(()));
        assert_eq!(of(&issue(&other, |_| {})), Err(CertificateError::UnknownIssuer));
        assert_eq!(of(&self_signed()), Err(CertificateError::UnknownIssuer));
        let expired = issue(&root, |params| valid(params, NOW.minus(2 * DAY), NOW.minus(DAY)));
        assert_eq!(of(&expired), Err(CertificateError::Expired));
        let early = issue(&root, |params| valid(params, NOW.plus(DAY), NOW.plus(2 * DAY)));
        assert_eq!(of(&early), Err(CertificateError::NotYet));
        let for_servers = issue(&root, |params| {
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        });
        assert_eq!(of(&for_servers), Err(CertificateError::Usage));
        let garbage = ClientCertificate::from_chain(&[b"garbage"]).expect("bounded");
        assert_eq!(trusted.issued(&garbage, NOW), Err(CertificateError::Unreadable));
        assert!(Authorities::default().issued(&whole, NOW).is_err());
        assert!(Authorities::new(&[b"garbage"]).is_err());
    }

    #[test]
    fn each_kind_of_alternative_name_is_looked_up_among_its_own_rfc_5280_4_2_1_6() {
        let ia5 = |text: &str| text.try_into().expect("ASCII");
        let issued = issue(&Authority::new("root"), |params| {
            params.subject_alt_names = vec![
                SanType::DnsName(ia5("App.example")),
                SanType::DnsName(ia5("*.wild.example")),
                SanType::URI(ia5("https://app.example/Me")),
                SanType::IpAddress([192, 0, 2, 1].into()),
                SanType::IpAddress("2001:db8::1".parse().expect("an address")),
                SanType::Rfc822Name(ia5("App@Example.com")),
            ];
        });
        let certificate = Certificate::parse(issued.der()).expect("good");
        assert!(certificate.has_dns("app.EXAMPLE") && certificate.has_dns("*.wild.example"));
        for other in ["example", "a.wild.example", "192.0.2.1", "https://app.example/Me", ""] {
            assert!(!certificate.has_dns(other), "{other}");
        }
        assert!(certificate.has_uri("https://app.example/Me"));
        assert!(!certificate.has_uri("https://app.example/me") && !certificate.has_uri(""));
        let ip = |text: &str| certificate.has_ip(text.parse().expect("an address"));
        assert!(ip("192.0.2.1") && ip("2001:0db8:0::1"));
        assert!(!ip("192.0.2.2") && !ip("::ffff:192.0.2.1"));
        assert!(certificate.has_email("App@example.COM"));
        for other in ["app@example.com", "App@example.org", "Example.com", "App"] {
            assert!(!certificate.has_email(other), "{other}");
        }
    }

    #[test]
    fn a_certificates_key_is_a_jwk_rfc_7518_6() {
        for algorithm in Algorithm::ALL {
            let generated = SigningKey::generate(algorithm).expect("generated");
            let pkcs8 = generated.pkcs8.as_slice().into();
            let kind = match algorithm {
                Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
                Algorithm::EdDSA => &PKCS_ED25519,
                Algorithm::RS256 | Algorithm::PS256 => &PKCS_RSA_SHA256,
            };
            let key = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, kind).expect("its own form");
            let made = CertificateParams::default().self_signed(&key).expect("signed");
            let certificate = Certificate::parse(made.der()).expect("good");
            let jwk = certificate.public_key().expect("a key");
            assert_eq!(Thumbprint::of(&jwk), Thumbprint::of(generated.key.public()), "{algorithm}");
        }
        let larger = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("generated");
        let made = CertificateParams::default().self_signed(&larger).expect("signed");
        let jwk = Certificate::parse(made.der()).expect("good").public_key().expect("a key");
        assert_eq!(jwk.crv.as_deref(), Some("P-384"));
    }

    #[test]
    fn what_is_no_certificate_is_not_read() {
        let good = self_signed();
        let longer = [good.der(), &[0]].concat();
        for bad in [&[][..], b"garbage", &longer, &good.der()[..good.der().len() - 1]] {
            assert_eq!(Certificate::parse(bad).map(drop), Err(CertificateError::Unreadable));
        }
        for at in 0..good.der().len() {
            let mut altered = good.der().to_vec();
            altered[at] ^= 0xff;
            if let Ok(certificate) = Certificate::parse(&altered) {
                let _ = (certificate.subject(), certificate.public_key(), certificate.has_dns("a"));
            }
        }
    }
}
