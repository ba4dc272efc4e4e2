//! Plain HTTP, with a record of what was sent and what came back.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, RequestBuilder, header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::app::App;
use crate::app::watch::{Lane, Message, Parameter, Record};

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// As much of an answer is read, in bytes.
const BODY_AT_MOST: usize = 64 * 1024;
/// As much of a value is shown, in characters.
const SHOWN_AT_MOST: usize = 300;

/// The HTTP client, and where the endpoints are.
pub(crate) struct Wire {
    http: Client,
    endpoints: OnceCell<Endpoints>,
}

/// From the server's metadata.
#[derive(Clone, Deserialize)]
pub(crate) struct Endpoints {
    #[serde(rename = "authorization_endpoint")]
    pub(crate) authorization: String,
    #[serde(rename = "token_endpoint")]
    pub(crate) token: String,
    #[serde(rename = "userinfo_endpoint")]
    pub(crate) userinfo: String,
}

/// A party did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{who} does not answer")]
pub(crate) struct Silent {
    who: &'static str,
}

impl Wire {
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER_WITHIN)
            .no_proxy()
            .build()?;
        Ok(Self { http, endpoints: OnceCell::new() })
    }

    pub(crate) async fn endpoints(&self, issuer: &str) -> Result<&Endpoints, Silent> {
        let silent = |_| Silent { who: Lane::Server.name() };
        let fetch = || async {
            let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
            self.http.get(url).send().await.map_err(silent)?.json().await.map_err(silent)
        };
        self.endpoints.get_or_try_init(fetch).await
    }
}

/// One attack being played.
pub(crate) struct Play<'a> {
    pub(crate) app: &'a App,
    pub(crate) record: &'a Record,
    pub(crate) messages: Vec<Message>,
}

/// A request to be sent.
pub(crate) struct Ask<'a> {
    pub(crate) from: Lane,
    pub(crate) to: Lane,
    pub(crate) title: &'a str,
    pub(crate) note: &'a str,
    pub(crate) url: &'a str,
    /// The query of a GET, the form of a POST.
    pub(crate) parameters: &'a [(&'a str, &'a str)],
    /// The value of `Authorization`.
    pub(crate) authorization: Option<String>,
    pub(crate) post: bool,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) json: Value,
}

impl Answer {
    pub(crate) fn text(&self, member: &str) -> &str {
        self.json.get(member).and_then(Value::as_str).unwrap_or_default()
    }

    /// `400 invalid_grant: the code was used before`.
    pub(crate) fn in_words(&self) -> String {
        match (self.text("error"), self.text("error_description")) {
            ("", "") => format!("{}", self.status),
            (error, "") => format!("{} {error}", self.status),
            ("", description) => format!("{}: {description}", self.status),
            (error, description) => format!("{} {error}: {description}", self.status),
        }
    }
}

impl<'a> Play<'a> {
    pub(crate) fn new(app: &'a App, record: &'a Record) -> Self {
        Self { app, record, messages: Vec::new() }
    }

    pub(crate) async fn ask(&mut self, ask: Ask<'_>) -> Result<Answer, Silent> {
        let message = self.described(&ask);
        self.messages.push(message);
        let sent = self.request(&ask).send().await;
        let mut response = sent.map_err(|_| Silent { who: ask.to.name() })?;
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = BODY_AT_MOST - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if body.len() == BODY_AT_MOST {
                break;
            }
        }
        let header = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let answer = Answer {
            status: response.status().as_u16(),
            location: header(header::LOCATION),
            json: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let challenge = header(header::WWW_AUTHENTICATE);
        let page = String::from_utf8_lossy(&body);
        self.answered(&ask, &answer, challenge.as_deref(), title_of(&page));
        Ok(answer)
    }

    fn request(&self, ask: &Ask<'_>) -> RequestBuilder {
        let http = &self.app.wire.http;
        let request = if ask.post {
            http.post(ask.url).form(ask.parameters)
        } else {
            http.get(with_query(ask.url, ask.parameters))
        };
        let request = request.header(header::ACCEPT, "application/json, text/html;q=0.9");
        match &ask.authorization {
            Some(value) => request.header(header::AUTHORIZATION, value),
            None => request,
        }
    }

