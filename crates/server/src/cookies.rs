//! The three cookies: their names, reading and writing them.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use keystile_authority::endpoints::{Cookies, SessionCookie};
use keystile_authority::ports::SessionHandle;
use keystile_protocol::Issuer;
use keystile_protocol::encoding::{base64url, from_base64url};
use keystile_protocol::seal::Sealed;

/// How long a browser is remembered as one that signed in before.
const KNOWN_FOR: Duration = Duration::from_secs(365 * 24 * 3600);

/// The names of our cookies. On https they have the prefix `__Host-`, which binds them to this
/// very host. Cookies do not keep ports apart, so that the name of a development issuer's has its
/// port in it.
#[derive(Clone, Debug)]
pub(crate) struct CookieNames {
    browser: String,
    session: String,
    known: String,
    secure: bool,
}

impl CookieNames {
    pub(crate) fn new(issuer: &Issuer) -> Self {
        let secure = !issuer.is_development();
        let name = |part: &str| {
            if secure {
                format!("__Host-keystile-{part}")
            } else {
                let authority = issuer.as_str().trim_start_matches("http://");
                let host = authority.split('/').next().unwrap_or_default();
                let port = host.rsplit(':').next().filter(|p| p.parse::<u16>().is_ok());
                format!("keystile-{part}-{}", port.unwrap_or("80"))
            }
        };
        Self { browser: name("browser"), session: name("session"), known: name("known"), secure }
    }

    /// What the browser's cookies say; what is malformed counts as absent.
    pub(crate) fn read(&self, headers: &HeaderMap) -> ReadCookies {
        let mut read = ReadCookies::default();
        for header in headers.get_all(header::COOKIE) {
            let Ok(text) = header.to_str() else { continue };
            for pair in text.split(';') {
                let Some((name, value)) = pair.trim().split_once('=') else { continue };
                if name == self.session && read.session.is_none() {
                    read.session = SessionHandle::from_cookie(value);
                } else if name == self.browser && read.browser.is_none() {
                    read.browser = from_base64url(value).and_then(|bytes| bytes.try_into().ok());
                } else if name == self.known && read.known.is_none() && value.len() < 1024 {
                    read.known = Some(Sealed::from_text(value));
                }
            }
        }
        read
    }

    /// Adds `Set-Cookie` headers for what changed.
    pub(crate) fn write(&self, cookies: Cookies, session_life: Duration, headers: &mut HeaderMap) {
        if let Some(token) = cookies.browser {
            self.set(&self.browser, &base64url(token), None, headers);
        }
        match cookies.session {
            Some(SessionCookie::Set(value)) => {
                self.set(&self.session, value.expose(), Some(session_life), headers);
            }
            Some(SessionCookie::Clear) => {
                self.set(&self.session, "", Some(Duration::ZERO), headers);
            }
            None => {}
        }
        if let Some(known) = cookies.known {
            self.set(&self.known, known.as_str(), Some(KNOWN_FOR), headers);
        }
    }

    fn set(&self, name: &str, value: &str, life: Option<Duration>, headers: &mut HeaderMap) {
        let secure = if self.secure { "; Secure" } else { "" };
        let life = life.map(|life| format!("; Max-Age={}", life.as_secs())).unwrap_or_default();
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}");
        if let Ok(mut value) = HeaderValue::try_from(text) {
            value.set_sensitive(true);
            headers.append(header::SET_COOKIE, value);
        }
    }
}

/// What the browser's cookies say.
#[derive(Debug, Default)]
pub(crate) struct ReadCookies {
    pub(crate) session: Option<SessionHandle>,
    pub(crate) browser: Option<[u8; 16]>,
    pub(crate) known: Option<Sealed<keystile_authority::sealed::KnownBrowser>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(issuer: &str) -> CookieNames {
        CookieNames::new(&Issuer::try_from(issuer).expect("good"))
    }

    #[test]
    fn cookies_are_host_bound_on_https_and_port_bound_in_development() {
        assert_eq!(names("https://a.example").session, "__Host-keystile-session");
        assert_eq!(names("http://localhost:4000").session, "keystile-session-4000");
        assert_eq!(names("http://[::1]:4000/t").session, "keystile-session-4000");
        assert_eq!(names("http://localhost").session, "keystile-session-80");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let names = names("https://a.example");
        let mut headers = HeaderMap::new();
        let cookies = Cookies { browser: Some([7; 16]), ..Cookies::default() };
        names.write(cookies, Duration::from_secs(1), &mut headers);
        let set = headers[header::SET_COOKIE].to_str().expect("ASCII").to_owned();
        assert!(set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{set}");
        let mut request = HeaderMap::new();
        let pair = set.split(';').next().expect("a pair");
        let header = format!("other=1; {pair}; {}=junk", names.session);
        request.insert(header::COOKIE, header.parse().expect("ASCII"));
        let read = names.read(&request);
        assert_eq!(read.browser, Some([7; 16]));
        assert_eq!(read.session, None);
    }
}
