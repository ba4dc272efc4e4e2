//! An issuer that an API believes, and how its tokens are verified.

use std::sync::Arc;
use std::time::Duration;

use keystile_protocol::access_token::{Expectations, check_claims, check_type};
use keystile_protocol::encoding::sha256;
use keystile_protocol::jose::{JoseError, SignedToken};
use keystile_protocol::{Issuer, Timestamp};
use serde_json::value::RawValue;

use crate::foreign::{Defaults, ForeignClaims};
use crate::introspection::{Introspection, Introspector};
use crate::outbound::Outbound;
use crate::published::PublishedCache;
use crate::verified::Verified;
use crate::{AccessTokenClaims, AccessTokenError, Algorithm, BuildError, Refusal};

/// RS256 is for issuers that have nothing better, and has to be named.
const ALGORITHMS: [Algorithm; 3] = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256];
/// More than this is no bound on staleness any more.
const STALE_AT_MOST: Duration = Duration::from_hours(1);

/// An authorization server whose tokens an API takes. Its identifier alone is enough for one that
/// keeps to RFC 9068; everything else is said here.
///
/// ```
/// use keystile_resource::{Algorithm, Guard, TrustedIssuer};
///
/// // A Keycloak realm: RS256, and JWTs that do not call themselves access tokens.
/// let keycloak = TrustedIssuer::new("https://login.example/realms/photos")
///     .algorithms(&[Algorithm::RS256])
///     .plain_jwts();
/// let guard = Guard::builder(keycloak, "https://photos.example").build()?;
/// # Ok::<(), keystile_resource::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    issuer: String,
    algorithms: Vec<Algorithm>,
    plain_jwts: bool,
    clients: Vec<String>,
    introspection: Option<Introspection>,
}

impl TrustedIssuer {
    /// The issuer of this identifier. Its keys and endpoints are found by RFC 8414 or OpenID
    /// Connect Discovery.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            algorithms: ALGORITHMS.to_vec(),
            plain_jwts: false,
            clients: Vec::new(),
            introspection: None,
        }
    }

    /// The signature algorithms that are believed; ES256, EdDSA and PS256 otherwise.
    pub fn algorithms(mut self, algorithms: &[Algorithm]) -> Self {
        algorithms.clone_into(&mut self.algorithms);
        self
    }

    /// Takes access tokens of issuers that do not keep to RFC 9068, such as Keycloak, too: with
    /// `typ` `JWT` or without one, the client in `azp` or `cid`, the scope as `scp` or as a list,
    /// without `jti`.
    ///
    /// Such a token looks like an ID token. What says that it is one is refused (`at_hash`,
    /// Keycloak's `typ`, Cognito's `token_use`), and the audience has to be right: see that no
    /// client has this API's audience as its identifier.
    pub fn plain_jwts(mut self) -> Self {
        self.plain_jwts = true;
        self
    }

    /// Takes tokens that name no audience at all, if they were issued to one of these clients: for
    /// issuers that cannot say for whom a token is. A token with another audience stays refused.
    ///
    /// Each of these clients then has all its tokens taken here, those for other APIs among them.
    /// Where the issuer can be taught to name the audience (in Keycloak an audience mapper, in
    /// node-oidc-provider resource indicators), do that instead.
    pub fn without_audience_from(mut self, clients: &[&str]) -> Self {
        self.clients = clients.iter().map(|client| (*client).to_owned()).collect();
        self
    }

    /// Asks the issuer about opaque tokens, and on request about JWTs (RFC 7662).
    pub fn introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }
}

impl From<&str> for TrustedIssuer {
    fn from(issuer: &str) -> Self {
        Self::new(issuer)
    }
}

impl From<String> for TrustedIssuer {
    fn from(issuer: String) -> Self {
        Self::new(issuer)
    }
}

impl From<&String> for TrustedIssuer {
    fn from(issuer: &String) -> Self {
        Self::new(issuer)
    }
}

/// A [`TrustedIssuer`] at work.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) issuer: Issuer,
    audience: Arc<str>,
    algorithms: Vec<Algorithm>,
    plain_jwts: bool,
    clients: Vec<String>,
    published: Arc<PublishedCache>,
    introspector: Option<Arc<Introspector>>,
    jwts_too: bool,
}

