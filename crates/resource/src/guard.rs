//! What is guarded, by whom and for what: set once, shared by all requests.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::response::Response;
use http::HeaderValue;
use http::request::Parts;
use ipnet::IpNet;
use keystile_protocol::access_token::Scheme;
use keystile_protocol::jose::{JoseError, SignedToken};
use keystile_protocol::{Issuer, Timestamp};
use serde::Deserialize;

use crate::builder::is_quotable;
use crate::certificate;
use crate::proofs::Proofs;
use crate::requirements::{DetailRule, Requirements};
use crate::rules::{self, Presented};
use crate::token::Token;
use crate::trusted::Source;
use crate::verified::Verified;
use crate::{AccessTokenError, Challenger, Detail, GuardBuilder, Refusal, Scope, TrustedIssuer};

/// Where nonces go (RFC 9449 section 8.1).
const DPOP_NONCE: &str = "dpop-nonce";

/// A [`tower::Layer`] that lets requests with a valid access token through, and no others.
///
/// Cheap to clone; all clones share one cache of keys.
#[derive(Clone, Debug)]
pub struct Guard {
    shared: Arc<Shared>,
    required: Requirements,
}

/// What all clones of a guard have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) audience: Arc<str>,
    pub(crate) sources: Arc<[Source]>,
    pub(crate) leeway: Duration,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) bound_alone: bool,
    pub(crate) proxies: Vec<IpNet>,
    /// Where the API's metadata are, once it is announced.
    pub(crate) metadata: Option<String>,
}

/// Left in a request by a guard that let it through, so that one on an inner route needs not
/// verify the token again. A guard believes its own marks alone.
#[derive(Clone)]
struct Passed(Arc<Shared>);

/// A request that may go on.
#[derive(Debug, Default)]
pub(crate) struct Admitted {
    /// A nonce for the next proof.
    nonce: Option<String>,
}

/// As much of an unverified token as says whose keys verify it.
#[derive(Deserialize)]
struct Claimed {
    iss: Issuer,
}

impl Guard {
    /// Begins a guard that believes tokens of `issuer` that are for `audience`, which is the
    /// API's own name: usually its URL, as the issuer knows it. The issuer's identifier is enough;
    /// a [`TrustedIssuer`] says more about it.
    pub fn builder(issuer: impl Into<TrustedIssuer>, audience: impl Into<String>) -> GuardBuilder {
        GuardBuilder::new(issuer.into(), audience.into())
    }

    pub(crate) fn of(shared: Shared) -> Self {
        Self { shared: Arc::new(shared), required: Requirements::none() }
    }

    /// The same guard, which also asks for these scopes (separated by spaces), beside those that
    /// it asks for already. Put it on a route, alone or inside the plain guard.
    ///
    /// # Panics
    /// When it is given what cannot be a scope (RFC 6749 section 3.3): at start, while routes are
    /// put together, and not while serving.
    pub fn require(&self, scopes: &str) -> Self {
        match Scope::try_from(scopes) {
            Ok(more) => self.stricter(|required| required.scope = required.scope.union(&more)),
            Err(problem) => panic!("'{scopes}' cannot be required as a scope: {problem}"),
        }
    }

    /// The same guard, which also asks for an authorization detail of this type that allows the
    /// request (RFC 9396 section 9). A token without one is answered with 403 `insufficient_scope`.
    ///
    /// What the request says in its body the handler compares:
    /// [`Token::details`] has the details that count here.
    ///
    /// ```
    /// # use keystile_resource::Guard;
    /// # let guard = Guard::builder("https://login.example", "https://bank.example").build()?;
    /// let reading = guard.require_detail("account_information", |detail, request| {
    ///     detail.members()["accounts"].as_array().is_some_and(|accounts| {
    ///         accounts.iter().any(|account| request.uri.path().ends_with(account.as_str().unwrap_or("/")))
    ///     })
    /// });
    /// # Ok::<(), keystile_resource::BuildError>(())
    /// ```
    pub fn require_detail(
        &self,
        kind: &str,
        allows: impl Fn(&Detail, &Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        let rule = DetailRule { kind: kind.to_owned(), allows: Arc::new(allows) };
        self.stricter(|required| required.details.push(rule))
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
        self.stricter(|required| {
            required.authentication.acr_values = values.iter().map(|v| (*v).to_owned()).collect();
        })
    }

    /// The same guard, which also asks that the user was authenticated within this time, if it did
    /// not ask for less already (RFC 9470 section 3).
    pub fn require_max_age(&self, max_age: Duration) -> Self {
        self.stricter(|required| {
            let known = required.authentication.max_age;
            required.authentication.max_age =
                Some(known.map_or(max_age, |known| known.min(max_age)));
        })
    }

    fn stricter(&self, change: impl FnOnce(&mut Requirements)) -> Self {
        let mut stricter = self.clone();
        change(&mut stricter.required);
        stricter
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The same guard for an API whose metadata are there.
    pub(crate) fn with_metadata(&self, url: String) -> Self {
        let shared = Shared { metadata: Some(url), ..(*self.shared).clone() };
        Self { shared: Arc::new(shared), ..self.clone() }
    }

    /// Decides about a request by its head; a good one gets its [`Token`].
    pub(crate) async fn admit(&self, head: &mut Parts) -> Result<Admitted, Refusal> {
        let now = now();
        if let Some(token) = self.already_passed(head) {
            self.required.check(token.claims(), head, self.shared.leeway, now)?;
            return Ok(Admitted::default());
        }
        let (token, admitted) = self.shared.believe(head, now).await?;
        self.required.check(&token.claims, head, self.shared.leeway, now)?;
        head.extensions.insert(Token::from_verified(token));
        head.extensions.insert(Passed(Arc::clone(&self.shared)));
        Ok(admitted)
    }

    fn already_passed<'r>(&self, head: &'r Parts) -> Option<&'r Token> {
        let Passed(by) = head.extensions.get()?;
        Arc::ptr_eq(by, &self.shared).then(|| head.extensions.get())?
    }

