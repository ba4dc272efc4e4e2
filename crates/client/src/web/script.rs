//! Requests of the app's own scripts: who may make them, and for whom.

use http::StatusCode;
use http::request::Parts;

use super::layer::RequestSession;
use super::same_origin::{Proof, check};
use super::told::Told;
use crate::client::Client;
use crate::session::Session;

impl Client {
    /// Whether a request comes from the app's own script, as far as the browser can prove it.
    pub(crate) fn is_own_script(&self, parts: &Parts, proof: Proof) -> Result<(), Told> {
        let app = &self.inner().app;
        let found = check(&parts.method, &parts.headers, &app.origin, (&app.anti_forgery, proof));
        found.map_err(|why| {
            tracing::warn!(%why, "a request was refused as forged");
            Told::new(StatusCode::FORBIDDEN, "forgery", why.to_string())
        })
    }

    /// The session of a script's request: where there is none, it is told where the login is.
    pub(crate) async fn session_of_script(&self, parts: &mut Parts) -> Result<Session, Told> {
        let request = RequestSession::of(self, parts);
        let again = request.again().for_a_script();
        match request.load().await {
            Ok(Some(session)) => Ok(Session { again, ..session.clone() }),
            Ok(None) => Err(again.told()),
            Err(_) => {
                let words = "the app's sessions cannot be read right now: try again";
                let status = StatusCode::SERVICE_UNAVAILABLE;
                Err(Told::new(status, "temporarily_unavailable", words))
            }
        }
    }
}
