//! Points in time, as values. Nobody here asks what time it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
///
/// Milliseconds, because "logged in after this request" has to hold within one second; tokens
/// carry whole seconds ([`Timestamp::seconds`]).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that many milliseconds after 1970 began.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// The moment that many seconds after 1970 began, as tokens write it.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since 1970 began.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 began, rounded down ("NumericDate" of RFC 7519 section 2).
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Whole days since 1970 began; the period of a sealing key.
    pub const fn day(self) -> i64 {
        self.0.div_euclid(86_400_000)
    }

    /// This moment and `later` more.
    pub fn plus(self, later: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This moment less `earlier`.
    pub fn minus(self, earlier: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long ago `earlier` was, nothing if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Reads a NumericDate, which may have a fraction (RFC 7519 section 2), as whole seconds.
pub fn numeric_date<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    #[allow(clippy::cast_possible_truncation, reason = "it saturates, which is far away too")]
    let whole = |seconds: f64| seconds.floor() as i64;
    number.as_i64().or_else(|| number.as_f64().map(whole)).map(Some).ok_or_else(|| {
        serde::de::Error::custom("a time is not a number of seconds (RFC 7519 section 2)")
    })
}

/// The same for one that has to be there.
pub fn required_numeric_date<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<i64, D::Error> {
    numeric_date(deserializer)?.ok_or_else(|| serde::de::Error::custom("a time is null"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_and_rounds_down() {
        let t = Timestamp::from_millis(1_999);
        assert_eq!(t.seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
        assert_eq!(t.plus(Duration::from_millis(1)).seconds(), 2);
        assert_eq!(Timestamp::from_millis(0).since(t), Duration::ZERO);
        assert_eq!(Timestamp::from_seconds(i64::MAX).millis(), i64::MAX);
    }
}
