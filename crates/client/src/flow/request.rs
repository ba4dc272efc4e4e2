use std::time::Duration;

use keystile_protocol::encoding::{base64url, sha256};
use keystile_protocol::messages::Metadata;
use keystile_protocol::params::with_query;
use keystile_protocol::seal::Sealable;
use keystile_protocol::{
    AuthorizationDetails, ClientId, CodeVerifier, Issuer, Nonce, Scope, Secret, State, Timestamp,
    ValueError,
};
use serde::{Deserialize, Serialize};

use super::{ProofKey, ReturnTo, StepUp};

/// Names and values, in order; a name may come again.
pub type Parameters = Vec<(String, String)>;

/// How long a login may take from the first redirect to the callback.
pub const LOGIN_LIFETIME: Duration = Duration::from_mins(15);

/// How the authorization server may talk with the user (OpenID Connect Core 1.0 section 3.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// Not at all.
    None,
    /// Sign in again, whoever is signed in.
    Login,
    /// Ask for consent, whatever was consented.
    Consent,
    /// Choose among accounts.
    SelectAccount,
    /// Make an account (OpenID Connect Prompt Create 1.0).
    Create,
}

impl Prompt {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Login => "login",
            Self::Consent => "consent",
            Self::SelectAccount => "select_account",
            Self::Create => "create",
        }
    }

    /// The prompt of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::None, Self::Login, Self::Consent, Self::SelectAccount, Self::Create]
            .into_iter()
            .find(|prompt| prompt.as_str() == name)
    }
}

/// What an authorization request says (RFC 6749 section 4.1.1), beside what is made anew for each.
#[derive(Clone, Debug)]
pub struct AuthorizationRequest<'a> {
    /// The app.
    pub client_id: &'a ClientId,
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// What is asked for.
    pub scope: &'a Scope,
    /// For which APIs (RFC 8707); may be none.
    pub resources: &'a [String],
    /// How to talk with the user.
    pub prompt: Option<Prompt>,
    /// How old the user's authentication may be.
    pub max_age: Option<Duration>,
    /// How the user is to be authenticated, the best first (`acr_values`).
    pub acr_values: &'a [String],
    /// Whether an ID token that names none of these is refused, rather than taken as it is.
    pub acr_required: bool,
    /// What an API asked for, if that is why (RFC 9470).
    pub step_up: Option<&'a StepUp>,
    /// Single claims (`claims`, OpenID Connect Core 1.0 section 5.5), in JSON.
    pub claims: Option<&'a str>,
    /// What is asked for in more words than a scope has (RFC 9396).
    pub authorization_details: Option<&'a AuthorizationDetails>,
    /// How the answer comes back, where the default will not do.
    pub response_mode: Option<&'a str>,
    /// What code and tokens are to be bound to (RFC 9449 section 10).
    pub proof_key: Option<&'a ProofKey>,
    /// Anything else, such as `login_hint` or `ui_locales`.
    pub extra: &'a [(String, String)],
}

/// A login that is under way, as the app needs it when the browser comes back. It travels sealed
/// in a cookie of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingLogin {
    /// Comes back with the callback (RFC 6749 section 10.12).
    pub state: State,
    /// Comes back within the ID token.
    pub nonce: Nonce,
    /// Proves to the token endpoint that the one who asks is the one who began (RFC 7636).
    pub verifier: CodeVerifier,
    /// Where the browser was sent to (RFC 9207).
    pub issuer: Issuer,
    /// Where the user wanted to go.
    pub return_to: ReturnTo,
    /// When it began.
    pub started_at: Timestamp,
    /// `max_age` in seconds, if it was asked for.
    pub max_age: Option<u64>,
    /// The `prompt` that was asked for.
    pub prompt: Option<Prompt>,
    /// The ID token's `acr` has to be one of these, if there are any.
    pub required_acr: Vec<String>,
    /// What an API asked for, if that is why.
    pub step_up: Option<StepUp>,
    /// Whether it asked for authorization details that are not kept here: then it cannot be
    /// repeated without the app.
    pub of_its_own: bool,
    /// What the tokens will be bound to: see [`ProofKey::from_secret`].
    pub proof_key: Option<Secret>,
}

