//! Client certificates, good ones and others.

use std::time::{Duration, SystemTime};

use keystile_protocol::encoding::base64url;
use keystile_protocol::jose::Thumbprint;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

/// Who issues certificates to clients.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as a client has them.
pub(crate) struct Identity {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::OrganizationName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A good certificate for a client of this host name.
    pub(crate) fn issue(&self, host: &str) -> Identity {
        self.issue_with(host, |_| {})
    }

    /// The same, but for what is changed.
    pub(crate) fn issue_with(
        &self,
        host: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Identity { certificate: params.signed_by(&key, &self.0).unwrap(), key }
    }
}

/// No longer valid.
pub(crate) fn expired(params: &mut CertificateParams) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + now - Duration::from_secs(3600);
}

impl Identity {
    /// A certificate that nobody issued; it says that it may issue others, as many of them do.
    pub(crate) fn self_signed() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// `x5t#S256`.
    pub(crate) fn thumbprint(&self) -> String {
        Thumbprint::of_certificate(self.certificate.der()).to_string()
    }

    /// `jwks` for the configuration file, with the certificate beside its key.
    pub(crate) fn jwks(&self) -> String {
        let (x, y) = self.key.public_key_raw()[1..].split_at(32);
        let certificate = base64(self.certificate.der());
        format!(
            "{{ keys = [{{ kty = \"EC\", crv = \"P-256\", x = \"{}\", y = \"{}\", x5c = \
             [\"{certificate}\"] }}] }}",
            base64url(x),
            base64url(y)
        )
    }

    /// What a proxy says of it (RFC 9440 section 2.2).
    pub(crate) fn header(&self) -> String {
        format!(":{}:", base64(self.certificate.der()))
    }

    /// The certificate and its key.
    pub(crate) fn pem(&self) -> String {
        format!("{}{}", self.certificate.pem(), self.key.serialize_pem())
    }
}

fn base64(bytes: &[u8]) -> String {
    let text = base64url(bytes).replace('-', "+").replace('_', "/");
    let padding = "=".repeat(text.len().next_multiple_of(4) - text.len());
    format!("{text}{padding}")
}

/// Whoever calls with this certificate, or with none.
pub(crate) fn http_with(identity: Option<&Identity>) -> reqwest::Client {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_danger_accept_invalid_certs(true);
    match identity {
        None => builder.build().unwrap(),
        Some(identity) => {
            let identity = reqwest::Identity::from_pem(identity.pem().as_bytes()).unwrap();
            builder.identity(identity).build().unwrap()
        }
    }
}
