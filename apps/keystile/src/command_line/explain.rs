//! `keystile explain`: what happened under a reference number.

use clap::Args;
use keystile_authority::incident::{FirstDifference, Incident, Reference};
use keystile_authority::ports::Registry;
use keystile_protocol::Timestamp;
use serde_json::json;

use super::{Format, Place};
use crate::output::{self, visible};
use crate::refusal::{Outcome, Refusal, refuse};

#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The reference number that the error page showed, such as K7QF-2M9X
    reference: String,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    format: Format,
}

impl Explain {
    pub(super) async fn run(self) -> Outcome {
        let reference = Reference::from_person(&self.reference).ok_or_else(|| {
            Refusal::new(format!(
                "'{}' is not a reference number, such as K7QF-2M9X",
                visible(&self.reference)
            ))
        })?;
        let (_, store) = self.place.open().await?;
        let Some(incident) = store.incident(reference.as_str()).await? else {
            return refuse(format!(
                "nothing is known under {reference}. Incidents are kept for a while only; the log \
                 has it longer."
            ));
        };
        if self.format.json {
            let difference = incident.first_difference();
            let mut value = serde_json::to_value(&incident)?;
            value["first_difference"] = difference.map_or(
                json!(null),
                |difference| json!({ "closest": difference.closest, "at": difference.at }),
            );
            output::json(&value);
        } else {
            output::line(words(&incident));
        }
        Ok(())
    }
}

/// What happened, what came and what was expected below each other, and what to do.
fn words(incident: &Incident) -> String {
    let client = incident.client_id.as_deref().map(visible);
    let mut lines = vec![
        format!("{}  {}  {}", incident.reference, utc(incident.at), visible(&incident.error)),
        client.map_or_else(String::new, |id| format!("client {id}")),
        String::new(),
        visible(&incident.summary),
    ];
    let compared = compared(incident);
    if !compared.is_empty() {
        lines.push(String::new());
        lines.extend(compared);
    }
    lines.push(String::new());
    lines.push(format!("Rule  {}", visible(&incident.section)));
    lines.push(format!("Hint  {}", visible(&incident.hint)));
    lines.join("\n")
}

const RECEIVED: &str = "  received    ";
const REGISTERED: &str = "  registered  ";

fn compared(incident: &Incident) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(received) = &incident.received {
        lines.push(format!("{RECEIVED}{}", visible(received)));
    }
    let difference = incident.first_difference();
    if let Some(FirstDifference { closest, at }) = difference {
        let expected = &incident.expected[closest];
        lines.push(format!("{REGISTERED}{}", visible(expected)));
        let before: String = expected.chars().take(at).collect();
        let indent = RECEIVED.len() + visible(&before).chars().count();
        lines.push(format!("{:indent$}^ the first difference", ""));
    }
    let closest = difference.map(|difference| difference.closest);
    let others = incident.expected.iter().enumerate().filter(|(at, _)| Some(*at) != closest);
    lines.extend(others.map(|(_, expected)| format!("{REGISTERED}{}", visible(expected))));
    lines
}

/// `2026-01-02T03:04:05Z`. The days by Howard Hinnant's `civil_from_days`.
fn utc(at: Timestamp) -> String {
    let (days, second) = (at.day(), at.seconds().rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident() -> Incident {
        Incident {
            reference: Reference::from_random([7; 5]),
            at: Timestamp::from_seconds(1_709_164_800),
            error: "invalid_redirect_uri".into(),
            summary: "The redirect URI is not registered.".into(),
            section: "RFC 9700 section 2.1".into(),
            client_id: Some("app\u{1b}[2J".into()),
            received: Some("https://app.example/cb/".into()),
            expected: vec!["https://other.example/".into(), "https://app.example/cb".into()],
            hint: "Register it, or send the registered one.".into(),
        }
    }

    #[test]
    fn row_3_1_what_came_stands_above_what_is_registered() {
        let words = words(&incident());
        let lines: Vec<&str> = words.lines().collect();
        assert_eq!(lines[5], "  received    https://app.example/cb/");
        assert_eq!(lines[6], "  registered  https://app.example/cb");
        assert_eq!(lines[7], "                                    ^ the first difference");
        assert_eq!(lines[8], "  registered  https://other.example/");
        assert!(!words.contains('\u{1b}'), "terminals are not obeyed");
    }

    #[test]
    fn times_are_in_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_709_164_800, "2024-02-29T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(Timestamp::from_seconds(seconds)), text);
        }
    }
}
