//! Certificates for the tests of rules.

use std::time::Duration;

use keystile_protocol::{ClientCertificate, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair,
};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// An authority that issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        Self(CertifiedIssuer::self_signed(authority(name), key()).expect("signed"))
    }

    /// One that this one issued.
    pub(crate) fn intermediate(&self, name: &str) -> Self {
        Self(CertifiedIssuer::signed_by(authority(name), key(), &self.0).expect("signed"))
    }

    pub(crate) fn der(&self) -> &[u8] {
        self.0.der()
    }
}

/// A certificate that was issued, for a day before and after [`NOW`].
pub(crate) struct Issued(rcgen::Certificate);

impl Issued {
    pub(crate) fn der(&self) -> &[u8] {
        self.0.der()
    }

    pub(crate) fn certificate(&self) -> ClientCertificate {
        self.certificate_with(&[])
    }

    pub(crate) fn certificate_with(&self, between: &[&[u8]]) -> ClientCertificate {
        let chain = [&[self.der()], between].concat();
        ClientCertificate::from_chain(&chain).expect("bounded")
    }
}

/// A client's certificate with a common name `app`, but for what is changed.
pub(crate) fn issue(by: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    let mut params = params("app");
    params.distinguished_name = DistinguishedName::new();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    change(&mut params);
    if params.distinguished_name.iter().next().is_none() {
        params.distinguished_name.push(DnType::CommonName, "app");
    }
    Issued(params.signed_by(&key(), &by.0).expect("signed"))
}

pub(crate) fn self_signed() -> Issued {
    Issued(params("self").self_signed(&key()).expect("signed"))
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    valid(&mut params, NOW.minus(DAY), NOW.plus(DAY));
    params
}

fn key() -> KeyPair {
    KeyPair::generate().expect("generated")
}

/// Valid from then until then.
pub(crate) fn valid(params: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let begin = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |at: Timestamp| u64::try_from(at.seconds()).expect("after 1970");
    params.not_before = begin + Duration::from_secs(seconds(from));
    params.not_after = begin + Duration::from_secs(seconds(until));
}
