use std::time::Duration;

use keystile_protocol::{ErrorCode, Timestamp};

use super::TokenError;

/// A request is sent again this often, and no more.
const RETRIES: u32 = 2;
/// The first pause; the second is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Somebody waits for the answer: a longer `Retry-After` is not waited for.
const WAITED_AT_MOST: Duration = Duration::from_secs(2);
/// A longer `Retry-After` than this counts as this.
const KEPT_AT_MOST: Duration = Duration::from_mins(5);

/// How long to wait before the same request is sent again, or nothing where it is not. Sent again
/// is what the server refused with a word that means "later" (RFC 6749 section 4.1.2.1, RFC 9110
/// section 15.6.4) and did not act on; a request whose answer was lost is not, for it may have
/// taken effect.
///
/// `spread` is a random number below 256: apps that were refused together do not come back together.
pub fn pause_before_retry(
    retries_so_far: u32,
    error: &TokenError,
    retry_after: Option<Duration>,
    spread: u8,
) -> Option<Duration> {
    if retries_so_far >= RETRIES || !says_later(error) {
        return None;
    }
    let own = FIRST_PAUSE * 2_u32.pow(retries_so_far) + Duration::from_millis(spread.into()) / 2;
    let pause = own.max(retry_after.unwrap_or_default());
    (pause <= WAITED_AT_MOST).then_some(pause)
}

/// Until when a server is left alone that asked for it, as far as it is believed.
pub fn left_alone_until(
    error: &TokenError,
    retry_after: Option<Duration>,
    now: Timestamp,
) -> Option<Timestamp> {
    let asked = retry_after.filter(|_| says_later(error))?;
    Some(now.plus(asked.min(KEPT_AT_MOST)))
}

fn says_later(error: &TokenError) -> bool {
    match error {
        TokenError::Refused { error, .. } => *error == Some(ErrorCode::TemporarilyUnavailable),
        TokenError::Busy(_) => true,
        TokenError::Unavailable(_) | TokenError::Malformed(_) => false,
    }
}

/// `Retry-After` in seconds (RFC 9110 section 10.2.3). A date, which few servers send, is not read.
pub fn retry_after(header: &str) -> Option<Duration> {
    header.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later() -> TokenError {
        let word = "temporarily_unavailable".into();
        TokenError::Refused { error: Some(ErrorCode::TemporarilyUnavailable), word }
    }

    #[test]
    fn seed_3_10_what_is_temporary_is_retried_twice_with_a_growing_pause() {
        let (ms, s) = (Duration::from_millis, Duration::from_secs);
        let cases = [
            (0, later(), None, 0, Some(ms(200))),
            (1, later(), None, 0, Some(ms(400))),
            (1, later(), None, 200, Some(ms(500))),
            (2, later(), None, 0, None),
            (0, TokenError::Busy(503), None, 0, Some(ms(200))),
            (0, later(), Some(s(1)), 0, Some(s(1))),
            (0, later(), Some(s(0)), 0, Some(ms(200))),
            (0, later(), Some(s(3)), 0, None),
            (0, TokenError::Unavailable("lost".into()), None, 0, None),
            (0, TokenError::Unavailable("lost".into()), Some(s(1)), 0, None),
            (0, TokenError::Malformed(""), Some(s(1)), 0, None),
        ];
        for (so_far, error, asked, spread, expected) in cases {
            let pause = pause_before_retry(so_far, &error, asked, spread);
            assert_eq!(pause, expected, "{so_far} {error:?} {asked:?}");
        }
        for code in [ErrorCode::InvalidGrant, ErrorCode::InvalidClient, ErrorCode::ServerError] {
            let error = TokenError::Refused { error: Some(code), word: String::new() };
            assert_eq!(pause_before_retry(0, &error, None, 0), None, "{code}");
        }
    }

    #[test]
    fn retry_after_is_kept_and_bounded_rfc_9110_10_2_3() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let until = |error, asked| left_alone_until(&error, asked, now).map(|at| at.since(now));
        assert_eq!(until(later(), Some(Duration::from_secs(30))), Some(Duration::from_secs(30)));
        assert_eq!(until(later(), Some(Duration::MAX)), Some(KEPT_AT_MOST));
        assert_eq!(until(later(), None), None);
        assert_eq!(until(TokenError::Malformed(""), Some(Duration::from_secs(9))), None);
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        for text in
            ["", "-1", "1.5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT", "99999999999999999999"]
        {
            assert_eq!(retry_after(text), None, "{text}");
        }
    }
}
