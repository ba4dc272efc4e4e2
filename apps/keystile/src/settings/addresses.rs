//! `listen`, `[tls]` and `[proxy]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use axum::http::HeaderName;
use keystile_protocol::Issuer;
use keystile_server::listen::ClientCertificates;
use keystile_server::{ForwardedHeader, Network, ProxySettings};
use url::{Host, Url};

use super::file;
use super::source::{Place, SettingsError, Source};

const DEFAULT_PORT: u16 = 4000;
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Certificate chain and key, PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
    /// Whether connections are asked for a client certificate.
    pub client_certificates: ClientCertificates,
}

/// Where to listen. Browsers take `localhost` for either of two addresses, so it means both.
pub(super) fn listen(
    text: Option<&str>,
    issuer: &Issuer,
    root: &Place<'_>,
) -> Result<Vec<SocketAddr>, SettingsError> {
    match text {
        None => Ok(default_listen(issuer)),
        Some(text) => address(text, &root.key("listen")),
    }
}

/// An address and a port; `localhost` means both of its addresses.
pub(super) fn address(text: &str, place: &Place<'_>) -> Result<Vec<SocketAddr>, SettingsError> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    match text.strip_prefix("localhost:").map(str::parse) {
        Some(Ok(port)) => Ok(localhost(port)),
        _ => place.wrong(format!(
            "'{text}' is not an address and a port, such as 127.0.0.1:4000, [::1]:4000, \
             0.0.0.0:4000 or localhost:4000"
        )),
    }
}

fn localhost(port: u16) -> Vec<SocketAddr> {
    vec![(LOOPBACK, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

/// A development issuer says itself where it is.
fn default_listen(issuer: &Issuer) -> Vec<SocketAddr> {
    let url = Url::parse(issuer.as_str()).ok().filter(|_| issuer.is_development());
    let Some(url) = url else { return vec![(LOOPBACK, DEFAULT_PORT).into()] };
    let port = url.port_or_known_default().unwrap_or(DEFAULT_PORT);
    match url.host() {
        Some(Host::Ipv4(address)) => vec![(address, port).into()],
        Some(Host::Ipv6(address)) => vec![(address, port).into()],
        _ => localhost(port),
    }
}

pub(super) fn tls(
    tls: Option<&file::Tls>,
    issuer: &Issuer,
    source: &Source,
) -> Result<Option<TlsFiles>, SettingsError> {
    let Some(tls) = tls else { return Ok(None) };
    let place = source.root().key("tls");
    let client_certificates = client_certificates(tls.client_certificates.as_deref(), &place)?;
    let (certificate, key) = match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, _) => return place.key("certificate").wrong("a PEM file with the chain is needed"),
        (_, None) => return place.key("key").wrong("a PEM file with the private key is needed"),
    };
    if issuer.is_development() {
        return place.wrong(format!("the issuer is {issuer}; with [tls] it has to be https"));
    }
    let (certificate, key) = (source.beside(certificate), source.beside(key));
    Ok(Some(TlsFiles { certificate, key, client_certificates }))
}

fn client_certificates(
    value: Option<&str>,
    place: &Place<'_>,
) -> Result<ClientCertificates, SettingsError> {
    match value {
        None | Some("none") => Ok(ClientCertificates::None),
        Some("optional") => Ok(ClientCertificates::Optional),
        Some(other) => place
            .key("client_certificates")
            .wrong(format!("'{other}' is neither none nor optional")),
    }
}

pub(super) fn proxy(
    proxy: &file::Proxy,
    place: &Place<'_>,
) -> Result<ProxySettings, SettingsError> {
    let trusted = proxy.trusted.iter().enumerate().map(|(index, network)| {
        let place = place.key("trusted").index(index);
        network.parse::<Network>().or_else(|problem| place.wrong(problem))
    });
    let trusted = trusted.collect::<Result<Vec<_>, _>>()?;
    let client_certificate_header = client_certificate_header(proxy, place)?;
    let place = place.key("forwarded_header");
    let forwarded_header = match &proxy.forwarded_header {
        None if trusted.is_empty() => None,
        None => {
            return place.wrong(
                "it is missing: say which header the trusted proxies write, X-Forwarded-For or \
                 Forwarded",
            );
        }
        Some(_) if trusted.is_empty() => {
            return place.wrong("nobody is trusted to write it; name the proxies in 'trusted'");
        }
        Some(name) => {
            let header = name.parse::<ForwardedHeader>();
            Some(header.or_else(|problem| place.wrong(problem))?)
        }
    };
    Ok(ProxySettings { trusted, forwarded_header, client_certificate_header })
}

fn client_certificate_header(
    proxy: &file::Proxy,
    place: &Place<'_>,
) -> Result<Option<HeaderName>, SettingsError> {
    let Some(name) = &proxy.client_certificate_header else { return Ok(None) };
    let place = place.key("client_certificate_header");
    if proxy.trusted.is_empty() {
        return place.wrong("nobody is trusted to write it; name the proxies in 'trusted'");
    }
    match HeaderName::try_from(name) {
        Ok(header) => Ok(Some(header)),
        Err(_) => place.wrong(format!("'{name}' is not a header's name, such as Client-Cert")),
    }
}
