//! WebSockets (RFC 6455): the handshake goes through as a request does, and then bytes go both ways.

use std::io;

use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::answer::Came;
use super::watch::{Progress, ended};
use super::{Proxy, headers, told};
use crate::session::Session;
use crate::web::Told;

/// Bytes that are on their way at once, each way.
const ON_THE_WAY: usize = 16 * 1024;

/// Whether a request is the handshake of a WebSocket (RFC 6455 section 4.1). Any other `Upgrade` is
/// an offer that is not taken up (RFC 9110 section 7.8).
pub(super) fn is_asked_for(parts: &Parts) -> bool {
    let says = |name, word: &str| {
        headers::options(&parts.headers, name).any(|it| it.eq_ignore_ascii_case(word))
    };
    parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && says(header::CONNECTION, "upgrade")
        && says(header::UPGRADE, "websocket")
}

/// The connection that is to become one.
pub(super) fn browsers_end(parts: &mut Parts) -> Result<OnUpgrade, Told> {
    parts.extensions.remove().ok_or_else(told::no_socket)
}

impl Proxy {
    /// Joins both connections, if the API agreed; what it says otherwise is an answer as any.
    pub(super) fn connect(&self, browser: OnUpgrade, came: Came<'_>) -> Result<Response, Told> {
        if came.answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return self.answer(came);
        }
        let mut response = Response::new(axum::body::Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = self.headers(&came)?;
        headers::becomes_a_websocket(response.headers_mut());
        let proxy = self.clone();
        tokio::spawn(async move {
            let id = came.session.id();
            if let Err(error) = proxy.tunnel(browser, came.answer, came.session).await {
                tracing::debug!(session = %id, %error, "a WebSocket broke off");
            }
        });
        Ok(response)
    }

    async fn tunnel(
        &self,
        browser: OnUpgrade,
        api: reqwest::Response,
        session: Session,
    ) -> io::Result<()> {
        let browser = TokioIo::new(browser.await.map_err(io::Error::other)?);
        let api = api.upgrade().await.map_err(|error| io::Error::other(error.without_url()))?;
        let (from_browser, to_browser) = tokio::io::split(browser);
        let (from_api, to_api) = tokio::io::split(api);
        let (progress, limits) = (Progress::new(), self.settings.streams);
        let both = async {
            let up = one_way(from_browser, to_api, &progress);
            let down = one_way(from_api, to_browser, &progress);
            tokio::try_join!(up, down).map(|_| ())
        };
        tokio::select! {
            done = both => done,
            () = progress.stalled(limits.idle_at_most) => Err(io::ErrorKind::TimedOut.into()),
            () = ended(session, limits.checked_every) => {
                Err(io::Error::other("its session is over"))
            }
        }
    }
}

/// Carries bytes until there are no more, and says so to the other end.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    progress: &Progress,
) -> io::Result<()> {
    let mut buffer = vec![0; ON_THE_WAY];
    loop {
        let length = from.read(&mut buffer).await?;
        progress.mark();
        if length == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..length]).await?;
        to.flush().await?;
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn a_handshake_is_told_from_other_requests_rfc_6455_4_1() {
        let cases = [
            ("GET", Version::HTTP_11, "Upgrade", "websocket", true),
            ("GET", Version::HTTP_11, "keep-alive, upgrade", "WebSocket", true),
            ("POST", Version::HTTP_11, "Upgrade", "websocket", false),
            ("GET", Version::HTTP_10, "Upgrade", "websocket", false),
            ("GET", Version::HTTP_2, "Upgrade", "websocket", false),
            ("GET", Version::HTTP_11, "keep-alive", "websocket", false),
            ("GET", Version::HTTP_11, "Upgrade", "h2c", false),
            ("GET", Version::HTTP_11, "", "", false),
        ];
        for (method, version, connection, upgrade, expected) in cases {
            let request = Request::builder().method(method).version(version);
            let request = request.header("connection", connection).header("upgrade", upgrade);
            let (parts, ()) = request.body(()).expect("a request").into_parts();
            assert_eq!(is_asked_for(&parts), expected, "{method} {connection} {upgrade}");
        }
    }
}
