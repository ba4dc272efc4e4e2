//! Escaping, and which addresses may become a link.

use minijinja::value::Value;
use minijinja::{AutoEscape, Error, ErrorKind, Output, State};

/// Makes text safe between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // A control character has no place in a page and NUL is not even allowed.
            control if control.is_control() && !matches!(control, '\n' | '\t' | '\r') => {
                out.push('\u{fffd}');
            }
            other => out.push(other),
        }
    }
    out
}

/// Writes a value into a page: escaped unless a template's own markup made it.
///
/// Ours instead of the template engine's because that one also escapes `/` (every address on the
/// page gets longer) and writes `none` for what is absent.
pub(super) fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    if value.is_none() || value.is_undefined() {
        return Ok(());
    }
    if *state.auto_escape() != AutoEscape::Html {
        return Err(Error::new(ErrorKind::InvalidOperation, "turning escaping off is not allowed"));
    }
    let written = match value.as_str() {
        Some(text) if value.is_safe() => out.write_str(text),
        Some(text) => out.write_str(&escape(text)),
        None => write!(out, "{}", escape(&value.to_string())),
    };
    written.map_err(Error::from)
}

/// The text of a value, escaped unless it is markup already.
pub(super) fn escaped(value: &Value) -> String {
    match value.as_str() {
        Some(text) if value.is_safe() => text.to_owned(),
        Some(text) => escape(text),
        None => escape(&value.to_string()),
    }
}

/// Template filter: a name that stands out, and whose writing direction touches nothing else.
pub(super) fn name(value: &Value) -> Value {
    Value::from_safe_string(format!("<bdi>{}</bdi>", escaped(value)))
}

/// Template filter: the first letter, for an app without a logo.
pub(super) fn initial(text: &str) -> String {
    text.chars()
        .find(|letter| letter.is_alphanumeric())
        .map_or_else(|| "?".to_owned(), |letter| letter.to_uppercase().collect())
}

/// Template filter: an address that may be linked to; one that would run as a script becomes `#`.
///
/// Callers give checked addresses only. This is the second lock on that door.
pub(super) fn href(address: &str) -> String {
    let scheme: String = address
        .chars()
        .take_while(|letter| *letter != ':')
        .filter(|letter| !letter.is_whitespace() && !letter.is_control())
        .flat_map(char::to_lowercase)
        .collect();
    let runs = ["javascript", "data", "vbscript", "blob", "file"].contains(&scheme.as_str());
    if runs { "#".to_owned() } else { address.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{escape, href, initial};

    #[test]
    fn escape_covers_text_and_attributes() {
        assert_eq!(escape("<a b='c'>\"&\0"), "&lt;a b=&#39;c&#39;&gt;&quot;&amp;\u{fffd}");
        assert_eq!(escape("https://a.example/b?c=ü"), "https://a.example/b?c=ü");
    }

    #[test]
    fn href_refuses_addresses_that_run() {
        for bad in
            ["javascript:alert(1)", " JaVa\nScript:alert(1)", "data:text/html,x", "\u{1}vbscript:x"]
        {
            assert_eq!(href(bad), "#", "{bad}");
        }
        for good in [
            "https://a.example/javascript:x",
            "/account",
            "app.example:/back",
            "intent://x#Intent;end",
        ] {
            assert_eq!(href(good), good);
        }
    }

    #[test]
    fn initial_is_a_letter() {
        assert_eq!(initial("photo printer"), "P");
        assert_eq!(initial("<script>"), "S");
        assert_eq!(initial("…"), "?");
    }
}
