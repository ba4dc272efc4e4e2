//! One way to seal: what leaves and must come back unread and unchanged.
//!
//! AES-256-GCM-SIV, in which a nonce that came twice costs equality alone. A sealed text is
//! `version ‖ master key id ‖ day ‖ nonce ‖ ciphertext` in base64url. Keys come from the master
//! key by HKDF-SHA-256, one for each purpose and day. Purpose, issuer, version and the store's
//! epoch are authenticated with the text, so that a code cannot be opened as an interaction, at
//! another issuer, or after the store went back in time.

mod last_read;
mod masters;
mod written;

use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, RwLock};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::encoding::{base64url, from_base64url, hmac_of};
use crate::time::Timestamp;

pub use last_read::{LastRead, News};
pub use masters::{MasterKey, MasterKeySource, MasterKeys};
pub use written::NotMasterKeys;

const VERSION: u8 = 1;
const HEADER: usize = 1 + 1 + 2;
const NONCE: usize = 12;
/// Bytes that a plain form seldom exceeds.
const USUAL_LENGTH: usize = 256;
/// Longer texts are refused unread, in characters.
const SEALED_AT_MOST: usize = 16 * 1024;

/// Something that is sealed under keys of its own. It is written in a compact form that does not
/// describe itself: no `flatten`, no `skip_serializing_if`; [`Seals::seal_bytes`] takes what has those.
pub trait Sealable: Serialize + DeserializeOwned {
    /// Names the keys. Two kinds never share one.
    const PURPOSE: &'static str;
    /// The number of the format that its plain form begins with, if it has one: what has another
    /// number is not opened.
    const FORMAT: Option<u8> = None;
}

/// A sealed `T`, as text. Only [`Seals::open`] makes a `T` of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed<T>(String, PhantomData<fn() -> T>);

impl<T> Sealed<T> {
    /// Takes text that claims to be one.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into(), PhantomData)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As text, without a copy.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<T> fmt::Debug for Sealed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} characters)", self.0.len())
    }
}

/// Not sealed by us, for this purpose, in this epoch; or altered. No more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed by this server for this purpose")]
pub struct NotSealed;

/// Seals and opens for one issuer.
pub struct Seals {
    context: String,
    masters: Arc<MasterKeys>,
    derived: Derived<LessSafeKey>,
    macs: Derived<hmac::Key>,
}

impl fmt::Debug for Seals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seals({})", self.context)
    }
}

