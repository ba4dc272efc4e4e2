//! Requests to the authorization server: bounded in time and size, and no redirect is followed.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use keystile_protocol::Secret;

const TIME_TO_CONNECT: Duration = Duration::from_secs(5);
const TIME_IN_ALL: Duration = Duration::from_secs(15);
/// The longest answer that is read, in bytes.
const ANSWER_AT_MOST: usize = 512 * 1024;

/// Speaks HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    /// With the authorization server.
    asking: reqwest::Client,
    /// With APIs: how long an answer may take and how long it may be is said for each call.
    calling: reqwest::Client,
}

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Http {
    /// With further certificates to trust and a certificate of the app's own with its key, in PEM.
    /// A server on this machine is spoken to without the proxy that the environment may name.
    pub(crate) fn new(
        root_certificates: &[Vec<u8>],
        own_certificate: Option<&[u8]>,
        on_this_machine: bool,
    ) -> Result<Self, String> {
        let mut trusted = Vec::new();
        for pem in root_certificates {
            trusted.extend(reqwest::Certificate::from_pem_bundle(pem).map_err(words)?);
        }
        let common = || {
            let mut client = reqwest::Client::builder();
            if on_this_machine {
                client = client.no_proxy();
            }
            if let Some(pem) = own_certificate {
                client = client.identity(reqwest::Identity::from_pem(pem)?);
            }
            Ok(client
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(TIME_TO_CONNECT)
                .user_agent(concat!("keystile-client/", env!("CARGO_PKG_VERSION")))
                .tls_certs_merge(trusted.clone()))
        };
        let asking = common().map_err(words)?.timeout(TIME_IN_ALL);
        // As the answer comes it goes on, and only in HTTP/1.1 a connection becomes a WebSocket.
        let calling = common().map_err(words)?.http1_only();
        let calling = calling.no_gzip().no_brotli().no_zstd().no_deflate();
        Ok(Self {
            asking: asking.build().map_err(words)?,
            calling: calling.build().map_err(words)?,
        })
    }

    pub(crate) async fn get(&self, url: &str, headers: HeaderMap) -> Result<Answer, String> {
        read(self.asking.get(url).headers(headers)).await
    }

    pub(crate) async fn post_form(
        &self,
        url: &str,
        authorization: Option<&Secret>,
        proof: Option<(HeaderName, HeaderValue)>,
        body: &Secret,
    ) -> Result<Answer, String> {
        let mut headers: HeaderMap = proof.into_iter().collect();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(header::CONTENT_TYPE, form);
        if let Some(value) = authorization {
            headers.insert(header::AUTHORIZATION, secret_header(value.expose())?);
        }
        read(self.asking.post(url).headers(headers).body(body.expose().to_owned())).await
    }

    /// A request with JSON, or with nothing, in the name of whoever has the token.
    pub(crate) async fn send_json(
        &self,
        method: http::Method,
        url: &str,
        bearer: Option<&Secret>,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, String> {
        let mut request = self.asking.request(method, url);
        if let Some(token) = bearer {
            let text = Secret::new(format!("Bearer {}", token.expose()));
            request = request.header(header::AUTHORIZATION, secret_header(text.expose())?);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        read(request).await
    }

    /// For calls to an API, whose answers the app reads itself.
    pub(crate) fn request(&self, method: http::Method, url: url::Url) -> reqwest::RequestBuilder {
        self.calling.request(method, url)
    }
}

/// A header that no log shows.
pub(crate) fn secret_header(text: &str) -> Result<HeaderValue, String> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "a credential fits no header".to_owned())?;
    value.set_sensitive(true);
    Ok(value)
}

async fn read(request: reqwest::RequestBuilder) -> Result<Answer, String> {
    let request = request.header(header::ACCEPT, "application/json");
    let mut response = request.send().await.map_err(words)?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(words)? {
        if body.len() + piece.len() > ANSWER_AT_MOST {
            return Err(format!("the answer has more than {ANSWER_AT_MOST} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// An error with its causes, and without the URL.
pub(crate) fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
