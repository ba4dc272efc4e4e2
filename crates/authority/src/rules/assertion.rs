//! What RFC 7523 section 3 asks of every assertion, whether it authenticates a client or is a
//! grant. Who may have signed it is for the rules of each.

use std::time::Duration;

use keystile_protocol::client_assertion::ClientAssertionClaims;
use keystile_protocol::jose::JoseError;
use keystile_protocol::messages::Audience;
use keystile_protocol::{ErrorCode, ProtocolError, Timestamp};

/// Longest assertion that is looked at, in bytes.
pub(super) const AT_MOST: usize = 8 * 1024;
/// Longest `jti`, in bytes.
const JTI_AT_MOST: usize = 256;
/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(10);
/// How far ahead `exp` may lie: its `jti` is remembered until then.
const LIFE_AT_MOST: Duration = Duration::from_secs(3600);

/// A kind of assertions, and how it is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// What a developer is told that it is.
    pub(super) name: &'static str,
    /// The standard's error.
    pub(super) error: ErrorCode,
    /// Its own `typ`, where it has one.
    pub(super) typ: Option<&'static str>,
}

impl Kind {
    /// The error, with words that go on after the kind's name.
    pub(super) fn refused(&self, words: impl AsRef<str>) -> ProtocolError {
        ProtocolError::new(self.error, format!("the {}{}", self.name, words.as_ref()))
    }

    /// For what the signature's rules found.
    pub(super) fn unbelieved(&self, problem: &JoseError) -> ProtocolError {
        self.refused(format!(" is refused: {problem} (RFC 7523 section 3)"))
    }

    pub(super) fn missing(&self, claim: &str) -> ProtocolError {
        self.refused(format!(" has no '{claim}' (RFC 7523 section 3)"))
    }

    /// Without a `typ`, `JWT`, and the kind's own name are taken; a JWT that says that it is
    /// something else is not (RFC 8725 section 3.11).
    pub(super) fn is_no_other(&self, typ: Option<&str>) -> Result<(), ProtocolError> {
        let typ = typ.unwrap_or("JWT").to_ascii_lowercase();
        let typ = typ.strip_prefix("application/").unwrap_or(&typ);
        if typ.ends_with("+jwt") && Some(typ) != self.typ {
            return Err(self.refused("'s typ is that of another kind of JWT"));
        }
        Ok(())
    }

    /// One string: a list could name another server too, which could then use it here. `instead`
    /// is what to send.
    pub(super) fn audience<'a>(
        &self,
        claims: &'a ClientAssertionClaims,
        instead: &str,
    ) -> Result<&'a str, ProtocolError> {
        match &claims.aud {
            None => Err(self.missing("aud")),
            Some(Audience::Many(_)) => {
                Err(self.refused(format!("'s aud is a list; send '{instead}'")))
            }
            Some(Audience::One(named)) => Ok(named),
        }
    }

    /// Until when its `jti` has to be remembered.
    pub(super) fn in_time(
        &self,
        claims: &ClientAssertionClaims,
        now: Timestamp,
    ) -> Result<Timestamp, ProtocolError> {
        let exp = Timestamp::from_seconds(claims.exp.ok_or_else(|| self.missing("exp"))?);
        let end = exp.plus(LEEWAY);
        if end <= now {
            return Err(self.refused(" has expired (RFC 7523 section 3)"));
        }
        if exp > now.plus(LIFE_AT_MOST) {
            return Err(
                self.refused("'s exp is more than an hour ahead; make one for each request")
            );
        }
        for (name, seconds) in [("nbf", claims.nbf), ("iat", claims.iat)] {
            if seconds.is_some_and(|from| Timestamp::from_seconds(from) > now.plus(LEEWAY)) {
                return Err(self.refused(format!("'s {name} lies ahead: do the clocks differ?")));
            }
        }
        Ok(end)
    }

    /// Its name, which counts once.
    pub(super) fn jti<'a>(
        &self,
        claims: &'a ClientAssertionClaims,
    ) -> Result<&'a str, ProtocolError> {
        match claims.jti.as_deref() {
            None | Some("") => Err(self.missing("jti")),
            Some(jti) if jti.len() > JTI_AT_MOST => Err(self.refused("'s jti is too long")),
            Some(jti) => Ok(jti),
        }
    }
}