impl Sealable for PendingLogin {
    const PURPOSE: &'static str = "client-login-2";
}

/// A login that has just begun.
#[derive(Clone, Debug)]
pub struct Started {
    /// Where to send the browser.
    pub url: String,
    /// What that URL says, for whoever pushes or signs it instead: see [`super::pushed_request`]
    /// and [`super::signed_request`].
    pub parameters: Parameters,
    /// What to keep until it comes back.
    pub pending: PendingLogin,
}

impl<'a> AuthorizationRequest<'a> {
    /// A request with nothing but what each has. The other members are there to be set.
    pub const fn new(client_id: &'a ClientId, redirect_uri: &'a str, scope: &'a Scope) -> Self {
        Self {
            client_id,
            redirect_uri,
            scope,
            resources: &[],
            prompt: None,
            max_age: None,
            acr_values: &[],
            acr_required: false,
            step_up: None,
            claims: None,
            authorization_details: None,
            response_mode: None,
            proof_key: None,
            extra: &[],
        }
    }

    /// Begins a login: the URL to send the browser to, and what to keep. `attempt` is 0 unless
    /// the same login failed just before; `random` is 96 random bytes.
    ///
    /// The attempt's number is part of `state`, so that it is known even where the browser kept
    /// no cookie: that is how a login that cannot succeed is noticed before it goes in circles.
    pub fn begin(
        &self,
        metadata: &Metadata,
        return_to: ReturnTo,
        attempt: u8,
        now: Timestamp,
        random: [u8; 96],
    ) -> Result<Started, ValueError> {
        let part = |at: usize| std::array::from_fn::<u8, 32, _>(|i| random[at * 32 + i]);
        let pending = PendingLogin {
            state: State::new(format!("{attempt}.{}", base64url(part(0))))?,
            nonce: Nonce::new(base64url(part(1)))?,
            verifier: CodeVerifier::from_random(part(2)),
            issuer: metadata.issuer.clone(),
            return_to,
            started_at: now,
            max_age: self.max_age.map(|age| age.as_secs()),
            prompt: self.prompt,
            required_acr: if self.acr_required { self.acr_values.to_vec() } else { Vec::new() },
            step_up: self.step_up.cloned(),
            of_its_own: false,
            proof_key: self.proof_key.map(|key| key.as_secret().clone()),
        };
        let parameters = self.parameters(&pending);
        let url = authorization_url(&metadata.authorization_endpoint, &parameters);
        Ok(Started { url, parameters, pending })
    }

    fn parameters(&self, pending: &PendingLogin) -> Parameters {
        let acr_values = self.acr_values.join(" ");
        let details = self.authorization_details.map(AuthorizationDetails::to_json);
        let key = self.proof_key.map(|key| key.thumbprint().to_string());
        let challenge = pending.verifier.challenge().to_string();
        let max_age = pending.max_age.map(|age| age.to_string());
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", self.client_id.as_str()),
            ("redirect_uri", self.redirect_uri),
        ];
        if !self.scope.is_empty() {
            query.push(("scope", self.scope.as_str()));
        }
        query.push(("state", pending.state.as_str()));
        if self.scope.contains("openid") {
            query.push(("nonce", pending.nonce.as_str()));
        }
        query.push(("code_challenge", &challenge));
        query.push(("code_challenge_method", "S256"));
        query.extend(self.resources.iter().map(|resource| ("resource", resource.as_str())));
        query.extend(self.prompt.map(|prompt| ("prompt", prompt.as_str())));
        query.extend(max_age.as_deref().map(|age| ("max_age", age)));
        if !acr_values.is_empty() {
            query.push(("acr_values", &acr_values));
        }
        let maybe = [
            ("claims", self.claims),
            ("authorization_details", details.as_deref()),
            ("response_mode", self.response_mode),
            ("dpop_jkt", key.as_deref()),
        ];
        query.extend(maybe.into_iter().filter_map(|(name, value)| Some((name, value?))));
        query.extend(self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        query.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

/// The authorization endpoint with a request.
pub fn authorization_url(endpoint: &str, parameters: &Parameters) -> String {
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| (&**name, &**value)).collect();
    with_query(endpoint, &pairs)
}

impl PendingLogin {
    /// Which attempt this is; 0 is the first.
    pub fn attempt(&self) -> u8 {
        attempt_of(self.state.as_str())
    }

