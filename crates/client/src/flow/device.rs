//! The device's half of RFC 8628: codes, and how often to ask.

use std::time::Duration;

use keystile_protocol::messages::DeviceAuthorizationResponse;
use keystile_protocol::{ErrorCode, Timestamp};
use url::Url;

use super::{TokenError, read_token_response};

/// Where the server names no interval (section 3.2), and what `slow_down` adds (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// Never more often, whatever the server says.
const SHORTEST: Duration = Duration::from_secs(1);
/// Never less often: a person waits.
const LONGEST: Duration = Duration::from_mins(1);
/// No device waits longer for its person.
const LIFETIME_AT_MOST: Duration = Duration::from_hours(24);
/// The longest address or code that is shown, in bytes.
const SHOWN_AT_MOST: usize = 2048;

/// Reads the answer of a device authorization endpoint (section 3.2). What a person is shown is
/// plain text, and an address is one of the web.
pub fn read_device_authorization(
    status: u16,
    body: &[u8],
) -> Result<DeviceAuthorizationResponse, TokenError> {
    if !(200..300).contains(&status) {
        let refused = read_token_response(status, body).err();
        return Err(refused.unwrap_or(TokenError::Malformed("an error that is none")));
    }
    let mut answer: DeviceAuthorizationResponse = serde_json::from_slice(body)
        .map_err(|_| TokenError::Malformed("not the JSON of RFC 8628 section 3.2"))?;
    if !is_shown_as_it_is(&answer.user_code) {
        return Err(TokenError::Malformed("the user code is not one that can be shown"));
    }
    if !is_web_address(&answer.verification_uri) {
        return Err(TokenError::Malformed("verification_uri is no address of the web"));
    }
    answer.verification_uri_complete.take_if(|uri| !is_web_address(uri));
    Ok(answer)
}

fn is_shown_as_it_is(text: &str) -> bool {
    let plain = |c: char| !c.is_control() && !c.is_whitespace() || c == ' ';
    !text.trim().is_empty() && text.len() <= SHOWN_AT_MOST && text.chars().all(plain)
}

fn is_web_address(text: &str) -> bool {
    let plain = text.len() <= SHOWN_AT_MOST && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain && Url::parse(text).is_ok_and(|url| ["https", "http"].contains(&url.scheme()))
}

/// How often a device asks, and until when (section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polling {
    interval: Duration,
    expires_at: Timestamp,
}

/// What an answer without tokens means for the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotYet {
    /// Ask again after that time.
    Wait(Duration),
    /// The person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Asking again does not help.
    Failed(TokenError),
}

impl Polling {
    /// As the server wants it.
    pub fn begin(codes: &DeviceAuthorizationResponse, now: Timestamp) -> Self {
        let interval = codes.interval.map_or(INTERVAL, Duration::from_secs);
        let lifetime = Duration::from_secs(codes.expires_in).min(LIFETIME_AT_MOST);
        Self { interval: interval.clamp(SHORTEST, LONGEST), expires_at: now.plus(lifetime) }
    }

    /// How long to wait before the next question.
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// What is left for the person.
    pub fn left(&self, now: Timestamp) -> Duration {
        self.expires_at.since(now)
    }

    /// What to do after an answer without tokens.
    pub fn after(&mut self, error: TokenError, now: Timestamp) -> NotYet {
        use ErrorCode as E;
        match &error {
            TokenError::Refused { error: Some(E::AuthorizationPending), .. } => {}
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            TokenError::Refused { error: Some(E::SlowDown), .. } => self.slower(INTERVAL),
            // "On encountering a connection timeout, clients MUST unilaterally reduce their polling
            // frequency"
            TokenError::Unavailable(_)
            | TokenError::Busy(_)
            | TokenError::Refused {
                error: Some(E::TemporarilyUnavailable | E::ServerError), ..
            } => self.slower(self.interval),
            TokenError::Refused { error: Some(E::AccessDenied), .. } => return NotYet::Denied,
            TokenError::Refused { error: Some(E::ExpiredToken), .. } => return NotYet::Expired,
            _ => return NotYet::Failed(error),
        }
        if self.left(now) < self.interval { NotYet::Expired } else { NotYet::Wait(self.interval) }
    }