    /// What a refused client is told. `came_as` is how its token came.
    pub(crate) fn told(&self, refusal: Refusal, came_as: Scheme) -> Response {
        let Shared { audience, proofs, metadata, .. } = &*self.shared;
        let nonce = matches!(refusal, Refusal::UseNonce).then(|| proofs.next_nonce(None, now()));
        let mut response = refusal.into_response(&Challenger {
            realm: audience,
            came_as,
            takes_proofs: proofs.are_taken(),
            scope: self.required.scope.as_str(),
            resource_metadata: metadata.as_deref(),
        });
        Admitted { nonce: nonce.flatten() }.tell(&mut response);
        response
    }
}

impl Admitted {
    /// Adds to the answer what the client has to know for its next request.
    pub(crate) fn tell(self, response: &mut Response) {
        if let Some(nonce) = self.nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()) {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
    }
}

impl Shared {
    /// All rules that have nothing to do with a single route.
    async fn believe(
        &self,
        head: &Parts,
        now: Timestamp,
    ) -> Result<(Arc<Verified>, Admitted), Refusal> {
        let urls = self.proofs.urls(head);
        let certificate = certificate::of(head, &self.proxies);
        let request = rules::Request {
            method: head.method.as_str(),
            urls: &urls,
            query: head.uri.query(),
            headers: &head.headers,
            certificate: certificate.as_ref(),
        };
        let came = rules::presented_token(&request)?;
        let token = self.verified(came, now).await?;
        if self.bound_alone && token.claims.cnf.is_none() {
            return Err(Refusal::InvalidToken(AccessTokenError::Unbound));
        }
        let proof = rules::from_holder(&token.claims, came, &request, now)?;
        let mut admitted = Admitted::default();
        if let Some(proof) = proof {
            self.proofs.take(&proof, now)?;
            admitted.nonce = self.proofs.next_nonce(proof.nonce.as_deref(), now);
        }
        Ok((token, admitted))
    }

    async fn verified(
        &self,
        came: Presented<'_>,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Refusal> {
        let refused = |problem: JoseError| Refusal::InvalidToken(problem.into());
        let asked = self.sources.iter().find(|source| source.introspects());
        match (SignedToken::parse(came.token), asked) {
            (Ok(token), _) => {
                let source = self.issuer_of(&token).map_err(Refusal::InvalidToken)?;
                source.believe_signed(came.token, &token, self.leeway, now).await
            }
            (Err(_), Some(source)) if !looks_signed(came.token) => {
                source.believe_opaque(came.token, self.leeway, now).await
            }
            (Err(problem), _) => Err(refused(problem)),
        }
    }

    /// The issuer whose keys verify a token: the only one, or the one that it names itself.
    fn issuer_of(&self, token: &SignedToken<'_>) -> Result<&Source, AccessTokenError> {
        if let [only] = &*self.sources {
            return Ok(only);
        }
        let Claimed { iss } = token.unverified_claims()?;
        let named = self.sources.iter().find(|source| source.issuer == iss);
        named.ok_or(AccessTokenError::UnknownIssuer)
    }
}

/// Three parts of which the first one is a header: a JWT that is broken, and nothing that an issuer
/// could be asked about.
fn looks_signed(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// One value, as it stands in a challenge among others (RFC 9470 section 3).
fn is_acr(text: &str) -> bool {
    is_quotable(text) && !text.contains(' ')
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard::builder("https://login.example", "https://api.example").build().expect("good")
    }

    #[test]
    #[should_panic(expected = "cannot be required as acr values")]
    fn acr_values_that_cannot_be_asked_for_are_refused_at_start() {
        let _ = guard().require_acr(&["gold silver"]);
    }

    #[test]
    #[should_panic(expected = "cannot be required as a scope")]
    fn a_scope_that_none_can_have_is_refused_at_start() {
        let _ = guard().require("photos:\"read");
    }

    #[test]
    fn what_looks_like_a_jwt_is_no_opaque_token() {
        for (token, signed) in [
            ("eyJ.e30.x", true),
            ("eyJ", false),
            ("opaque.with.dots", false),
            ("eyJ.a.b.c.d", false),
        ] {
            assert_eq!(looks_signed(token), signed, "{token}");
        }
    }
}
