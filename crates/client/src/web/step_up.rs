//! From an API that wants the user to be authenticated better to a login for that, and not in
//! circles (RFC 9470).

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::{Sealable, Sealed};
use serde::{Deserialize, Serialize};

use super::LoginRequired;
use crate::client::Inner;
use crate::dpop::challenge_texts;
use crate::flow::{StepUp, step_up};
use crate::session::Session;

/// How long the way from the API's answer to the login may take.
const ON_ITS_WAY: Duration = Duration::from_mins(10);
/// An API that asks for the same age again so soon would ask for ever.
const AT_ONCE: Duration = Duration::from_secs(30);

/// What an API asked for, on its way through the browser. It is sealed: a link of a stranger does
/// not choose how the user is authenticated.
#[derive(Debug, Serialize, Deserialize)]
struct Wanted {
    step_up: StepUp,
    at: Timestamp,
}

impl Sealable for Wanted {
    const PURPOSE: &'static str = "client-step-up-1";
}

/// What an API's answer leads to.
pub(crate) enum Demand {
    /// It asks for nothing of the kind.
    Nothing,
    /// A login that asks for it.
    Login(LoginRequired),
    /// The login was for just that, and the API is not content.
    InVain,
}

impl Session {
    /// What an API's answer asks of the user's authentication.
    pub(crate) fn demand(&self, status: StatusCode, headers: &HeaderMap) -> Demand {
        if status != StatusCode::UNAUTHORIZED {
            return Demand::Nothing;
        }
        let Some(step_up) = step_up(challenge_texts(headers)) else { return Demand::Nothing };
        let inner = self.client.inner();
        let now = inner.now();
        let before = self.record.step_up.as_ref() == Some(&step_up);
        let aged = step_up.max_age.is_some() && now.since(self.record.started_at) > AT_ONCE;
        if before && !aged {
            return Demand::InVain;
        }
        let wanted = Wanted { step_up, at: now };
        Demand::Login(self.again.stepping_up(inner.sealed(&wanted).as_str()))
    }
}

/// What [`Session::demand`] sealed, if it is that.
pub(super) fn opened(inner: &Inner, sealed: &str) -> Option<StepUp> {
    let wanted: Wanted = inner.sessions.seals().open(&Sealed::from_text(sealed), 0).ok()?;
    (inner.now().since(wanted.at) <= ON_ITS_WAY).then_some(wanted.step_up)
}