impl TrustedIssuer {
    pub(crate) fn build(self, audience: &Arc<str>) -> Result<Source, BuildError> {
        let issuer = Issuer::try_from(self.issuer.as_str())
            .map_err(|problem| BuildError::Issuer { issuer: self.issuer, problem })?;
        if self.algorithms.is_empty() {
            return Err(BuildError::NoAlgorithm);
        }
        let outbound = Outbound::new(issuer.clone())?;
        let cache = PublishedCache::new(outbound.clone(), self.introspection.is_some());
        let published = Arc::new(cache);
        let jwts_too = self.introspection.as_ref().is_some_and(|asking| asking.jwts_too);
        let introspector = match self.introspection {
            Some(asking) if asking.at_most_stale > STALE_AT_MOST => {
                return Err(BuildError::Stale(asking.at_most_stale));
            }
            Some(asking) => {
                let (published, algorithms) = (Arc::clone(&published), self.algorithms.clone());
                let audience = Arc::clone(audience);
                Some(Arc::new(asking.introspector(outbound, published, algorithms, audience)))
            }
            None => None,
        };
        Ok(Source {
            issuer,
            audience: Arc::clone(audience),
            algorithms: self.algorithms,
            plain_jwts: self.plain_jwts,
            clients: self.clients,
            published,
            introspector,
            jwts_too,
        })
    }
}

impl Source {
    pub(crate) fn introspects(&self) -> bool {
        self.introspector.is_some()
    }

    /// Believes a JWT by its signature, and asks whether it is alive where that is wanted.
    pub(crate) async fn believe_signed(
        &self,
        text: &str,
        token: &SignedToken<'_>,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Refusal> {
        let plain = self.plain(token.header.typ.as_deref()).map_err(Refusal::InvalidToken)?;
        let json = self.published.verified::<Box<RawValue>>(token, &self.algorithms).await;
        let json = json
            .ok_or(Refusal::IssuerAway)?
            .map_err(|problem| Refusal::InvalidToken(problem.into()))?;
        let claims = read(&json, plain, text, now)
            .and_then(|claims| self.check(&claims, leeway, now).map(|()| claims))
            .map_err(Refusal::InvalidToken)?;
        if let Some(introspector) = self.introspector.as_ref().filter(|_| self.jwts_too) {
            introspector.is_alive(text, sha256(text), now).await?;
        }
        Ok(Arc::new(Verified::for_audience(claims, json, &self.audience)))
    }

    /// Believes an opaque token by the issuer's word.
    pub(crate) async fn believe_opaque(
        &self,
        token: &str,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<Arc<Verified>, Refusal> {
        let Some(introspector) = &self.introspector else {
            return Err(Refusal::InvalidToken(JoseError::Malformed.into()));
        };
        let verified = introspector.claims(token, sha256(token), now).await?;
        self.check(&verified.claims, leeway, now).map_err(Refusal::InvalidToken)?;
        Ok(verified)
    }

    /// Whether a token of this `typ` is read as a plain JWT.
    fn plain(&self, typ: Option<&str>) -> Result<bool, AccessTokenError> {
        match check_type(typ) {
            Ok(()) => Ok(false),
            Err(_) if self.plain_jwts && typ.is_none_or(|t| t.eq_ignore_ascii_case("JWT")) => {
                Ok(true)
            }
            Err(problem) => Err(problem),
        }
    }

    /// What the issuer's word or signature does not say: that the token is for this API, now.
    fn check(
        &self,
        claims: &AccessTokenClaims,
        leeway: Duration,
        now: Timestamp,
    ) -> Result<(), AccessTokenError> {
        let unnamed = claims.aud.iter().next().is_none();
        let excused = unnamed && self.clients.iter().any(|c| c == claims.client_id.as_str());
        let expected = Expectations {
            issuer: &self.issuer,
            audience: Some(&*self.audience).filter(|_| !excused),
            algorithms: &self.algorithms,
            leeway,
        };
        check_claims(claims, &expected, now)
    }
}

/// The claims of a JWT whose signature is known to be good.
fn read(
    json: &RawValue,
    plain: bool,
    text: &str,
    now: Timestamp,
) -> Result<AccessTokenClaims, AccessTokenError> {
    let unreadable = |problem: serde_json::Error| JoseError::Claims(problem.to_string());
    if !plain {
        return Ok(serde_json::from_str(json.get()).map_err(unreadable)?);
    }
    let claims: ForeignClaims = serde_json::from_str(json.get()).map_err(unreadable)?;
    claims.into_access_token(&Defaults { digest: &sha256(text), now, asked: None })
}
