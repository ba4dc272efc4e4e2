//! Identifiers of what the store keeps.

use std::fmt;

use keystile_protocol::Timestamp;
use keystile_protocol::encoding::{base64url, from_base64url};
use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 16 bytes: 6 of milliseconds since 1970 and 10 random ones, so that rows stand in the
        /// order of time (a random key makes SQLite five times slower). An identifier is never a
        /// credential.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name([u8; 16]);

        impl $name {
            /// A new one.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let mut bytes = [0; 16];
                bytes[..6].copy_from_slice(&now.millis().to_be_bytes()[2..]);
                bytes[6..].copy_from_slice(&random);
                Self(bytes)
            }

            /// When it was made.
            pub fn made_at(&self) -> Timestamp {
                let mut millis = [0; 8];
                millis[2..].copy_from_slice(&self.0[..6]);
                Timestamp::from_millis(i64::from_be_bytes(millis))
            }

            /// From the bytes that a store kept.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The bytes that a store keeps.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// From its text.
            pub fn from_text(text: &str) -> Option<Self> {
                from_base64url(text)?.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64url(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

id! {
    /// A user's account. Its text is the `sub` that clients see.
    AccountId
}
id! {
    /// A browser's session at the authorization server.
    SessionId
}
id! {
    /// What a user allowed a client once: the origin of all tokens that come from it.
    GrantId
}
id! {
    /// Something that waits in the store because it is too large to travel.
    ParkedId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_stand_in_the_order_of_time_and_round_trip_as_text() {
        let early = GrantId::new(Timestamp::from_millis(1_700_000_000_000), [255; 10]);
        let late = GrantId::new(Timestamp::from_millis(1_700_000_000_001), [0; 10]);
        assert!(early < late);
        assert_eq!(late.made_at(), Timestamp::from_millis(1_700_000_000_001));
        assert_eq!(GrantId::from_text(&early.to_string()), Some(early));
        assert_eq!(GrantId::from_text("short"), None);
    }
}
