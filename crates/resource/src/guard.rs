//! What is guarded, by whom and for what: set once, shared by all requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderMap;
use http::request::Parts;
use keystile_protocol::access_token::{AccessTokenError, Expectations, verify};
use keystile_protocol::jose::JoseError;
use keystile_protocol::{Issuer, Scope, Timestamp, ValueError};

use crate::keys::KeyCache;
use crate::rules::Authentication;
use crate::token::Token;
use crate::{AccessTokenClaims, Algorithm, ClientCertificate, Refusal, rules};

/// How far clocks may differ, unless the builder says otherwise.
const LEEWAY: Duration = Duration::from_secs(30);
/// More leeway than this would make a joke of tokens that live for minutes.
const LEEWAY_AT_MOST: Duration = Duration::from_mins(5);
/// RS256 is for issuers that have nothing better, and has to be named.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];

/// A [`tower::Layer`] that lets requests with a valid access token through, and no others.
///
/// Cheap to clone; all clones share one cache of keys.
#[derive(Clone, Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    required: Scope,
    authentication: Authentication,
}

#[derive(Clone, Debug)]
struct Shared {
    issuer: Issuer,
    audience: String,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
    keys: Arc<KeyCache>,
    /// Where the API's metadata are, once it is announced.
    metadata: Option<String>,
}

/// Left in a request by a guard that let it through, so that one on an inner route needs not
/// verify the token again. A guard believes its own marks alone.
#[derive(Clone)]
struct Passed(Arc<Shared>);

/// Sets up a [`Guard`]; see [`Guard::builder`].
#[derive(Clone, Debug)]
pub struct GuardBuilder {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    leeway: Duration,
}

/// Why a guard cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Not an issuer's identifier.
    #[error("the issuer '{issuer}' cannot be used: {problem}")]
    Issuer {
        /// What was given.
        issuer: String,
        /// What is wrong with it.
        problem: ValueError,
    },
    /// An API without a name of its own would take tokens that were meant for others.
    #[error(
        "the audience '{0}' cannot be used: it is this API's own name, such as \
         https://photos.example: 1 to 500 printable ASCII characters without quotes and backslash"
    )]
    Audience(String),
    /// What is announced has an address.
    #[error(
        "'{0}' cannot be announced: the audience has to be this API's own URL, https or http on \
         loopback, without a fragment (RFC 9728 section 1.2)"
    )]
    NotAUrl(String),
    /// Not scopes.
    #[error("'{0}' cannot be announced: it is no list of scopes with spaces between them")]
    Scopes(String),
    /// With no algorithm nothing would be let through.
    #[error("at least one signature algorithm must be allowed")]
    NoAlgorithm,
    /// More than five minutes.
    #[error("a leeway of {0:?} is too much: clocks differ by seconds; at most 5 minutes are taken")]
    Leeway(Duration),
    /// The HTTP client could not be made.
    #[error("the HTTP client for the issuer's keys cannot be made: {0}")]
    Http(#[from] reqwest::Error),
}

impl Guard {
    /// Begins a guard that believes tokens of `issuer` that are for `audience`, which is the
    /// API's own name: usually its URL, as the issuer knows it.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> GuardBuilder {
        GuardBuilder {
            issuer: issuer.into(),
            audience: audience.into(),
            algorithms: ALGORITHMS.to_vec(),
            leeway: LEEWAY,
        }
    }

    /// The same guard, which also asks for these scopes (separated by spaces), beside those that
    /// it asks for already. Put it on a route, alone or inside the plain guard.
    ///
    /// # Panics
    /// When it is given what cannot be a scope (RFC 6749 section 3.3): at start, while routes are
    /// put together, and not while serving.
    pub fn require(&self, scopes: &str) -> Self {
        match Scope::try_from(scopes) {
            Ok(more) => Self { required: self.required.union(&more), ..self.clone() },
            Err(problem) => panic!("'{scopes}' cannot be required as a scope: {problem}"),
        }
    }

    /// The same guard, which also asks that the user was authenticated in one of these ways
    /// (`acr`), instead of those that it asked for before. A token that does not say so is answered
    /// with 401 `insufficient_user_authentication` (RFC 9470 section 3).
    ///
    /// # Panics
    /// When it is given none, or what cannot stand in a challenge: at start, while routes are put
    /// together, and not while serving.
    pub fn require_acr(&self, values: &[&str]) -> Self {
        assert!(
            !values.is_empty() && values.iter().all(|value| is_acr(value)),
            "{values:?} cannot be required as acr values"
        );
        let mut stricter = self.clone();
        stricter.authentication.acr_values = values.iter().map(|v| (*v).to_owned()).collect();
        stricter
    }

    /// The same guard, which also asks that the user was authenticated within this time, if it did
    /// not ask for less already (RFC 9470 section 3).
    pub fn require_max_age(&self, max_age: Duration) -> Self {
        let mut stricter = self.clone();
        let known = stricter.authentication.max_age;
        stricter.authentication.max_age = Some(known.map_or(max_age, |known| known.min(max_age)));
        stricter
    }

    /// The API's name in challenges.
    pub(crate) fn realm(&self) -> &str {
        &self.shared.audience
    }

    pub(crate) fn issuer(&self) -> &str {
        self.shared.issuer.as_str()
    }

    /// Where the API's metadata are, once it is announced.
    pub(crate) fn metadata(&self) -> Option<&str> {
        self.shared.metadata.as_deref()
    }

    /// The same guard for an API whose metadata are there.
    pub(crate) fn with_metadata(&self, url: String) -> Self {
        let shared = Shared { metadata: Some(url), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared), ..self.clone() }
    }

    /// Decides about a request by its head; a good one gets its [`Token`].
    pub(crate) async fn admit(&self, head: &mut Parts) -> Result<(), Refusal> {
        if let Some(token) = self.already_passed(head) {
            return self.allow(token.claims());
        }
        let certificate = head.extensions.get();
        let claims = self.believe(&head.headers, head.uri.query(), certificate).await?;
        self.allow(&claims)?;
        head.extensions.insert(Token::from_claims(claims));
        head.extensions.insert(Passed(Arc::clone(&self.shared)));
        Ok(())
    }

    /// Whether a believed token is enough here.
    fn allow(&self, claims: &AccessTokenClaims) -> Result<(), Refusal> {
        rules::check_scope(&claims.scope, &self.required)?;
        rules::check_authentication(claims, &self.authentication, self.shared.leeway, now())
    }

    fn already_passed<'r>(&self, head: &'r Parts) -> Option<&'r Token> {
        let Passed(by) = head.extensions.get()?;
        Arc::ptr_eq(by, &self.shared).then(|| head.extensions.get())?
    }

    async fn believe(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        certificate: Option<&ClientCertificate>,
    ) -> Result<AccessTokenClaims, Refusal> {
        let token = rules::bearer_token(headers, query)?;
        let cache = &self.shared.keys;
        let keys = cache.current().await.ok_or(Refusal::KeysAway)?;
        let expected = self.shared.expectations();
        match verify(token, &keys, &expected, now()) {
            Err(AccessTokenError::Jose(JoseError::UnknownKey(kid))) => {
                let keys = cache.after_unknown(&kid, &keys).await;
                verify(token, &keys, &expected, now())
            }
            decided => decided,
        }
        .and_then(|claims| rules::from_holder(claims, certificate))
        .map_err(Refusal::InvalidToken)
    }
}

