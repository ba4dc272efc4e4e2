//! Asking an issuer about a token (RFC 7662), and remembering the answer for a bounded time.

mod ask;
mod freshness;

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use keystile_protocol::jose::SigningKey;
use keystile_protocol::{Secret, Timestamp};
use quick_cache::sync::Cache;
use tokio::sync::{OwnedMutexGuard, Semaphore};

use ask::Asker;
use freshness::Freshness;

use crate::outbound::ANSWER_WITHIN;
use crate::verified::Verified;
use crate::{AccessTokenError, Refusal};

/// Unless the author says otherwise.
const AT_MOST_STALE: Duration = Duration::from_secs(30);
/// Tokens whose answers are remembered. A flood of strange ones does not push out those in use.
const REMEMBERED: usize = 10_000;
/// Questions under way at the same time.
const AT_ONCE: usize = 64;

/// How an API asks its issuer about tokens (RFC 7662): with which credentials, how often, about
/// which tokens.
///
/// ```
/// use std::time::Duration;
/// use keystile_resource::{Guard, Introspection, TrustedIssuer};
///
/// let asking = Introspection::with_secret("photos-api", "the secret of this API")
///     .at_most_stale(Duration::from_secs(5))
///     .jwts_too();
/// let issuer = TrustedIssuer::new("https://login.example").introspection(asking);
/// let guard = Guard::builder(issuer, "https://photos.example").build()?;
/// # Ok::<(), keystile_resource::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Introspection {
    client_id: String,
    credential: Credential,
    pub(crate) at_most_stale: Duration,
    signed: bool,
    pub(crate) jwts_too: bool,
}

#[derive(Clone)]
enum Credential {
    Secret(Secret),
    Key(Arc<SigningKey>),
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret(_) => "Secret",
            Self::Key(_) => "Key",
        })
    }
}

impl Introspection {
    /// Asks as this client, with its secret in the `Authorization` header (`client_secret_basic`).
    pub fn with_secret(client_id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self::with(client_id.into(), Credential::Secret(Secret::new(secret)))
    }

    /// Asks as this client, with assertions that the key signs (`private_key_jwt`).
    pub fn with_key(client_id: impl Into<String>, key: SigningKey) -> Self {
        Self::with(client_id.into(), Credential::Key(Arc::new(key)))
    }

    fn with(client_id: String, credential: Credential) -> Self {
        let at_most_stale = AT_MOST_STALE;
        Self { client_id, credential, at_most_stale, signed: false, jwts_too: false }
    }

    /// No request is let through by an answer whose question is older than this; 30 seconds
    /// otherwise. The answers about tokens in use are renewed behind requests when half of the time
    /// is over, so that few requests wait. With zero, each request asks.
    pub fn at_most_stale(mut self, at_most: Duration) -> Self {
        self.at_most_stale = at_most;
        self
    }

    /// Asks for signed answers (RFC 9701) and takes no others: for issuers behind something that
    /// ends TLS. They are signed with one of the issuer's
    /// [algorithms](crate::TrustedIssuer::algorithms).
    pub fn signed_answers(mut self) -> Self {
        self.signed = true;
        self
    }

    /// Asks about JWTs too, once they are verified: a revoked token is refused
    /// [within that time](Self::at_most_stale). The price is that none passes while the issuer is
    /// away. Otherwise a JWT is good for as long as it says, and opaque tokens alone are asked
    /// about.
    pub fn jwts_too(mut self) -> Self {
        self.jwts_too = true;
        self
    }
}

/// Asks one issuer, and remembers.
#[derive(Debug)]
pub(crate) struct Introspector {
    asker: Asker,
    at_most_stale: Duration,
    remembered: Cache<[u8; 32], Arc<Slot>>,
    at_once: Semaphore,
}

/// What is known of one token.
#[derive(Debug, Default)]
struct Slot {
    known: Mutex<Known>,
    /// Held by whoever asks about it, so that nobody asks at the same time.
    asking: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    answer: Option<(Answer, Instant)>,
    failed_at: Option<Instant>,
}

/// What the issuer says of a token.
#[derive(Clone, Debug)]
enum Answer {
    Inactive,
    /// It is active, and so it may be used, or not by what it says.
    Active(Result<Arc<Verified>, AccessTokenError>),
}

