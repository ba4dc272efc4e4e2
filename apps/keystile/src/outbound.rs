//! Requests to addresses that clients name: `authority`'s port [`Outbound`] on reqwest.
//!
//! The rules are [`keystile_authority::rules::outbound`]. A name is resolved here, each address
//! behind it is asked about, and the connection goes to one of just those: nobody resolves it a
//! second time. Proxies of the environment are not used, since they would.

mod documents;
mod shelf;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use keystile_authority::ports::{Fetched, Fetching, Outbound, OutboundError};
use keystile_authority::rules::outbound::{
    ANSWER_AT_MOST, OutboundPolicy, OutboundRefusal, TIME_AT_MOST, check_address, check_url,
    fresh_for,
};
use keystile_protocol::{Params, Secret};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header;
use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::Value;

pub use documents::KeptDocuments;

use crate::refusal::{Outcome, Refusal};
use crate::settings::Settings;

/// Time for the connection alone.
const TIME_TO_CONNECT: Duration = Duration::from_secs(3);
/// A connection that waits for the next request is closed after this.
const KEPT_OPEN: Duration = Duration::from_secs(20);

/// Speaks HTTP, within bounds.
#[derive(Debug)]
pub struct HttpOutbound {
    policy: OutboundPolicy,
    extra_ca: Vec<Certificate>,
    /// Made at the first request: a server whose clients name no address never needs it.
    client: OnceLock<Result<Client, String>>,
}

impl HttpOutbound {
    /// By the settings: this machine may be called where they say so, and by a development issuer.
    pub fn new(settings: &Settings) -> Outcome<Self> {
        let allow_loopback =
            settings.outbound.allow_loopback || settings.policy.issuer.is_development();
        let extra_ca = match &settings.outbound.extra_ca {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        Ok(Self::with(OutboundPolicy { allow_loopback }, extra_ca))
    }

    fn with(policy: OutboundPolicy, extra_ca: Vec<Certificate>) -> Self {
        Self { policy, extra_ca, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&Client, OutboundError> {
        let client = self.client.get_or_init(|| self.make_client().map_err(words));
        client.as_ref().map_err(|why| OutboundError::NoAnswer(why.clone()))
    }

    fn make_client(&self) -> reqwest::Result<Client> {
        Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(CheckedNames(self.policy))
            .connect_timeout(TIME_TO_CONNECT)
            .timeout(TIME_AT_MOST)
            .pool_idle_timeout(KEPT_OPEN)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("keystile/", env!("CARGO_PKG_VERSION")))
            .tls_certs_merge(self.extra_ca.iter().cloned())
            .build()
    }
}

fn certificates(path: &Path) -> Outcome<Vec<Certificate>> {
    let refused = |problem: String| {
        Refusal::new(format!("'extra_ca' of [outbound], {}: {problem}", path.display()))
    };
    let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| refused(words(error)))?;
    if found.is_empty() {
        return Err(refused("there is no certificate in it; it holds PEM".to_owned()));
    }
    Ok(found)
}

#[async_trait]
impl Outbound for HttpOutbound {
    async fn get(&self, url: &str, kind: Fetching) -> Result<Fetched, OutboundError> {
        let url = check_url(url, self.policy)?;
        read(self.client()?.get(url).header(header::ACCEPT, kind.accept())).await
    }

    async fn post_form(
        &self,
        url: &str,
        fields: &[(&str, &str)],
    ) -> Result<Fetched, OutboundError> {
        let url = check_url(url, self.policy)?;
        let form = "application/x-www-form-urlencoded";
        let body = fields.iter().copied().collect::<Params>().encode();
        read(self.client()?.post(url).header(header::CONTENT_TYPE, form).body(body)).await
    }

    async fn post_json(
        &self,
        url: &str,
        bearer: &Secret,
        body: &Value,
    ) -> Result<Fetched, OutboundError> {
        let url = check_url(url, self.policy)?;
        let request = self.client()?.post(url).bearer_auth(bearer.expose());
        let json = "application/json";
        read(request.header(header::CONTENT_TYPE, json).body(body.to_string())).await
    }
}

async fn read(request: RequestBuilder) -> Result<Fetched, OutboundError> {
    let mut response = request.send().await.map_err(no_answer)?;
    let text = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let mut fetched = Fetched {
        status: response.status().as_u16(),
        content_type: text(header::CONTENT_TYPE).map(media_type),
        body: Vec::new(),
        fresh_for: fresh_for(text(header::CACHE_CONTROL)),
    };
    while let Some(piece) = response.chunk().await.map_err(no_answer)? {
        if fetched.body.len() + piece.len() > ANSWER_AT_MOST {
            return Err(OutboundError::TooLong(ANSWER_AT_MOST));
        }
        fetched.body.extend_from_slice(&piece);
    }
    Ok(fetched)
}

fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A refusal of the resolver comes back wrapped in what it stopped.
fn no_answer(error: reqwest::Error) -> OutboundError {
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<OutboundRefusal>() {
            return OutboundError::Refused(*refusal);
        }
        cause = error.source();
    }
    OutboundError::NoAnswer(words(error))
}