impl Shared {
    fn expectations(&self) -> Expectations<'_> {
        Expectations {
            issuer: &self.issuer,
            audience: Some(&self.audience),
            algorithms: &self.algorithms,
            leeway: self.leeway,
        }
    }
}

impl GuardBuilder {
    /// How far the issuer's clock and ours may differ; 30 seconds otherwise.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The signature algorithms that are believed; ES256, EdDSA and PS256 otherwise.
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        algorithms.clone_into(&mut self.algorithms);
        self
    }

    /// The guard. Nothing is fetched yet, so that the API starts also while the issuer is away.
    pub fn build(self) -> Result<Guard, BuildError> {
        let issuer = Issuer::try_from(self.issuer.as_str())
            .map_err(|problem| BuildError::Issuer { issuer: self.issuer, problem })?;
        if !is_audience(&self.audience) {
            return Err(BuildError::Audience(self.audience));
        }
        if self.algorithms.is_empty() {
            return Err(BuildError::NoAlgorithm);
        }
        if self.leeway > LEEWAY_AT_MOST {
            return Err(BuildError::Leeway(self.leeway));
        }
        let keys = Arc::new(KeyCache::new(issuer.clone())?);
        let (audience, algorithms, leeway) = (self.audience, self.algorithms, self.leeway);
        let metadata = None;
        let shared = Shared { issuer, audience, algorithms, leeway, keys, metadata };
        Ok(Guard {
            shared: Arc::new(shared),
            required: Scope::empty(),
            authentication: Authentication::default(),
        })
    }
}

/// One value, as it stands in a challenge among others (RFC 9470 section 3).
fn is_acr(text: &str) -> bool {
    is_audience(text) && !text.contains(' ')
}

/// It also becomes the realm of challenges, a quoted string.
fn is_audience(text: &str) -> bool {
    (1..=500).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guard_that_would_be_wrong_is_not_built() {
        let good = || Guard::builder("https://login.example", "https://api.example");
        assert!(good().build().is_ok());
        let build = |issuer, audience| Guard::builder(issuer, audience).build();
        assert!(matches!(build("login.example", "a"), Err(BuildError::Issuer { .. })));
        assert!(matches!(build("http://login.example", "a"), Err(BuildError::Issuer { .. })));
        for audience in ["", "a\"b", "a\\b", "\u{e9}", "a\nb"] {
            let refused = build("https://login.example", audience);
            assert!(matches!(refused, Err(BuildError::Audience(_))), "{audience}");
        }
        assert!(matches!(good().algorithms(&[]).build(), Err(BuildError::NoAlgorithm)));
        let hour = Duration::from_hours(1);
        assert!(matches!(good().leeway(hour).build(), Err(BuildError::Leeway(_))));
    }

    #[test]
    #[should_panic(expected = "cannot be required as acr values")]
    fn acr_values_that_cannot_be_asked_for_are_refused_at_start() {
        let guard = Guard::builder("https://login.example", "https://api.example").build();
        let _ = guard.expect("good").require_acr(&["gold silver"]);
    }

    #[test]
    #[should_panic(expected = "cannot be required as a scope")]
    fn a_scope_that_none_can_have_is_refused_at_start() {
        let guard = Guard::builder("https://login.example", "https://api.example").build();
        let _ = guard.expect("good").require("photos:\"read");
    }
}
