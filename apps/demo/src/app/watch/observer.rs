//! From the client crate's events to arrows.

use std::sync::Arc;

use keystile_client::{Event, Observer, Shown, Step};

use super::mask::{Masker, kind_of};
use super::message::{Lane, Message, Parameter};
use super::record::Record;
use super::{Browsers, CURRENT, Watched};

/// Writes each event into the record of the browser that it concerns.
pub(crate) struct Recorder {
    pub(crate) browsers: Arc<Browsers>,
    pub(crate) masker: Arc<Masker>,
}

impl Observer for Recorder {
    fn event(&self, event: &Event) {
        // Within a request of a browser, it is that one's; a refresh that several requests share
        // may run outside of them all.
        let current = CURRENT.try_with(Clone::clone).ok();
        let by_session = || {
            let record = self.browsers.of_session(event.session.as_deref()?)?;
            Some(Watched { record, picture: false })
        };
        let Some(watched) = current.or_else(by_session) else { return };
        let record = &watched.record;
        if let Some(session) = &event.session {
            record.joins(session);
        }
        let under_way = || record.came_after(words(Step::LoginStarted).0, words(event.step).0);
        if event.step == Step::CallbackReceived && under_way() {
            record.push(unseen_part());
        }
        record.push(self.message(&watched, event));
    }
}

impl Recorder {
    fn message(&self, Watched { record, picture }: &Watched, event: &Event) -> Message {
        let (mut title, note) = words(event.step);
        let folds_as = folds_as(event.step, *picture);
        if let Some(of_many) = folds_as {
            title = of_many;
        }
        let mut message = Message::new(event.from.into(), event.to.into(), title).note(note);
        message.at = event.at.millis();
        message.visible = event.visible_in_browser;
        message.answer = is_answer(event.step);
        message.line = line(event);
        message.parameters = event
            .parameters
            .iter()
            .map(|(name, value)| self.shown(record, event, name, value))
            .collect();
        message.folds_as = folds_as;
        message
    }

    fn shown(&self, record: &Record, event: &Event, name: &str, value: &Shown) -> Parameter {
        match value {
            Shown::Plain(value) => record.shown(&self.masker, name, value),
            // Anybody can send a browser here with something that is called a code.
            Shown::Secret(secret) if event.step == Step::CallbackReceived => {
                record.shown_unlearned(&self.masker, name, secret.expose())
            }
            Shown::Secret(secret) => {
                let kind = kind_of(name).unwrap_or("secret");
                record.hidden(&self.masker, kind, name, secret.expose())
            }
        }
    }
}

fn line(event: &Event) -> String {
    let asked = [event.method.as_deref(), event.url.as_deref()];
    let asked: Vec<&str> = asked.into_iter().flatten().collect();
    match event.status {
        Some(status) if asked.is_empty() => format!("status {status}"),
        Some(status) => format!("{} \u{2192} {status}", asked.join(" ")),
        None => asked.join(" "),
    }
}

/// What happens between the browser and the authorization server, where the app has no eyes.
fn unseen_part() -> Message {
    Message::new(Lane::Browser, Lane::Server, "You sign in and decide")
        .note(
            "Password and consent are between your browser and the authorization server. The app \
             sees neither; this arrow is drawn from hearsay.",
        )
        .line("pages of the authorization server")
}

/// The title of a message of which there are many, drawn as one.
const fn folds_as(step: Step, picture: bool) -> Option<&'static str> {
    match step {
        Step::ApiRequest if picture => Some("A picture, with the access token"),
        Step::ApiResponse if picture => Some("The picture, as SVG"),
        _ => None,
    }
}

const fn is_answer(step: Step) -> bool {
    matches!(
        step,
        Step::TokenResponse
            | Step::UserinfoResponse
            | Step::RefreshResponse
            | Step::ApiResponse
            | Step::LoginStarted
            | Step::LogoutStarted
            | Step::SessionStarted
            | Step::SessionEnded
    )
}

/// What a step is called, and why it is.
const fn words(step: Step) -> (&'static str, &'static str) {
    match step {
        Step::LoginStarted => (
            "Ask the user, over there",
            "The app sends the browser to the authorization server. The state ties the answer to \
             this browser, the code challenge ties the code to a secret that stays in the app.",
        ),
        Step::CallbackReceived => (
            "Back, with a code",
            "The browser brings a code that is good for one use and sixty seconds. Alone it buys \
             nothing: the secret and the code verifier are missing.",
        ),
        Step::CallbackRefused => (
            "The app refuses the answer",
            "What the browser brought does not fit a login that this browser began, or the server \
             said no.",
        ),
        Step::TokenRequest => (
            "Code and secret, for tokens",
            "Server to server. The app proves who it is with its secret, and that the code is its \
             own with the verifier.",
        ),
        Step::TokenResponse => (
            "The tokens",
            "They stay in the app, encrypted. The browser will get a picture, never a key.",
        ),
        Step::UserinfoRequest => ("Who is it?", "The app asks for the user's name."),
        Step::UserinfoResponse => ("The user's claims", "Name and address, as you allowed."),
        Step::SessionStarted => (
            "Signed in",
            "The browser gets a cookie with an opaque handle. It means something to this app \
             alone.",
        ),
        Step::RefreshRequest => (
            "The access token is old: a new one, please",
            "Nobody has to sign in for that. The refresh token and the secret do it.",
        ),
        Step::RefreshResponse => ("New tokens", "They replace the old ones."),
        Step::SessionEnded => ("Signed out", "The app forgets the session and its tokens."),
        Step::ApiRequest => (
            "A call, with the access token",
            "Server to server. The API verifies the token by the issuer's public key.",
        ),
        Step::ApiResponse => {
            ("What the API gives", "What was asked for, and nothing about tokens.")
        }
        Step::LogoutStarted => (
            "Sign out over there too",
            "The browser goes to the authorization server, so that its session ends as well.",
        ),
        _ => ("A step", ""),
    }
}