    fn slower(&mut self, by: Duration) {
        self.interval = (self.interval + by).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::flow::test_values::NOW;

    fn codes(interval: Option<u64>, expires_in: u64) -> DeviceAuthorizationResponse {
        let body = json!({
            "device_code": "d", "user_code": "BCDF-GHJK", "expires_in": expires_in,
            "verification_uri": "https://login.example/device", "interval": interval,
        });
        read_device_authorization(200, body.to_string().as_bytes()).expect("codes")
    }

    fn refused(code: ErrorCode) -> TokenError {
        TokenError::Refused { error: Some(code), word: String::new() }
    }

    #[test]
    fn each_answer_means_what_rfc_8628_3_5_says() {
        use ErrorCode as E;
        let seconds = |seconds| NotYet::Wait(Duration::from_secs(seconds));
        let mut polling = Polling::begin(&codes(None, 600), NOW);
        assert_eq!(polling.interval(), Duration::from_secs(5), "section 3.2");
        for (error, expected) in [
            (refused(E::AuthorizationPending), seconds(5)),
            (refused(E::SlowDown), seconds(10)),
            (refused(E::AuthorizationPending), seconds(10)),
            (refused(E::SlowDown), seconds(15)),
            (TokenError::Unavailable("timeout".into()), seconds(30)),
            (refused(E::TemporarilyUnavailable), seconds(60)),
            (refused(E::SlowDown), seconds(60)),
            (refused(E::AccessDenied), NotYet::Denied),
            (refused(E::ExpiredToken), NotYet::Expired),
            (refused(E::InvalidGrant), NotYet::Failed(refused(E::InvalidGrant))),
            (refused(E::InvalidClient), NotYet::Failed(refused(E::InvalidClient))),
            (TokenError::Malformed("x"), NotYet::Failed(TokenError::Malformed("x"))),
        ] {
            assert_eq!(polling.after(error.clone(), NOW), expected, "{error:?}");
        }
    }

    #[test]
    fn nobody_polls_beyond_the_end_or_without_a_pause() {
        let mut polling = Polling::begin(&codes(Some(0), 60), NOW);
        assert_eq!(polling.interval(), Duration::from_secs(1));
        let pending = || refused(ErrorCode::AuthorizationPending);
        let late = NOW.plus(Duration::from_secs(59));
        assert_eq!(polling.after(pending(), late), NotYet::Wait(Duration::from_secs(1)));
        let over = NOW.plus(Duration::from_secs(60));
        assert_eq!(polling.after(pending(), over), NotYet::Expired);
        let forever = Polling::begin(&codes(Some(u64::MAX), u64::MAX), NOW);
        assert_eq!(forever.left(NOW), LIFETIME_AT_MOST);
        assert_eq!(forever.interval(), LONGEST);
    }

    #[test]
    fn what_a_person_is_shown_is_text_and_an_address_of_the_web() {
        let good = json!({
            "device_code": "d", "user_code": "AB CD", "expires_in": 60,
            "verification_uri": "https://login.example/device",
            "verification_uri_complete": "javascript:alert(1)",
        });
        let read =
            |body: &serde_json::Value| read_device_authorization(200, body.to_string().as_bytes());
        let codes = read(&good).expect("good");
        assert_eq!(codes.verification_uri_complete, None, "left out");
        for (name, value) in [
            ("user_code", json!("")),
            ("user_code", json!("A\u{1b}[2J")),
            ("user_code", json!("A\nB")),
            ("verification_uri", json!("file:///etc/passwd")),
            ("verification_uri", json!("https://login.example/\u{7}")),
            ("verification_uri", json!("device")),
            ("expires_in", json!("soon")),
            ("device_code", json!(null)),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(matches!(read(&bad), Err(TokenError::Malformed(_))), "{bad}");
        }
        let error = read_device_authorization(401, br#"{"error":"invalid_client"}"#);
        assert!(matches!(error, Err(TokenError::Refused { .. })));
    }
}