    /// A name for this login in logs, events and cookie names: a digest of `state`.
    pub fn id(&self) -> String {
        login_id(self.state.as_str())
    }

    /// How old the user's authentication may be, if that was asked for.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age.map(Duration::from_secs)
    }

    /// Whether it was asked not to talk with the user.
    pub fn is_silent(&self) -> bool {
        self.prompt == Some(Prompt::None)
    }

    /// Whether the callback comes too late.
    pub fn is_over(&self, now: Timestamp) -> bool {
        now.since(self.started_at) > LOGIN_LIFETIME
    }
}

/// The number in front of a `state` of ours. Who forges it gains a page instead of a redirect, or
/// the other way round.
pub(crate) fn attempt_of(state: &str) -> u8 {
    state.split_once('.').and_then(|(attempt, _)| attempt.parse().ok()).unwrap_or(u8::MAX)
}

/// The name of the login that `state` belongs to: twelve characters that tell nothing of it.
pub fn login_id(state: &str) -> String {
    base64url(&sha256(state)[..9])
}

#[cfg(test)]
mod tests {
    use keystile_protocol::Params;

    use super::*;
    use crate::flow::test_values::{metadata, random};

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn begin(change: impl FnOnce(&mut AuthorizationRequest<'_>)) -> Started {
        let client_id = ClientId::new("photo printer").expect("valid");
        let scope = Scope::try_from("openid photos:read").expect("valid");
        let resources = ["https://photos.example/".to_owned()];
        let extra = [("login_hint".to_owned(), "a&b=c".to_owned())];
        let redirect_uri = "https://app.example/callback?x=y";
        let mut request = AuthorizationRequest {
            resources: &resources,
            extra: &extra,
            ..AuthorizationRequest::new(&client_id, redirect_uri, &scope)
        };
        change(&mut request);
        request.begin(&metadata(), ReturnTo::or_root("/photos"), 0, NOW, random(7)).expect("valid")
    }

    fn query(started: &Started) -> Params {
        let (endpoint, query) = started.url.split_once('?').expect("a query");
        assert_eq!(endpoint, "https://login.example/authorize");
        Params::parse(query.as_bytes()).expect("parameters")
    }

    #[test]
    fn seed_1_1_the_request_has_every_parameter_of_rfc_6749_4_1_1() {
        let started = begin(|_| {});
        let query = query(&started);
        let pending = &started.pending;
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", "photo printer"),
            ("redirect_uri", "https://app.example/callback?x=y"),
            ("scope", "openid photos:read"),
            ("state", pending.state.as_str()),
            ("nonce", pending.nonce.as_str()),
            ("code_challenge", &pending.verifier.challenge().to_string()),
            ("code_challenge_method", "S256"),
            ("resource", "https://photos.example/"),
            ("login_hint", "a&b=c"),
        ] {
            assert_eq!(query.required(name), Ok(value), "{name}");
        }
        assert!(!query.has("prompt") && !query.has("max_age"));
        assert!(!started.url.contains(pending.verifier.expose()), "seed 0.1");
    }

