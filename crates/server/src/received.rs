//! What came in, as values for the authority.

use std::future::poll_fn;
use std::mem;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use keystile_authority::endpoints::{Browser, ReceivedParams};
use keystile_protocol::{ClientCertificate, Params};

use crate::face::{Face, SharedFace};
use crate::proxy::Neighbourhood;
use crate::respond;

/// The socket's other end, put into each request by whoever accepted the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// The header that proofs come in (RFC 9449 section 4.1).
pub(crate) const DPOP: header::HeaderName = header::HeaderName::from_static("dpop");

/// Longest `User-Agent` that is kept, in characters.
const USER_AGENT_AT_MOST: usize = 200;

/// A body has to be there within this.
const BODY_WITHIN: Duration = Duration::from_secs(15);

/// A request from a browser, without its body.
pub(crate) struct FromBrowser {
    pub(crate) browser: Browser,
    /// What a GET asks.
    pub(crate) query: String,
    pub(crate) accept_language: Option<String>,
    pub(crate) sec_fetch_dest: Option<String>,
}

impl FromBrowser {
    /// The query's parameters.
    pub(crate) fn params(&self) -> ReceivedParams {
        Params::parse(self.query.as_bytes())
    }
}

impl FromRequestParts<SharedFace> for FromBrowser {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        face: &SharedFace,
    ) -> Result<Self, Self::Rejection> {
        let headers = &parts.headers;
        let cookies = face.cookies.read(headers);
        let browser = Browser {
            session: cookies.session,
            token: cookies.browser,
            known: cookies.known,
            network: network(face, parts),
            user_agent: cut(text(headers, header::USER_AGENT).unwrap_or_default()).to_owned(),
        };
        Ok(Self {
            browser,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            accept_language: text(headers, header::ACCEPT_LANGUAGE).map(str::to_owned),
            sec_fetch_dest: headers
                .get("sec-fetch-dest")
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
        })
    }
}

/// The first [`USER_AGENT_AT_MOST`] characters.
fn cut(agent: &str) -> &str {
    let ends = agent.char_indices().nth(USER_AGENT_AT_MOST);
    ends.map_or(agent, |(at, _)| &agent[..at])
}

/// The network that a request comes from.
pub(crate) fn network(face: &Face, parts: &Parts) -> String {
    Neighbourhood(face.proxy.address(peer(parts), &parts.headers)).to_string()
}

/// The client certificate that a request comes with.
pub(crate) fn client_certificate(face: &Face, parts: &Parts) -> Option<ClientCertificate> {
    face.proxy.client_certificate(peer(parts), &parts.headers, parts.extensions.get())
}

fn peer(parts: &Parts) -> IpAddr {
    let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    parts.extensions.get::<Peer>().map_or(unknown, |peer| peer.0.ip())
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why a body is not a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("the body is not application/x-www-form-urlencoded (RFC 6749 appendix B)")]
    ContentType,
    #[error("the body is larger than is taken")]
    TooLarge,
    #[error("the body ended early")]
    Incomplete,
    #[error("the body did not come in time")]
    TooSlow,
    #[error("too many requests wait for their bodies")]
    Busy,
    #[error("{0}")]
    Params(keystile_protocol::ParamError),
}

impl FormError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Incomplete | Self::Params(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// A form of a page; one that cannot be read is answered with a page.
pub(crate) struct PageForm(pub(crate) Params);

impl FromRequest<SharedFace> for PageForm {
    type Rejection = Response;

    async fn from_request(request: Request, face: &SharedFace) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let Ok(from) = FromBrowser::from_request_parts(&mut parts, face).await;
        let (_, read) = form(parts, body, face).await;
        read.map(Self).map_err(|error| respond::bad_form(face, &from, &error))
    }
}

/// Whether a body says that it is of that media type.
pub(crate) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let content_type = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    let received = content_type.split(';').next().unwrap_or_default().trim();
    received.eq_ignore_ascii_case(media_type)
}

/// A body, within the bounds on size and time. An honest one comes with its head; of those that do
/// not, so many may be waited for that they leave room for the others.
pub(crate) async fn body(mut request: Request, face: &SharedFace) -> Result<Bytes, FormError> {
    DefaultBodyLimit::max(face.body_bytes).apply(&mut request);
    let mut read = pin!(Bytes::from_request(request, face));
    let at_once = poll_fn(|context| Poll::Ready(read.as_mut().poll(context))).await;
    let body = match at_once {
        Poll::Ready(body) => body,
        Poll::Pending => {
            let _place = face.slow_bodies.try_acquire().map_err(|_| FormError::Busy)?;
            let body = tokio::time::timeout(BODY_WITHIN, read).await;
            body.map_err(|_| FormError::TooSlow)?
        }
    };
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            FormError::TooLarge
        } else {
            FormError::Incomplete
        }
    })
}

/// A form (only `application/x-www-form-urlencoded`, only within the bounds), and the headers that it came with.
pub(crate) async fn form(
    mut parts: Parts,
    body: Body,
    face: &SharedFace,
) -> (HeaderMap, Result<Params, FormError>) {
    let headers = mem::take(&mut parts.headers);
    let is_form = is_of_type(&headers, "application/x-www-form-urlencoded");
    let read = match self::body(Request::from_parts(parts, body), face).await {
        // A body that is absent needs no type.
        Ok(body) if !is_form && !body.is_empty() => Err(FormError::ContentType),
        Ok(body) => Params::parse(&body).map_err(FormError::Params),
        Err(error) => Err(error),
    };
    (headers, read)
}