/// An error with its causes, and without the URL: the log has it already where it matters.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Names, with each of their addresses asked about: one that is not called spoils the name.
#[derive(Clone, Copy, Debug)]
struct CheckedNames(OutboundPolicy);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = self.0;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            for address in &found {
                check_address(address.ip(), policy)?;
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn outbound(allow_loopback: bool) -> HttpOutbound {
        HttpOutbound::with(OutboundPolicy { allow_loopback }, Vec::new())
    }

    /// Answers one request with these bytes, and says what it was.
    async fn answering(answer: Vec<u8>) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/document", listener.local_addr().expect("an address"));
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a request");
            let mut request = vec![0; 4096];
            let length = stream.read(&mut request).await.expect("read");
            // Who has had enough closes the connection.
            drop(stream.write_all(&answer).await);
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (url, heard)
    }

    #[tokio::test]
    async fn a_document_is_fetched_with_what_its_headers_say() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\n\
                      Cache-Control: max-age=60\r\nContent-Length: 2\r\n\r\n{}";
        let (url, heard) = answering(answer.into()).await;
        let fetched = outbound(true).get(&url, Fetching::Json).await.expect("an answer");
        assert_eq!(fetched.content_type.as_deref(), Some("application/json"));
        assert_eq!((fetched.status, fetched.body), (200, b"{}".to_vec()));
        assert_eq!(fetched.fresh_for, Duration::from_secs(60));
        let request = heard.await.expect("heard");
        assert!(request.starts_with("GET /document "), "{request}");
        assert!(request.contains("accept: application/json"), "{request}");
    }

    #[tokio::test]
    async fn a_form_is_posted_and_no_redirect_is_followed() {
        let elsewhere = "HTTP/1.1 307 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\
                         Content-Length: 0\r\n\r\n";
        let (url, heard) = answering(elsewhere.into()).await;
        let fields = [("logout_token", "a b&c")];
        let fetched = outbound(true).post_form(&url, &fields).await.expect("an answer");
        assert_eq!(fetched.status, 307);
        let request = heard.await.expect("heard");
        assert!(request.contains("content-type: application/x-www-form-urlencoded"), "{request}");
        assert!(request.contains("logout_token=a"), "{request}");
    }

    #[tokio::test]
    async fn json_is_posted_with_a_token_and_no_redirect_is_followed() {
        let elsewhere = "HTTP/1.1 301 Elsewhere\r\nLocation: http://127.0.0.1:1/\r\n\
                         Content-Length: 0\r\n\r\n";
        let (url, heard) = answering(elsewhere.into()).await;
        let (token, body) = (Secret::new("a-._~+/=="), serde_json::json!({ "auth_req_id": "x" }));
        let fetched = outbound(true).post_json(&url, &token, &body).await.expect("an answer");
        assert_eq!(fetched.status, 301);
        let request = heard.await.expect("heard");
        assert!(request.starts_with("POST /document "), "{request}");
        assert!(request.contains("content-type: application/json\r\n"), "{request}");
        assert!(request.contains("authorization: Bearer a-._~+/==\r\n"), "{request}");
        assert!(request.ends_with(r#"{"auth_req_id":"x"}"#), "{request}");
    }

    #[tokio::test]
    async fn a_long_answer_is_not_read_to_its_end() {
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.resize(answer.len() + ANSWER_AT_MOST + 1, b'a');
        let (url, _) = answering(answer).await;
        let fetched = outbound(true).get(&url, Fetching::Json).await;
        assert_eq!(fetched, Err(OutboundError::TooLong(ANSWER_AT_MOST)));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_not_waited_for() {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", silent.local_addr().expect("an address"));
        let started = Instant::now();
        let fetched = outbound(true).get(&url, Fetching::Json).await;
        assert!(matches!(fetched, Err(OutboundError::NoAnswer(_))), "{fetched:?}");
        assert!(started.elapsed() < TIME_AT_MOST * 3);
    }

    #[tokio::test]
    async fn a_name_for_an_address_that_is_not_called_is_refused_after_its_resolution() {
        let resolver = CheckedNames(OutboundPolicy { allow_loopback: false });
        let name = "localhost".parse().expect("a name");
        let refused = resolver.resolve(name).await.err().expect("refused");
        assert_eq!(refused.downcast_ref(), Some(&OutboundRefusal::Loopback));
        let fetched = outbound(false).get("https://127.0.0.1/", Fetching::Json).await;
        assert_eq!(fetched, Err(OutboundError::Refused(OutboundRefusal::Loopback)));
    }

    #[tokio::test]
    async fn a_refused_name_is_told_apart_from_one_that_does_not_answer() {
        // Let in by its text, as a name from outside is, and refused for where it leads.
        let outbound = outbound(false);
        let client = outbound.client().expect("made");
        let error = client.get("https://localhost/").send().await.expect_err("refused");
        assert_eq!(no_answer(error), OutboundError::Refused(OutboundRefusal::Loopback));
    }
}