/// Round of the master keys, purpose, master key and day (or another period).
type KeyName = (u32, &'static str, u8, u16);

/// Keys that were derived before.
type Derived<K> = RwLock<HashMap<KeyName, Arc<K>>>;

/// Derived keys kept at once: a handful of purposes, today's and a few days before.
const DERIVED_AT_MOST: usize = 256;

impl Seals {
    /// Seals with the first of `masters`, opens with any. `context` says whose seals they are
    /// (the issuer) and is authenticated with each. Without a master key nothing opens and
    /// sealing fails.
    pub fn new(context: impl Into<String>, masters: Vec<MasterKey>) -> Self {
        Self::sharing(context, Arc::new(MasterKeys::fixed(masters)))
    }

    /// The same with master keys that others use too and that may change.
    pub fn sharing(context: impl Into<String>, masters: Arc<MasterKeys>) -> Self {
        let (derived, macs) = (RwLock::default(), RwLock::default());
        Self { context: context.into(), masters, derived, macs }
    }

    /// The master keys.
    pub fn masters(&self) -> &Arc<MasterKeys> {
        &self.masters
    }

    /// Seals `value`; `nonce` is 12 random bytes.
    pub fn seal<T: Sealable>(
        &self,
        value: &T,
        epoch: u64,
        now: Timestamp,
        nonce: [u8; NONCE],
    ) -> Sealed<T> {
        let plain = postcard::to_extend(value, Vec::with_capacity(USUAL_LENGTH))
            .expect("a sealable value has a plain form");
        Sealed::from_text(base64url(self.seal_bytes(T::PURPOSE, plain, epoch, now, nonce)))
    }

    /// Opens what [`Self::seal`] made in the same epoch.
    pub fn open<T: Sealable>(&self, sealed: &Sealed<T>, epoch: u64) -> Result<T, NotSealed> {
        if sealed.0.len() > SEALED_AT_MOST {
            return Err(NotSealed);
        }
        let bytes = from_base64url(&sealed.0).ok_or(NotSealed)?;
        let plain = self.open_bytes(T::PURPOSE, &bytes, epoch)?;
        if T::FORMAT.is_some_and(|format| plain.first() != Some(&format)) {
            return Err(NotSealed);
        }
        postcard::from_bytes(&plain).map_err(|_| NotSealed)
    }

    /// Seals bytes that a store keeps, such as a private key.
    pub fn seal_bytes(
        &self,
        purpose: &'static str,
        plain: Vec<u8>,
        epoch: u64,
        now: Timestamp,
        nonce: [u8; NONCE],
    ) -> Vec<u8> {
        let master = self.masters.current().expect("seals have a master key");
        let day = u16::try_from(now.day()).unwrap_or(0);
        let key = self.key(purpose, master, day).expect("the first master key is there");
        let mut out = Vec::with_capacity(HEADER + NONCE + plain.len() + 16);
        out.extend([VERSION, master]);
        out.extend(day.to_be_bytes());
        out.extend(nonce);
        let mut text = plain;
        let aad = self.authenticated(purpose, epoch);
        let tag = key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text)
            .expect("a text of bounded length can be sealed");
        out.extend(text);
        out.extend(tag.as_ref());
        out
    }

    /// Opens what [`Self::seal_bytes`] made for the same purpose and epoch.
    pub fn open_bytes(
        &self,
        purpose: &'static str,
        sealed: &[u8],
        epoch: u64,
    ) -> Result<Vec<u8>, NotSealed> {
        let [VERSION, master, day_high, day_low, rest @ ..] = sealed else {
            return Err(NotSealed);
        };
        let (nonce, text) = rest.split_at_checked(NONCE).ok_or(NotSealed)?;
        let day = u16::from_be_bytes([*day_high, *day_low]);
        let key = self.key(purpose, *master, day).ok_or(NotSealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealed)?;
        let mut text = text.to_vec();
        let aad = self.authenticated(purpose, epoch);
        let length = key.open_in_place(nonce, aad, &mut text).map_err(|_| NotSealed)?.len();
        text.truncate(length);
        Ok(text)
    }

    /// 32 bytes for a MAC of one purpose and period, from the master key with that id; nothing
    /// without that key.
    pub fn mac_key(&self, purpose: &str, master: u8, period: u16) -> Option<[u8; 32]> {
        self.masters.derive(purpose, master, period)
    }

    /// HMAC-SHA-256 of the parts one after another, under the key of [`Self::mac_key`]. The caller sees
    /// to it that the parts cannot be shifted against each other.
    pub fn mac(
        &self,
        purpose: &'static str,
        master: u8,
        period: u16,
        parts: &[&[u8]],
    ) -> Option<[u8; 32]> {
        let name = (self.masters.round(), purpose, master, period);
        let key = kept(&self.macs, name, || {
            let key = self.mac_key(purpose, master, period)?;
            Some(hmac::Key::new(hmac::HMAC_SHA256, &key))
        })?;
        Some(hmac_of(&key, parts))
    }

    fn authenticated(&self, purpose: &str, epoch: u64) -> Aad<Vec<u8>> {
        let mut aad = Vec::with_capacity(purpose.len() + self.context.len() + 10);
        aad.push(VERSION);
        aad.extend(epoch.to_be_bytes());
        aad.extend(purpose.as_bytes());
        aad.push(0);
        aad.extend(self.context.as_bytes());
        Aad::from(aad)
    }

    fn key(&self, purpose: &'static str, master: u8, day: u16) -> Option<Arc<LessSafeKey>> {
        kept(&self.derived, (self.masters.round(), purpose, master, day), || {
            let secret = self.masters.derive(purpose, master, day)?;
            Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, &secret).ok()?))
        })
    }
}

/// The key of that name, derived if it is not there.
fn kept<K>(all: &Derived<K>, name: KeyName, derive: impl FnOnce() -> Option<K>) -> Option<Arc<K>> {
    if let Some(key) = all.read().ok()?.get(&name) {
        return Some(Arc::clone(key));
    }
    let key = Arc::new(derive()?);
    let mut all = all.write().ok()?;
    if all.len() >= DERIVED_AT_MOST {
        // A stranger may name any day: what he makes us derive is forgotten again.
        all.clear();
    }
    all.insert(name, Arc::clone(&key));
    Some(key)
}

