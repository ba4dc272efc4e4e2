//! An app on the user's own machine (RFC 8252): the system's browser, and an answer that comes to
//! a port of the loopback interface.

use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::header;
use keystile_protocol::{Params, Secret};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::{Granted, ToolError};
use crate::client::Client;
use crate::exchange;
use crate::failure::Cause;
use crate::flow::{CallbackError, Expected, PendingLogin, check_callback};
use crate::observe::{Party, Step, shown};
use crate::web::{begin_for, verified};

/// How long the last page may take to reach the browser.
const TIME_FOR_THE_PAGE: Duration = Duration::from_secs(2);
/// Answers that wait to be looked at.
const WAITING_AT_MOST: usize = 8;

/// A login that waits for its answer. Nothing listens any more once it is dropped.
#[must_use = "nothing comes of it before wait()"]
pub struct NativeLogin {
    client: Client,
    listener: TcpListener,
    redirect_uri: String,
    url: String,
    pending: PendingLogin,
}

/// What the browser brought, and where to say what became of it.
type Brought = (Params, oneshot::Sender<Page>);

#[derive(Clone, Copy)]
enum Page {
    SignedIn,
    Failed,
    NotThisLogin,
}

impl Client {
    /// Begins a login in the browser of the machine that this runs on. Register the redirect URI
    /// `http://127.0.0.1/callback`: the port is another one each time, and a server has to accept
    /// any (section 7.3).
    pub async fn begin_native_login(&self) -> Result<NativeLogin, ToolError> {
        self.begin_native_login_at(0).await
    }

    /// The same at one port, for servers that compare that too.
    pub async fn begin_native_login_at(&self, port: u16) -> Result<NativeLogin, ToolError> {
        let inner = self.inner();
        let cannot = |error| ToolError::local("nothing can listen on 127.0.0.1", error);
        // The address, not the name `localhost`, which may resolve to something else (section 8.3).
        let listener = TcpListener::bind(("127.0.0.1", port)).await.map_err(cannot)?;
        let port = listener.local_addr().map_err(cannot)?.port();
        let redirect_uri = format!("http://127.0.0.1:{port}{}", inner.paths.callback);
        let (url, pending) = begin_for(inner, redirect_uri.clone()).await?;
        inner.tell(Step::LoginStarted, Party::App, Party::Browser, |event| {
            let query = url.split_once('?').map_or("", |(_, query)| query);
            let query = url::form_urlencoded::parse(query.as_bytes());
            let event = event.in_login(&pending.id()).request("GET", &url);
            event.all(query.map(|(name, value)| shown(&name, &value)))
        });
        Ok(NativeLogin { client: self.clone(), listener, redirect_uri, url, pending })
    }
}

impl NativeLogin {
    /// Where the browser has to go.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it comes back to.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Opens the system's browser, which knows the user's sessions and passwords and hands them to
    /// no app (section 8.12). Where there is none, show the user [`Self::url`].
    #[cfg(feature = "native")]
    pub fn open_browser(&self) -> Result<(), ToolError> {
        open::that_detached(&self.url)
            .map_err(|error| ToolError::local("no browser could be opened", error))
    }

    /// Waits for the browser, no longer than that. What does not belong to this login gets a page
    /// that says so, and the waiting goes on: other programs and web pages reach this port too.
    pub async fn wait(self, within: Duration) -> Result<Granted, ToolError> {
        let Self { client, listener, redirect_uri, url: _, pending } = self;
        let (send, mut brought) = mpsc::channel::<Brought>(WAITING_AT_MOST);
        let router =
            Router::new().route(&client.inner().paths.callback, get(answer)).with_state(send);
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = axum::serve(listener, router)
            .with_graceful_shutdown(async move { stopped.await.unwrap_or_default() });
        let mut serving = std::pin::pin!(serving.into_future());
        let login = Login { client: &client, pending: &pending, redirect_uri };
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(within, login.outcome(&mut brought)) => outcome,
            ended = &mut serving => {
                let why = ended.err().map(|error| error.to_string()).unwrap_or_default();
                return Err(ToolError::local("the loopback port is lost", why));
            }
        };
        drop((brought, stop));
        let _ = tokio::time::timeout(TIME_FOR_THE_PAGE, serving).await;
        outcome.unwrap_or(Err(ToolError::Expired))
    }
}

