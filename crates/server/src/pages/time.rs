//! Spans of time and dates in words.

use minijinja::Error;
use minijinja::value::Value;

use super::escape::escape;
use super::words::Dictionary;

/// What templates call `wait`: `45 seconds`, `2 minutes`; rounded up, so that nobody is too early.
pub(super) fn wait(words: &Dictionary, seconds: u64) -> Result<Value, Error> {
    let (one, many, count) = match seconds {
        0..=90 => ("time.second", "time.seconds", seconds.max(1)),
        91..=5_400 => ("time.minute", "time.minutes", seconds.div_ceil(60)),
        _ => ("time.hour", "time.hours", seconds.div_ceil(3_600)),
    };
    let key = if count == 1 { one } else { many };
    words.say(key, |_| Ok(count.to_string()))
}

/// What templates call `date`: `2026-03-02T10:00:00Z` in words; anything else stays as it is.
pub(super) fn date(words: &Dictionary, text: &str) -> Result<Value, Error> {
    let Some(parts) = Parts::read(text) else {
        return Ok(Value::from_safe_string(escape(text)));
    };
    let month = words.say(&format!("date.month_{}", parts.month), |_| Ok(String::new()))?;
    let key = if parts.time.is_some() { "date.moment" } else { "date.day" };
    let said = words.say(key, |name| {
        Ok(match name {
            "day" => parts.day.to_string(),
            "month" => month.to_string(),
            "year" => parts.year.to_string(),
            _ => parts.time.unwrap_or_default().to_owned(),
        })
    })?;
    Ok(Value::from_safe_string(format!("<time datetime=\"{}\">{said}</time>", escape(text))))
}

struct Parts<'a> {
    year: u16,
    month: u8,
    day: u8,
    /// Hours and minutes.
    time: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let number = |from, to| text.get(from..to).filter(|part| is_digits(part));
        let dashes = text.get(4..5) == Some("-") && text.get(7..8) == Some("-");
        let month = number(5, 7)?.parse().ok().filter(|month| (1..=12).contains(month))?;
        let parts = Self {
            year: number(0, 4)?.parse().ok()?,
            month,
            day: number(8, 10)?.parse().ok()?,
            time: text.get(11..16).filter(|time| is_time(time)),
        };
        let ends = text.len() == 10 || (parts.time.is_some() && text.ends_with('Z'));
        (dashes && ends).then_some(parts)
    }
}

fn is_time(text: &str) -> bool {
    text.split_once(':').is_some_and(|(hour, minute)| is_digits(hour) && is_digits(minute))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::{date, wait};
    use crate::pages::overrides::Overrides;
    use crate::pages::words::load;

    #[test]
    fn waits_are_rounded_up() {
        let english = &load(&Overrides::default()).unwrap()[0];
        let table = [
            (0, "1 second"),
            (1, "1 second"),
            (45, "45 seconds"),
            (91, "2 minutes"),
            (9_000, "3 hours"),
        ];
        for (seconds, words) in table {
            assert_eq!(wait(english, seconds).unwrap().to_string(), words);
        }
    }

    #[test]
    fn dates_are_said_in_words() {
        let all = load(&Overrides::default()).unwrap();
        let said = |index: usize, text: &str| date(&all[index], text).unwrap().to_string();
        assert!(said(0, "2026-03-02").contains(">2 March 2026<"));
        assert!(said(1, "2026-03-02T10:05:00Z").contains(">2. März 2026, 10:05 UTC<"));
        for odd in ["", "yesterday", "2026-13-02", "2026-03-02T<b>", "ünïcödé-tägs"] {
            assert_eq!(said(0, odd), super::escape(odd));
        }
    }
}
