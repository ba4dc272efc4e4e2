//! How a guard is set up.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use keystile_protocol::ValueError;
use keystile_protocol::redirect_uri::is_loopback;
use url::Url;

use crate::guard::{Guard, Shared};
use crate::nonces::Nonces;
use crate::proofs::Proofs;
use crate::{TrustedIssuer, random};

/// How far clocks may differ, unless the builder says otherwise.
const LEEWAY: Duration = Duration::from_secs(30);
/// More leeway than this would make a joke of tokens that live for minutes.
const LEEWAY_AT_MOST: Duration = Duration::from_mins(5);

/// Sets up a [`Guard`]; see [`Guard::builder`].
#[derive(Debug)]
pub struct GuardBuilder {
    issuers: Vec<TrustedIssuer>,
    audience: String,
    leeway: Duration,
    published_at: Vec<String>,
    nonces: Option<NonceKey>,
    bound_alone: bool,
    proxies: Vec<IpNet>,
}

enum NonceKey {
    OfThisProcess,
    Given([u8; 32]),
}

impl std::fmt::Debug for NonceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NonceKey")
    }
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
    /// Which of the two would be meant?
    #[error("the issuer '{0}' is named twice")]
    SameIssuer(String),
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
    /// Not the beginning of this API's URLs.
    #[error(
        "the API cannot be published at '{0}': what is needed comes before the path of each \
         request, such as https://photos.example, https or http on loopback"
    )]
    PublishedAt(String),
    /// With no algorithm nothing would be let through.
    #[error("at least one signature algorithm must be allowed")]
    NoAlgorithm,
    /// More than five minutes.
    #[error("a leeway of {0:?} is too much: clocks differ by seconds; at most 5 minutes are taken")]
    Leeway(Duration),
    /// More than an hour.
    #[error("answers cannot be {0:?} old: at most an hour")]
    Stale(Duration),
    /// The HTTP client could not be made.
    #[error("the HTTP client for the issuer's keys cannot be made: {0}")]
    Http(#[from] reqwest::Error),
    /// No key for nonces could be made.
    #[error("the operating system has no randomness")]
    NoRandomness,
}

impl GuardBuilder {
    pub(crate) fn new(issuer: TrustedIssuer, audience: String) -> Self {
        Self {
            issuers: vec![issuer],
            audience,
            leeway: LEEWAY,
            published_at: Vec::new(),
            nonces: None,
            bound_alone: false,
            proxies: Vec::new(),
        }
    }

    /// Believes this issuer as well. The `iss` of a JWT says whose keys verify it; an opaque token
    /// says nothing, and is shown to the first issuer that has
    /// [introspection](TrustedIssuer::introspection), and to no other.
    pub fn trust(mut self, issuer: impl Into<TrustedIssuer>) -> Self {
        self.issuers.push(issuer.into());
        self
    }

    /// How far the issuer's clock and ours may differ; 30 seconds otherwise.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Where the API is seen from outside: what comes before the path that it sees of a request,
    /// such as `https://photos.example`, or `https://example.com/photos` where a proxy takes
    /// `/photos` away. DPoP proofs are made for these addresses (RFC 9449 section 4.3). Once for
    /// each; the origin of the audience otherwise, if that is a URL.
    pub fn published_at(mut self, base: impl Into<String>) -> Self {
        self.published_at.push(base.into());
        self
    }

    /// Asks for a nonce of ours in each DPoP proof (RFC 9449 section 9), so that no proof can be
    /// made long before it is used. The key for them is this process's own: a proof is good at the
    /// process that gave its nonce, and at no other. A client that comes to another one is given a
    /// nonce there, and has to come again.
    pub fn dpop_nonces(mut self) -> Self {
        self.nonces = Some(NonceKey::OfThisProcess);
        self
    }

    /// The same with a key that all processes of the API share: 32 random bytes. No client has to
    /// come again; a proof could be used once at each process.
    pub fn dpop_nonces_with(mut self, key: [u8; 32]) -> Self {
        self.nonces = Some(NonceKey::Given(key));
        self
    }

    /// Takes tokens that are bound to a key (RFC 9449) or to a certificate (RFC 8705) and no
    /// others, as FAPI 2.0 has it: a stolen token is worth nothing.
    pub fn bound_tokens_alone(mut self) -> Self {
        self.bound_alone = true;
        self
    }