    fn described(&self, ask: &Ask<'_>) -> Message {
        let method = if ask.post { "POST" } else { "GET" };
        let mut message = Message::new(ask.from, ask.to, ask.title)
            .note(ask.note)
            .line(format!("{method} {}", ask.url));
        if let Some(value) = &ask.authorization {
            message.parameters.push(self.shown("Authorization", value));
        }
        message.parameters.extend(ask.parameters.iter().map(|(n, v)| self.shown(n, v)));
        message
    }

    fn answered(
        &mut self,
        ask: &Ask<'_>,
        answer: &Answer,
        challenge: Option<&str>,
        title: Option<&str>,
    ) {
        let good = (200..300).contains(&answer.status);
        let said = match answer.text("error") {
            "" if good => "Accepted",
            "" if answer.location.is_some() => "A redirect",
            "" => "Refused",
            error => error,
        };
        let mut message =
            Message::new(ask.to, ask.from, said).line(format!("status {}", answer.status)).answer();
        for (name, value) in [
            ("Location", answer.location.as_deref()),
            ("WWW-Authenticate", challenge),
            ("page", title),
        ] {
            message.parameters.extend(value.map(|value| self.shown(name, value)));
        }
        for (name, value) in answer.json.as_object().into_iter().flatten() {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            message.parameters.push(self.shown(name, &text));
        }
        self.messages.push(message);
    }

    fn shown(&self, name: &str, value: &str) -> Parameter {
        cut(self.record.shown(&self.app.masker, name, value))
    }

    /// The parameters of a redirect, shown.
    pub(crate) fn came_back(&mut self, parameters: &[(String, String)]) {
        let mut message = Message::new(Lane::Server, Lane::Browser, "Back to the app")
            .note("A redirect through your browser, with what an onlooker there could see.")
            .line(format!("{}/break/callback", self.app.settings.base_url))
            .answer();
        message.parameters = parameters
            .iter()
            .map(|(name, value)| cut(self.record.shown_unlearned(&self.app.masker, name, value)))
            .collect();
        self.messages.push(message);
    }
}

fn cut(mut parameter: Parameter) -> Parameter {
    if parameter.value.chars().count() > SHOWN_AT_MOST {
        parameter.value = parameter.value.chars().take(SHOWN_AT_MOST).chain(['…']).collect();
    }
    parameter
}

/// The credential of `client_secret_basic` (RFC 6749 section 2.3.1).
pub(crate) fn basic(id: &str, secret: &str) -> String {
    let encode =
        |text: &str| -> String { url::form_urlencoded::byte_serialize(text.as_bytes()).collect() };
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encode(id), encode(secret))))
}

fn with_query(url: &str, query: &[(&str, &str)]) -> String {
    match url::Url::parse_with_params(url, query) {
        Ok(with) if !query.is_empty() => with.into(),
        // What is no URL is found out by whoever tries to send it.
        _ => url.to_owned(),
    }
}

/// The title of a page.
fn title_of(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<title>")?;
    rest.split_once("</title>").map(|(title, _)| title.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_title_of_a_page_is_found() {
        assert_eq!(title_of("<html><title> Oh no </title>"), Some("Oh no"));
        assert_eq!(title_of("{}"), None);
    }

    #[test]
    fn basic_credentials_are_form_encoded_first_rfc_6749_section_2_3_1() {
        assert_eq!(basic("a b", "c:d"), format!("Basic {}", STANDARD.encode("a+b:c%3Ad")));
    }

    #[test]
    fn answers_in_words() {
        let answer = |json| Answer { status: 400, location: None, json };
        let full = serde_json::json!({"error": "invalid_grant", "error_description": "used"});
        assert_eq!(answer(full).in_words(), "400 invalid_grant: used");
        assert_eq!(answer(Value::Null).in_words(), "400");
    }
}
