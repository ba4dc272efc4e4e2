//! From an address that a user types to the issuer to sign in at (OpenID Connect Discovery 1.0
//! section 2, RFC 7033).

use keystile_protocol::Issuer;

use crate::flow::{WebFingerError, read_webfinger, webfinger_query};
use crate::outbound::Http;

/// Asks the host of an identifier, such as `ann@example.org`, at which issuer the user signs in: the
/// one to build a client for, which is often registered by [`crate::Registrar`].
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = keystile_client::issuer_of("ann@example.org").await?;
/// let registrar = keystile_client::Registrar::new(issuer.as_str())?;
/// # Ok(())
/// # }
/// ```
///
/// Whoever types the identifier says which host is asked. An app that takes it from strangers says
/// itself which hosts it means, or runs where none but public ones are reached. No redirect is
/// followed.
pub async fn issuer_of(identifier: &str) -> Result<Issuer, WebFingerError> {
    issuer_of_with(identifier, &[]).await
}

/// The same with certificates to trust beside the system's, in PEM.
pub async fn issuer_of_with(
    identifier: &str,
    root_certificates: &[Vec<u8>],
) -> Result<Issuer, WebFingerError> {
    use WebFingerError as E;
    let query = webfinger_query(identifier)?;
    let http = Http::new(root_certificates, None, false).map_err(E::Unavailable)?;
    let answer = http.get(&query.url, http::HeaderMap::new()).await.map_err(E::Unavailable)?;
    match answer.status {
        200 => read_webfinger(&answer.body),
        status => Err(E::Unavailable(format!("it answered {status}"))),
    }
}
