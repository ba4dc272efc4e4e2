//! `[mtls]`, and whether anybody asks for client certificates at all (RFC 8705).

use std::net::SocketAddr;

use keystile_authority::certificate::Authorities;
use keystile_authority::policy::MutualTls;
use keystile_protocol::Issuer;
use keystile_server::ProxySettings;
use keystile_server::listen::ClientCertificates;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::addresses::{TlsFiles, address};
use super::file;
use super::source::{Place, SettingsError, Source};

/// Where a listener of its own asks for certificates; nowhere, if absent.
pub(super) fn listen(
    mtls: Option<&file::Mtls>,
    tls: Option<&TlsFiles>,
    root: &Place<'_>,
) -> Result<Vec<SocketAddr>, SettingsError> {
    let place = root.key("mtls").key("listen");
    match mtls.and_then(|mtls| mtls.listen.as_deref()) {
        None => Ok(Vec::new()),
        Some(_) if tls.is_none() => {
            place.wrong("it needs the certificate and the key of [tls], which is missing")
        }
        Some(text) => address(text, &place),
    }
}

/// What the rules have to know.
pub(super) fn mutual_tls(
    mtls: Option<&file::Mtls>,
    tls: Option<&TlsFiles>,
    proxy: &ProxySettings,
    issuer: &Issuer,
    source: &Source,
) -> Result<Option<MutualTls>, SettingsError> {
    let on_main = tls.is_some_and(|tls| tls.client_certificates == ClientCertificates::Optional);
    let asked = on_main || proxy.client_certificate_header.is_some();
    let Some(mtls) = mtls else { return Ok(asked.then(MutualTls::default)) };
    let place = source.root().key("mtls");
    if mtls.listen.is_none() && !asked {
        return place.wrong(
            "nobody asks for client certificates: say where to 'listen', or client_certificates = \
             \"optional\" in [tls], or client_certificate_header in [proxy]",
        );
    }
    if mtls.listen.is_some() && mtls.issuer_alias.is_none() {
        return place.key("issuer_alias").wrong(
            "it is missing: the URL under which clients reach that listener, such as \
             https://mtls.login.example",
        );
    }
    let alias = mtls.issuer_alias.as_deref().map(|text| alias(text, issuer, &place)).transpose()?;
    Ok(Some(MutualTls { alias, authorities: authorities(mtls, source, &place)? }))
}

/// Endpoints are at the same paths below both.
fn alias(text: &str, issuer: &Issuer, place: &Place<'_>) -> Result<Issuer, SettingsError> {
    let place = place.key("issuer_alias");
    let alias = Issuer::try_from(text).or_else(|problem| place.wrong(problem))?;
    let same_kind = alias.is_development() == issuer.is_development();
    if alias.path() != issuer.path() || !same_kind || alias == *issuer {
        return place.wrong(format!("it differs from the issuer, {issuer}, in host or port alone"));
    }
    Ok(alias)
}

fn authorities(
    mtls: &file::Mtls,
    source: &Source,
    place: &Place<'_>,
) -> Result<Authorities, SettingsError> {
    let Some(path) = &mtls.ca else { return Ok(Authorities::default()) };
    let (place, path) = (place.key("ca"), source.beside(path));
    let certificates = CertificateDer::pem_file_iter(&path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .or_else(|problem| place.wrong(format!("{}: {problem}", path.display())))?;
    if certificates.is_empty() {
        return place.wrong(format!("{} has no certificate", path.display()));
    }
    Authorities::new(&certificates)
        .or_else(|problem| place.wrong(format!("{}: {problem}", path.display())))
}

#[cfg(test)]
mod tests {
    use crate::settings::Settings;
    use crate::settings::testing::Folder;

    /// Settings of an https issuer that asks for client certificates, or what is wrong with them.
    fn settings(mtls: &str, more: &str) -> Result<Settings, String> {
        let folder = Folder::new();
        let authority = rcgen::generate_simple_self_signed(["authority".to_owned()]).expect("made");
        std::fs::write(folder.join("ca.pem"), authority.cert.pem()).expect("written");
        std::fs::write(folder.join("empty.pem"), "").expect("written");
        let text = format!(
            "issuer = \"https://login.example/auth\"\n[tls]\ncertificate = \"c.pem\"\nkey = \
             \"k.pem\"\nclient_certificates = \"optional\"\n{mtls}\n{more}"
        );
        folder.settings(&text).map_err(|error| error.problem)
    }

    #[test]
    fn clients_may_come_with_certificates_where_somebody_asks_for_them() {
        let on = |mtls: &str| {
            settings(mtls, "").unwrap_or_else(|problem| panic!("{problem}")).policy.mutual_tls
        };
        let on_main = on("").expect("on");
        assert!(on_main.alias.is_none() && on_main.authorities.is_empty());
        let own = "[mtls]\nlisten = \"localhost:8444\"\nca = \"ca.pem\"\n\
                   issuer_alias = \"https://mtls.login.example/auth\"";
        let good = settings(own, "").expect("good");
        assert_eq!(good.mtls_listen.len(), 2, "both of localhost's addresses");
        let rules = good.policy.mutual_tls.as_ref().expect("on");
        assert!(!rules.authorities.is_empty());
        assert_eq!(
            good.policy.urls("/token"),
            ["https://login.example/auth/token", "https://mtls.login.example/auth/token"]
        );
        let wrong = [
            ("[mtls]\nlisten = \"8444\"", "'8444'"),
            ("[mtls]\nlisten = \"[::1]:8444\"", "issuer_alias: it is missing"),
            ("[mtls]\nissuer_alias = \"mtls.login.example\"", "issuer_alias"),
            ("[mtls]\nissuer_alias = \"https://mtls.login.example\"", "host or port alone"),
            ("[mtls]\nissuer_alias = \"https://login.example/auth\"", "host or port alone"),
            ("[mtls]\nissuer_alias = \"http://localhost:1/auth\"", "host or port alone"),
            ("[mtls]\nca = \"missing.pem\"", "missing.pem"),
            ("[mtls]\nca = \"empty.pem\"", "has no certificate"),
        ];
        for (mtls, word) in wrong {
            let problem = settings(mtls, "").map(drop).expect_err(mtls);
            assert!(problem.contains(word), "{mtls}\n{problem}");
        }
    }

    #[test]
    fn a_client_is_not_promised_what_nobody_asks_for_rfc_8705_2() {
        let client = |more: &str| {
            format!(
                "[[clients]]\nclient_id = \"app\"\ngrant_types = [\"client_credentials\"]\n{more}"
            )
        };
        let issued = client(
            "token_endpoint_auth_method = \"tls_client_auth\"\n\
             tls_client_auth_subject_dn = \"CN=app\"",
        );
        assert!(settings("[mtls]\nca = \"ca.pem\"", &issued).is_ok());
        let problem = settings("", &issued).map(drop).expect_err("no authorities");
        assert!(problem.contains("'ca' in [mtls]"), "{problem}");
        let problem = without(&issued);
        assert!(problem.contains("no listener asks"), "{problem}");
        let bound = client(
            "client_secret = \"0123456789abcdef0123456789abcdef\"\n\
             tls_client_certificate_bound_access_tokens = true",
        );
        assert!(settings("", &bound).is_ok());
        let problem = without(&bound);
        assert!(problem.contains("tls_client_certificate_bound_access_tokens"), "{problem}");
    }

    /// What is wrong where nobody asks for certificates.
    fn without(more: &str) -> String {
        let text = format!("issuer = \"https://login.example\"\n{more}");
        Folder::new().settings(&text).map(drop).expect_err(more).problem
    }
}
