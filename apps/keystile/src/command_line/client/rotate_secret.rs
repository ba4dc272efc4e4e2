//! `keystile client rotate-secret`.

use std::time::Duration;

use clap::Args;
use keystile_authority::ports::{Clock, Registry};
use keystile_authority::records::{Client, ClientKind, ClientSecret};
use keystile_protocol::{Secret, Timestamp};
use serde_json::json;

use super::super::Format;
use super::{Named, not_configured};
use crate::clock::SystemClock;
use crate::entropy::client_secret;
use crate::output;
use crate::refusal::{Outcome, refuse};

#[derive(Debug, Args)]
pub(in crate::command_line) struct RotateSecret {
    #[command(flatten)]
    named: Named,
    /// How long the old secret goes on, such as 24h, 30m or 0
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse_time)]
    overlap: Duration,
    #[command(flatten)]
    format: Format,
}

impl RotateSecret {
    pub(super) async fn run(self) -> Outcome {
        let (settings, store) = self.named.place.open().await?;
        not_configured(&self.named.id, &settings, "change its client_secret there")?;
        let mut client = self.named.client(&store).await?;
        let secret = client_secret();
        let old_ends = SystemClock.now().plus(self.overlap);
        if !rotate(&mut client, &secret, old_ends, SystemClock.now()) {
            return refuse(format!("'{}' is a client without a secret", client.id));
        }
        store.put_client(&client).await?;
        self.print(&client, &secret, old_ends);
        Ok(())
    }

    fn print(&self, client: &Client, secret: &Secret, old_ends: Timestamp) {
        if self.format.json {
            return output::json(&json!({
                "client_id": client.id,
                "client_secret": secret.expose(),
                "old_secret_expires_at": old_ends.seconds(),
            }));
        }
        output::line(format!("client_id      {}", client.id));
        output::line(format!("client_secret  {}", secret.expose()));
        output::line("The secret is shown this once; only its digest is kept.");
        if self.overlap.is_zero() {
            output::line("The old one has ended.");
        } else {
            output::line(format!("The old one goes on for {} seconds.", self.overlap.as_secs()));
        }
    }
}

/// Puts the new secret first; the one before it ends at `old_ends` if it did not end earlier.
/// False for a client without a secret.
fn rotate(client: &mut Client, secret: &Secret, old_ends: Timestamp, now: Timestamp) -> bool {
    let ClientKind::Confidential { secrets, .. } = &mut client.kind else { return false };
    secrets.truncate(1);
    for old in secrets.iter_mut() {
        old.expires_at = Some(old.expires_at.map_or(old_ends, |end| end.min(old_ends)));
    }
    secrets.retain(|old| old.expires_at.is_some_and(|end| end > now));
    secrets.insert(0, ClientSecret::of(secret, None));
    true
}

/// A number of seconds, minutes, hours or days.
pub(in crate::command_line) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        "" if digits == "0" => 1,
        _ => return Err("say a number and s, m, h or d, such as 24h".to_owned()),
    };
    let number: u32 = digits.parse().map_err(|_| format!("'{digits}' is not a number"))?;
    Ok(Duration::from_secs(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use keystile_authority::rules::registration::{ClientMetadata, register};

    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn client(secret: &Secret) -> Client {
        let metadata = ClientMetadata {
            client_id: "app".into(),
            client_secret: Some(secret.clone()),
            redirect_uris: vec!["https://app.example/cb".into()],
            ..ClientMetadata::default()
        };
        register(&metadata, false).expect("good")
    }

    fn accepts(client: &Client, secret: &Secret, now: Timestamp) -> bool {
        let ClientKind::Confidential { secrets, .. } = &client.kind else { return false };
        secrets.iter().any(|kept| kept.accepts(secret, now))
    }

    #[test]
    fn row_0_3_the_old_secret_goes_on_for_the_overlap_and_no_third_one() {
        let [first, second, third] = [(); 3].map(|()| client_secret());
        let mut client = client(&first);
        let day = Duration::from_secs(86_400);
        assert!(rotate(&mut client, &second, NOW.plus(day), NOW));
        assert!(accepts(&client, &second, NOW.plus(2 * day)));
        assert!(accepts(&client, &first, NOW));
        assert!(!accepts(&client, &first, NOW.plus(day)));
        assert!(rotate(&mut client, &third, NOW.plus(day), NOW));
        assert!(!accepts(&client, &first, NOW) && accepts(&client, &second, NOW));
        assert!(rotate(&mut client, &first, NOW, NOW));
        assert!(!accepts(&client, &third, NOW) && accepts(&client, &first, NOW));
    }

    #[test]
    fn times() {
        let times = [("24h", 86_400), ("30m", 1800), ("0", 0), ("0s", 0), ("7d", 604_800)];
        for (text, seconds) in times {
            assert_eq!(parse_time(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "h", "24", "-1h", "24 h", "1w", "99999999999s"] {
            assert!(parse_time(bad).is_err(), "{bad}");
        }
    }
}