    #[test]
    fn prompt_and_max_age_are_asked_and_remembered_openid_core_3_1_2_1() {
        let started = begin(|request| {
            request.prompt = Some(Prompt::None);
            request.max_age = Some(Duration::from_mins(1));
        });
        let query = query(&started);
        assert_eq!(query.required("prompt"), Ok("none"));
        assert_eq!(query.required("max_age"), Ok("60"));
        assert!(started.pending.is_silent());
        assert_eq!(started.pending.max_age, Some(60));
    }

    #[test]
    fn what_goes_beyond_the_plain_request_is_asked_and_what_is_needed_later_is_kept() {
        let key = ProofKey::generate().expect("a key");
        let acr_values = ["phr".to_owned(), "mfa".to_owned()];
        let details = AuthorizationDetails::parse(r#"[{"type":"payment"}]"#).expect("good");
        let resources = ["https://one/".to_owned(), "https://two/".to_owned()];
        let client_id = ClientId::new("app").expect("valid");
        let scope = Scope::try_from("openid").expect("valid");
        let request = AuthorizationRequest {
            resources: &resources,
            acr_values: &acr_values,
            acr_required: true,
            claims: Some(r#"{"id_token":{"email":null}}"#),
            authorization_details: Some(&details),
            response_mode: Some("jwt"),
            proof_key: Some(&key),
            ..AuthorizationRequest::new(&client_id, "https://app.example/callback", &scope)
        };
        let started = request.begin(&metadata(), ReturnTo::default(), 0, NOW, random(7));
        let started = started.expect("valid");
        let query = query(&started);
        for (name, value) in [
            ("acr_values", "phr mfa"),
            ("claims", r#"{"id_token":{"email":null}}"#),
            ("authorization_details", r#"[{"type":"payment"}]"#),
            ("response_mode", "jwt"),
            ("dpop_jkt", &key.thumbprint().to_string()),
        ] {
            assert_eq!(query.required(name), Ok(value), "{name}");
        }
        assert_eq!(query.all("resource").expect("text"), ["https://one/", "https://two/"]);
        assert_eq!(started.pending.required_acr, acr_values);
        assert_eq!(started.pending.proof_key.as_ref(), Some(key.as_secret()));
        assert!(!started.url.contains(key.as_secret().expose()), "seed 0.1");
        assert!(!format!("{:?}", started.pending).contains(&key.as_secret().expose()[40..50]));
    }

    #[test]
    fn without_openid_there_is_no_nonce_to_check() {
        let scope = Scope::try_from("photos:read").expect("valid");
        let client_id = ClientId::new("a").expect("valid");
        let redirect_uri = "https://app.example/callback";
        let request = AuthorizationRequest::new(&client_id, redirect_uri, &scope);
        let started =
            request.begin(&metadata(), ReturnTo::default(), 1, NOW, random(1)).expect("valid");
        assert!(!query(&started).has("nonce"));
        assert_eq!(started.pending.attempt(), 1);
    }

    #[test]
    fn each_login_has_its_own_state_nonce_and_verifier() {
        let pending = begin(|_| {}).pending;
        let parts = [
            pending.state.as_str().split_once('.').expect("numbered").1,
            pending.nonce.as_str(),
            pending.verifier.expose(),
        ];
        assert!(parts[0] != parts[1] && parts[1] != parts[2] && parts[0] != parts[2]);
    }

    #[test]
    fn a_foreign_state_counts_as_the_last_attempt() {
        for (state, attempt) in [("0.abc", 0), ("1.abc", 1), ("abc", 255), ("", 255), ("x.y", 255)]
        {
            assert_eq!(attempt_of(state), attempt, "{state}");
        }
    }

    #[test]
    fn a_login_is_over_after_fifteen_minutes() {
        let pending = begin(|_| {}).pending;
        assert!(!pending.is_over(NOW.plus(LOGIN_LIFETIME)));
        assert!(pending.is_over(NOW.plus(LOGIN_LIFETIME + Duration::from_millis(1))));
    }
}