/// Hands what the browser brought to the one who waits, and says what became of it.
async fn answer(State(send): State<mpsc::Sender<Brought>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes()).unwrap_or_default();
    let (tell, told) = oneshot::channel();
    let page = match send.send((params, tell)).await {
        Ok(()) => told.await.unwrap_or(Page::NotThisLogin),
        Err(_) => Page::NotThisLogin,
    };
    page.into_response()
}

/// A login and what it is held against.
struct Login<'a> {
    client: &'a Client,
    pending: &'a PendingLogin,
    redirect_uri: String,
}

impl Login<'_> {
    async fn outcome(&self, brought: &mut mpsc::Receiver<Brought>) -> Result<Granted, ToolError> {
        while let Some((params, tell)) = brought.recv().await {
            // A signed answer (JARM) has its `state` inside.
            let params = verified(self.client.inner(), params).await.unwrap_or_default();
            if !self.is_ours(&params) {
                let _ = tell.send(Page::NotThisLogin);
                continue;
            }
            let outcome = self.finish(&params).await;
            let _ = tell.send(if outcome.is_ok() { Page::SignedIn } else { Page::Failed });
            return outcome;
        }
        Err(ToolError::Expired)
    }

    /// Whoever does not know `state` can neither end a login nor bring one.
    fn is_ours(&self, params: &Params) -> bool {
        let state = params.optional("state").ok().flatten().unwrap_or_default();
        let ours = self.pending.state.as_str();
        keystile_protocol::encoding::equal_in_constant_time(state.as_bytes(), ours.as_bytes())
    }

    async fn finish(&self, params: &Params) -> Result<Granted, ToolError> {
        let inner = self.client.inner();
        let code = self.code(params).await.map_err(|error| match error {
            Cause::Authorization(keystile_protocol::ErrorCode::AccessDenied) => ToolError::Denied,
            other => other.into(),
        })?;
        let signed_in = exchange::redeem(inner, &code, self.pending, &self.redirect_uri).await?;
        let key = self.pending.proof_key.clone();
        let mut granted = Granted::new(inner, signed_in.tokens, key);
        granted.subject = signed_in.subject;
        granted.claims = signed_in.claims;
        Ok(granted)
    }

    async fn code(&self, params: &Params) -> Result<Secret, Cause> {
        let inner = self.client.inner();
        let metadata = inner.provider.metadata(inner.now()).await.map_err(Cause::Unreachable)?;
        let expected = Expected {
            issuer: &inner.app.issuer,
            iss_required: metadata.authorization_response_iss_parameter_supported
                || inner.app.features.profile.is_some(),
            now: inner.now(),
        };
        let checked = check_callback(params, Some(self.pending), &expected);
        Ok(checked.inspect_err(|error: &CallbackError| {
            tracing::info!(login = %self.pending.id(), %error, "a callback brought no code");
        })?)
    }
}

impl IntoResponse for Page {
    /// The address has a code in it: nothing is loaded from elsewhere, and nobody is told of it.
    fn into_response(self) -> Response {
        let text = match self {
            Self::SignedIn => "You are signed in. You can close this window and go back.",
            Self::Failed => "The sign-in did not succeed. The program that began it says why.",
            Self::NotThisLogin => "This belongs to no sign-in that is under way here.",
        };
        let page = format!("<!doctype html><html lang=\"en\"><title>Sign in</title><p>{text}");
        let headers = [
            (header::CACHE_CONTROL, "no-store"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (header::CONNECTION, "close"),
        ];
        (headers, Html(page)).into_response()
    }
}