/// Under which master key a sealed text was made, if it is one. Nothing of it is checked.
pub fn master_of(sealed: &[u8]) -> Option<u8> {
    match sealed {
        [VERSION, master, ..] if sealed.len() > HEADER + NONCE => Some(*master),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct One(String);
    impl Sealable for One {
        const PURPOSE: &'static str = "one";
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Two(String);
    impl Sealable for Two {
        const PURPOSE: &'static str = "two";
    }

    fn seals(issuer: &str, masters: &[u8]) -> Seals {
        let masters = masters.iter().map(|&id| MasterKey { id, secret: [id; 32] });
        Seals::new(issuer, masters.collect())
    }

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn what_was_sealed_opens_again_and_only_so() {
        let seals = seals("https://a", &[1]);
        let sealed = seals.seal(&One("x".into()), 3, NOW, [9; 12]);
        assert_eq!(seals.open(&sealed, 3), Ok(One("x".into())));
        assert_eq!(seals.open(&sealed, 4), Err(NotSealed), "another epoch");
        let as_two: Sealed<Two> = Sealed::from_text(sealed.as_str());
        assert_eq!(seals.open(&as_two, 3), Err(NotSealed), "another purpose");
        let elsewhere = self::seals("https://b", &[1]);
        assert_eq!(elsewhere.open(&sealed, 3), Err(NotSealed), "another issuer");
    }

    #[test]
    fn every_altered_character_is_noticed() {
        let seals = seals("https://a", &[1]);
        let sealed = seals.seal(&One("some text".into()), 0, NOW, [9; 12]).into_string();
        for at in 0..sealed.len() {
            let mut other = sealed.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = Sealed::<One>::from_text(String::from_utf8(other).expect("ASCII"));
            assert_eq!(seals.open(&other, 0), Err(NotSealed), "at {at}");
        }
        for other in [String::new(), "AQ".into(), format!("{sealed}A"), sealed[1..].into()] {
            assert_eq!(seals.open(&Sealed::<One>::from_text(other), 0), Err(NotSealed));
        }
    }

    #[test]
    fn a_mac_is_of_its_key_whether_that_was_kept_or_not() {
        let seals = seals("https://a", &[2, 1]);
        for (purpose, master, period) in
            [("one", 2, 7), ("two", 2, 7), ("one", 1, 7), ("one", 2, 8)]
        {
            let key = seals.mac_key(purpose, master, period).expect("there");
            let expected = crate::encoding::hmac_sha256(&key, &[b"a", b"b"]);
            for _ in 0..2 {
                assert_eq!(seals.mac(purpose, master, period, &[b"a", b"b"]), Some(expected));
            }
        }
        assert_eq!(seals.mac("one", 3, 7, &[b"a"]), None, "no such master key");
    }

    #[test]
    fn a_new_master_key_seals_and_the_old_one_still_opens() {
        let old = seals("https://a", &[1]);
        let both = seals("https://a", &[2, 1]);
        let sealed_by_old = old.seal(&One("x".into()), 0, NOW, [1; 12]);
        assert!(both.open(&sealed_by_old, 0).is_ok());
        let sealed_by_new = both.seal(&One("x".into()), 0, NOW, [1; 12]);
        assert_eq!(old.open(&sealed_by_new, 0), Err(NotSealed));
        let bytes = both.seal_bytes("one", vec![1], 0, NOW, [1; 12]);
        assert_eq!((master_of(&bytes), master_of(&bytes[..16])), (Some(2), None));
    }

    struct Changing(Mutex<Vec<Vec<MasterKey>>>);
    impl MasterKeySource for Changing {
        fn reread(&self) -> Option<Vec<MasterKey>> {
            self.0.lock().ok()?.pop()
        }
    }

    #[test]
    fn a_master_key_that_is_taken_away_opens_nothing_more_and_a_changed_one_neither() {
        let key = |id, byte| MasterKey { id, secret: [byte; 32] };
        let after = Changing(Mutex::new(vec![vec![key(2, 8)], vec![key(2, 2)]]));
        let keys = MasterKeys::with_source(vec![key(1, 1), key(2, 2)], Box::new(after));
        let seals = Seals::sharing("https://a", Arc::new(keys));
        let sealed = seals.seal(&One("x".into()), 0, NOW, [1; 12]);
        assert!(seals.open(&sealed, 0).is_ok());
        assert!(seals.mac("one", 1, 0, &[b"x"]).is_some());
        assert!(seals.masters().reread());
        let by_second = seals.seal(&One("x".into()), 0, NOW, [1; 12]);
        assert!(seals.open(&by_second, 0).is_ok());
        assert_eq!(seals.open(&sealed, 0), Err(NotSealed), "though its key was used before");
        assert_eq!(seals.mac("one", 1, 0, &[b"x"]), None, "nor does it make a MAC");
        assert_eq!(seals.open(&by_second, 0), Err(NotSealed), "another key of that name by now");
    }
}
