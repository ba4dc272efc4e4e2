//! `[keys]`: how the server's keys follow each other.

use std::time::Duration;

use keystile_authority::policy::{KEY_SET_MAX_AGE, KeyRotation};
use keystile_protocol::Issuer;

use super::file;
use super::source::{Place, SettingsError};

const DAY: u64 = 24 * 3600;
const PUBLISH_AT_MOST: u64 = 7 * DAY;
const ROTATE_AT_MOST: u64 = 3650;

pub(super) fn rotation(
    table: &file::Keys,
    issuer: &Issuer,
    place: &Place<'_>,
) -> Result<KeyRotation, SettingsError> {
    let mut rotation = KeyRotation::default();
    // Twice as long as anybody may keep our key set; at home somebody may want to watch.
    let least = if issuer.is_development() { 0 } else { 2 * KEY_SET_MAX_AGE.as_secs() };
    match table.publish_seconds {
        None => {}
        Some(seconds) if (least..=PUBLISH_AT_MOST).contains(&seconds) => {
            rotation.publish_for = Duration::from_secs(seconds);
        }
        Some(_) => {
            return place.key("publish_seconds").wrong(format!(
                "it is from {least} to {PUBLISH_AT_MOST} seconds: /jwks may be kept for {} seconds \
                 by whoever fetched it",
                KEY_SET_MAX_AGE.as_secs()
            ));
        }
    }
    match table.rotate_after_days {
        None => {}
        Some(0) => rotation.rotate_after = None,
        Some(days) if days <= ROTATE_AT_MOST => {
            rotation.rotate_after = Some(Duration::from_secs(days * DAY));
        }
        Some(_) => {
            let words = format!("it is from 1 to {ROTATE_AT_MOST} days, or 0 for never");
            return place.key("rotate_after_days").wrong(words);
        }
    }
    match rotation.rotate_after {
        Some(age) if age <= rotation.publish_for => {
            let words = "a key has to be used for longer than its successor is published before";
            place.key("rotate_after_days").wrong(words)
        }
        _ => Ok(rotation),
    }
}