impl Slot {
    fn known(&self) -> Known {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The token's slot; a new one where nothing is known of it.
fn slot_in(remembered: &Cache<[u8; 32], Arc<Slot>>, digest: [u8; 32]) -> Arc<Slot> {
    let made = remembered.get_or_insert_with(&digest, || Ok::<_, Infallible>(Arc::default()));
    match made {
        Ok(slot) => slot,
        Err(never) => match never {},
    }
}

impl Introspector {
    /// The claims of an opaque token.
    pub(crate) async fn claims(
        self: &Arc<Self>,
        token: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Arc<Verified>, Refusal> {
        match self.answer(token, digest, now).await? {
            Answer::Active(claims) => claims.map_err(Refusal::InvalidToken),
            Answer::Inactive => Err(Refusal::InvalidToken(AccessTokenError::Inactive)),
        }
    }

    /// Whether a token that is believed by its signature is still alive.
    pub(crate) async fn is_alive(
        self: &Arc<Self>,
        token: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        match self.answer(token, digest, now).await? {
            Answer::Active(_) => Ok(()),
            Answer::Inactive => Err(Refusal::InvalidToken(AccessTokenError::Inactive)),
        }
    }

    async fn answer(
        self: &Arc<Self>,
        token: &str,
        digest: [u8; 32],
        now: Timestamp,
    ) -> Result<Answer, Refusal> {
        let came_at = Instant::now();
        let slot = slot_in(&self.remembered, digest);
        if let Some((answer, freshness)) = self.fresh(&slot, came_at) {
            if freshness == Freshness::ServeAndAsk
                && let Ok(turn) = Arc::clone(&slot.asking).try_lock_owned()
            {
                let (asks, token) = (Arc::clone(self), token.to_owned());
                tokio::spawn(async move { asks.ask(&slot, &token, digest, now, turn).await });
            }
            return Ok(answer);
        }
        let turn = Arc::clone(&slot.asking).lock_owned().await;
        // Whoever was before may have asked for all who waited.
        if let Some((answer, _)) = self.fresh(&slot, came_at) {
            return Ok(answer);
        }
        if slot.known().failed_at.is_some_and(|failed_at| failed_at >= came_at) {
            return Err(Refusal::IssuerAway);
        }
        self.ask(&slot, token, digest, now, turn).await
    }

    /// An answer that may still be used, `came_at` being when the request came.
    fn fresh(&self, slot: &Slot, came_at: Instant) -> Option<(Answer, Freshness)> {
        let (answer, asked_at) = slot.known().answer?;
        let freshness = freshness::of(asked_at, came_at, self.at_most_stale);
        (freshness != Freshness::Ask).then_some((answer, freshness))
    }

    /// Asks, and remembers. The turn ends with it.
    async fn ask(
        &self,
        slot: &Slot,
        token: &str,
        digest: [u8; 32],
        now: Timestamp,
        _turn: OwnedMutexGuard<()>,
    ) -> Result<Answer, Refusal> {
        let permit = tokio::time::timeout(ANSWER_WITHIN, self.at_once.acquire()).await;
        let Ok(Ok(_permit)) = permit else {
            tracing::warn!("too many tokens are asked about at the same time");
            return Err(Refusal::IssuerAway);
        };
        // The answer is as old as the question.
        let asked_at = Instant::now();
        match self.asker.ask(token, &digest, self.at_most_stale, now).await {
            Ok(answer) => {
                slot.set(|known| known.answer = Some((answer.clone(), asked_at)));
                Ok(answer)
            }
            Err(error) => {
                tracing::warn!("the issuer cannot be asked about a token: {error}");
                slot.set(|known| known.failed_at = Some(Instant::now()));
                Err(Refusal::IssuerAway)
            }
        }
    }
}

impl Introspection {
    /// One that asks.
    pub(crate) fn introspector(
        self,
        outbound: crate::outbound::Outbound,
        published: Arc<crate::published::PublishedCache>,
        algorithms: Vec<crate::Algorithm>,
        audience: Arc<str>,
    ) -> Introspector {
        let at_most_stale = self.at_most_stale;
        Introspector {
            asker: Asker { settings: self, outbound, published, algorithms, audience },
            at_most_stale,
            remembered: Cache::new(REMEMBERED),
            at_once: Semaphore::new(AT_ONCE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_strange_tokens_does_not_push_out_one_in_use() {
        let remembered: Cache<[u8; 32], Arc<Slot>> = Cache::new(100);
        let slot = |number: u32| {
            let mut digest = [0; 32];
            digest[..4].copy_from_slice(&number.to_be_bytes());
            slot_in(&remembered, digest)
        };
        let in_use = slot(0);
        for stranger in 1..=10_000 {
            slot(stranger);
            if stranger % 10 == 0 {
                assert!(Arc::ptr_eq(&in_use, &slot(0)), "after {stranger}");
            }
        }
        assert!(remembered.len() <= 100, "a flood is bounded");
    }
}