    /// Believes the `Client-Cert` header (RFC 9440) of proxies in these networks, which have to
    /// remove it from what they get. The peer's address is that of axum's
    /// [`ConnectInfo`](axum::extract::ConnectInfo): serve with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn client_certificates_from(mut self, proxies: &[IpNet]) -> Self {
        self.proxies = proxies.to_vec();
        self
    }

    /// The guard. Nothing is fetched yet, so that the API starts also while the issuer is away.
    pub fn build(self) -> Result<Guard, BuildError> {
        if !is_quotable(&self.audience) {
            return Err(BuildError::Audience(self.audience));
        }
        if self.leeway > LEEWAY_AT_MOST {
            return Err(BuildError::Leeway(self.leeway));
        }
        let audience: Arc<str> = self.audience.into();
        let mut sources = Vec::new();
        for issuer in self.issuers {
            let source = issuer.build(&audience)?;
            if sources.iter().any(|known: &crate::trusted::Source| known.issuer == source.issuer) {
                return Err(BuildError::SameIssuer(source.issuer.to_string()));
            }
            sources.push(source);
        }
        let bases = bases(self.published_at, &audience)?;
        let nonces = match self.nonces {
            None => None,
            Some(NonceKey::Given(key)) => Some(key),
            Some(NonceKey::OfThisProcess) => Some(random::bytes().ok_or(BuildError::NoRandomness)?),
        };
        Ok(Guard::of(Shared {
            audience,
            sources: sources.into(),
            leeway: self.leeway,
            proofs: Arc::new(Proofs::new(bases, nonces.map(Nonces::new))),
            bound_alone: self.bound_alone,
            proxies: self.proxies,
            metadata: None,
        }))
    }
}

/// What comes before the path of each request, by each of the API's addresses.
fn bases(published_at: Vec<String>, audience: &str) -> Result<Vec<String>, BuildError> {
    if published_at.is_empty() {
        let origin = Url::parse(audience).ok().filter(is_web);
        return Ok(origin.map(|url| url.origin().ascii_serialization()).into_iter().collect());
    }
    let base = |text: String| match Url::parse(&text) {
        Ok(url) if is_web(&url) && url.query().is_none() && url.fragment().is_none() => {
            Ok(url.as_str().trim_end_matches('/').to_owned())
        }
        _ => Err(BuildError::PublishedAt(text)),
    };
    published_at.into_iter().map(base).collect()
}

/// https, or http on loopback.
pub(crate) fn is_web(url: &Url) -> bool {
    url.scheme() == "https" || url.scheme() == "http" && is_loopback(url)
}

/// What can stand in a challenge's quoted string: the audience becomes its realm.
pub(crate) fn is_quotable(text: &str) -> bool {
    (1..=500).contains(&text.len())
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Algorithm, Introspection};

    #[test]
    fn a_guard_that_would_be_wrong_is_not_built() {
        let trusted = || TrustedIssuer::new("https://login.example");
        let good = || Guard::builder(trusted(), "https://api.example");
        assert!(good().build().is_ok());
        let of = |issuer: &str, audience: &str| Guard::builder(issuer, audience).build();
        assert!(matches!(of("login.example", "a"), Err(BuildError::Issuer { .. })));
        assert!(matches!(of("http://login.example", "a"), Err(BuildError::Issuer { .. })));
        for audience in ["", "a\"b", "a\\b", "\u{e9}", "a\nb"] {
            let refused = of("https://login.example", audience);
            assert!(matches!(refused, Err(BuildError::Audience(_))), "{audience}");
        }
        let none: &[Algorithm] = &[];
        let built = Guard::builder(trusted().algorithms(none), "a").build();
        assert!(matches!(built, Err(BuildError::NoAlgorithm)));
        let hour = Duration::from_hours(1);
        assert!(matches!(good().leeway(hour).build(), Err(BuildError::Leeway(_))));
        let twice = good().trust("https://other.example").trust("https://login.example").build();
        assert!(matches!(twice, Err(BuildError::SameIssuer(_))));
        let asking = Introspection::with_secret("api", "secret").at_most_stale(hour * 2);
        let built = Guard::builder(trusted().introspection(asking), "a").build();
        assert!(matches!(built, Err(BuildError::Stale(_))));
        for base in ["photos.example", "http://photos.example", "https://a.example/?b", "urn:a"] {
            let built = good().published_at(base).build();
            assert!(matches!(built, Err(BuildError::PublishedAt(_))), "{base}");
        }
    }

    #[test]
    fn proofs_are_for_the_audiences_origin_unless_it_is_said_otherwise() {
        let of = |given: &[&str], audience| {
            bases(given.iter().map(|base| (*base).to_owned()).collect(), audience).expect("good")
        };
        assert_eq!(of(&[], "https://API.example/v1"), ["https://api.example"]);
        assert!(of(&[], "photos").is_empty() && of(&[], "http://api.example").is_empty());
        let given = ["https://api.example/photos/", "http://localhost:4002"];
        assert_eq!(of(&given, "photos"), ["https://api.example/photos", "http://localhost:4002"]);
    }
}
