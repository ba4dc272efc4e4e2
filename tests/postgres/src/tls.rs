//! What a server needs for TLS.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair,
};

use crate::directory::Directory;

/// Writes the server's key and a certificate for `localhost`, and takes its users by TLS alone.
/// Says where the certificate of the authority is that issued it.
pub(crate) fn set_up(directory: &Directory) -> PathBuf {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::OrganizationName, "Test database authority");
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();

    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();

    directory.write("server.crt", &certificate.pem());
    let key = directory.write("server.key", &key.serialize_pem());
    std::fs::set_permissions(key, PermissionsExt::from_mode(0o600)).unwrap();
    directory.write(
        "data/pg_hba.conf",
        "local all all scram-sha-256\nhostssl all all all scram-sha-256\n",
    );
    directory.write("authority.crt", &authority.pem())
}
