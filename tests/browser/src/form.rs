/// A form that is posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The first on the page, with what stands in it already.
    pub(crate) fn first_of(html: &str) -> Option<Self> {
        let (_, rest) = html.split_once("<form")?;
        let form = rest.split("</form>").next()?;
        let (head, body) = split_tag(form)?;
        let mut fields = Vec::new();
        for input in body.split("<input").skip(1) {
            let (tag, _) = split_tag(input)?;
            let kind = attribute(tag, "type").unwrap_or_default();
            // A button counts when it is pressed, and what is not ticked does not count.
            let counts = !["submit", "button", "image", "reset", "checkbox", "radio"]
                .contains(&kind.to_ascii_lowercase().as_str());
            if let Some(name) = attribute(tag, "name").filter(|_| counts) {
                fields.push((name, attribute(tag, "value").unwrap_or_default()));
            }
        }
        Some(Self { action: attribute(head, "action").unwrap_or_default(), fields })
    }

    /// Writes into a field, or presses a button, which is a field more.
    pub(crate) fn fill(&mut self, name: &str, value: &str) {
        self.fields.retain(|(field, _)| field != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }
}

/// A tag up to its end, which is not within quotes, and what comes after it.
fn split_tag(text: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '>') => return Some((&text[..at], &text[at + 1..])),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), _) if open == c => quote = None,
            _ => {}
        }
    }
    None
}

/// Of a tag whose attributes have quotes.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        let (before, after) = rest.split_once('=')?;
        let found = before.split_whitespace().next_back().unwrap_or_default();
        let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
        let Some(quote) = quote else {
            rest = after;
            continue;
        };
        let (value, after) = after[1..].split_once(quote)?;
        if found.eq_ignore_ascii_case(name) {
            return Some(unescaped(value));
        }
        rest = after;
    }
}

/// The references that pages of forms have.
fn unescaped(text: &str) -> String {
    let known = [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let text = known.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(html: &str) -> Option<(String, Vec<(String, String)>)> {
        Form::first_of(html).map(|form| (form.action, form.fields))
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_form_is_read_with_its_fields() {
        let html = r#"<p>x</p><form method=post action="https://app/cb?a=1&amp;b=2"><div>
            <input type="hidden" name="code" value="a&quot;&amp;lt;"><input type="submit" name="no">
            <input tabindex='2' value='' type='text' name='user' onchange="if (1 > 0) { x = 'y' }">
            <input type="checkbox" name="remember"></div></form>
            <form action="/other"></form>"#;
        let fields = vec![pair("code", "a\"&lt;"), pair("user", "")];
        assert_eq!(form(html), Some(("https://app/cb?a=1&b=2".into(), fields)));
        assert_eq!(form("<form action="), None);
        assert_eq!(form("<p>none"), None);
    }

    #[test]
    fn fields_are_filled_and_buttons_are_pressed() {
        let mut form =
            Form::first_of(r#"<form><input name="user" value="x"></form>"#).expect("one");
        form.fill("user", "alice");
        form.fill("accept", "yes");
        assert_eq!(form.fields, [pair("user", "alice"), pair("accept", "yes")]);
        assert_eq!(form.action, "");
    }
}
