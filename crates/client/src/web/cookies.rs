//! The cookies that this crate sets, and nothing of what is in them.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use keystile_protocol::Timestamp;
use keystile_protocol::seal::{Sealed, Seals};

use crate::flow::{LOGIN_LIFETIME, PendingLogin};

/// Logins under way at once in one browser; beyond, the oldest is given up.
const LOGINS_AT_MOST: usize = 8;
/// What the cookies of these may take of a request's header, in bytes.
const BYTES_AT_MOST: usize = 4096;
/// How long after a login its session must be there.
const JUST_SIGNED_IN: Duration = Duration::from_secs(10);

/// Names and attributes.
pub(crate) struct Cookies {
    base: String,
    secure: bool,
}

impl Cookies {
    /// On https the names begin with `__Host-`: no other host and no other path can set them.
    pub(crate) fn new(name: &str, secure: bool) -> Result<Self, &'static str> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if name.is_empty() || name.len() > 40 || !name.bytes().all(fits) {
            return Err("a cookie's name has 1 to 40 letters, digits, '-' and '_'");
        }
        let prefix = if secure { "__Host-" } else { "" };
        Ok(Self { base: format!("{prefix}{name}"), secure })
    }

    /// The handle of the session, if the browser has one.
    pub(crate) fn session<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        all(headers).find(|(name, _)| *name == self.base).map(|(_, value)| value)
    }

    pub(super) fn set_session(&self, handle: &str, lifetime: Duration) -> HeaderValue {
        self.set(&self.base, handle, lifetime)
    }

    pub(super) fn remove_session(&self) -> HeaderValue {
        self.set(&self.base, "", Duration::ZERO)
    }

    /// The login with that name, if this browser began it.
    pub(super) fn login(
        &self,
        headers: &HeaderMap,
        id: &str,
        seals: &Seals,
    ) -> Option<PendingLogin> {
        let wanted = self.login_name(id);
        let (_, value) = all(headers).find(|(name, _)| *name == wanted)?;
        seals.open(&Sealed::from_text(value), 0).ok()
    }

    pub(super) fn set_login(
        &self,
        login: &PendingLogin,
        sealed: &Sealed<PendingLogin>,
    ) -> HeaderValue {
        self.set(&self.login_name(&login.id()), sealed.as_str(), LOGIN_LIFETIME)
    }

    pub(super) fn remove_login(&self, id: &str) -> HeaderValue {
        self.set(&self.login_name(id), "", Duration::ZERO)
    }

    /// Removes logins that are over or unreadable, and the oldest where there are too many.
    pub(super) fn make_room(
        &self,
        headers: &HeaderMap,
        seals: &Seals,
        now: Timestamp,
    ) -> Vec<HeaderValue> {
        let prefix = self.login_name("");
        let mut logins: Vec<(Option<Timestamp>, &str, usize)> = all(headers)
            .filter(|(name, _)| name.starts_with(&prefix))
            .map(|(name, value)| {
                let login: Option<PendingLogin> = seals.open(&Sealed::from_text(value), 0).ok();
                let alive = login.filter(|login| !login.is_over(now));
                (alive.map(|login| login.started_at), name, name.len() + value.len())
            })
            .collect();
        logins.sort_by_key(|(started_at, _, _)| std::cmp::Reverse(*started_at));
        let mut bytes = 0;
        let mut kept = 0;
        logins.retain(|(started_at, _, length)| {
            bytes += length;
            kept += 1;
            started_at.is_none() || kept >= LOGINS_AT_MOST || bytes > BYTES_AT_MOST
        });
        logins.iter().map(|(_, name, _)| self.set(name, "", Duration::ZERO)).collect()
    }

    /// Whether a login ended in this browser a moment ago.
    pub(super) fn just_signed_in(&self, headers: &HeaderMap) -> bool {
        let wanted = self.recent_name();
        all(headers).any(|(name, _)| name == wanted)
    }

    pub(super) fn set_just_signed_in(&self) -> HeaderValue {
        self.set(&self.recent_name(), "1", JUST_SIGNED_IN)
    }

    pub(super) fn remove_just_signed_in(&self) -> HeaderValue {
        self.set(&self.recent_name(), "", Duration::ZERO)
    }

    fn login_name(&self, id: &str) -> String {
        format!("{}.login.{id}", self.base)
    }

    fn recent_name(&self) -> String {
        format!("{}.recent", self.base)
    }

    fn set(&self, name: &str, value: &str, lifetime: Duration) -> HeaderValue {
        let seconds = lifetime.as_secs();
        let secure = if self.secure { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        // Names that came with the request are made of what a header can hold.
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

fn all(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

#[cfg(test)]
#[path = "cookies_tests.rs"]
mod tests;
