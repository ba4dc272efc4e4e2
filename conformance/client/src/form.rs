//! The form on a page, as far as the pages of the suite and of the app have one.

/// A form that is posted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) action: String,
    pub(crate) fields: Vec<(String, String)>,
}

impl Form {
    /// The first on the page.
    pub(crate) fn first_of(html: &str) -> Option<Self> {
        let (_, rest) = html.split_once("<form")?;
        let form = rest.split("</form>").next()?;
        let (head, body) = form.split_once('>')?;
        let fields = body.split("<input").skip(1).filter_map(|input| {
            let input = input.split('>').next()?;
            Some((attribute(input, "name")?, attribute(input, "value").unwrap_or_default()))
        });
        Some(Self {
            action: attribute(head, "action").unwrap_or_default(),
            fields: fields.collect(),
        })
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}

/// The references that the two write.
fn unescaped(text: &str) -> String {
    let known = [("&quot;", "\""), ("&#34;", "\""), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">")];
    let text = known.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    text.replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_fields() {
        let html = r#"<p>x</p><form action="https://app/cb?a=1&amp;b=2" method="post"><div>
            <input type="hidden" name="code" value="a&quot;&amp;lt;"><input type="submit"></div></form>
            <form action="/other"></form>"#;
        let expected = Form {
            action: "https://app/cb?a=1&b=2".into(),
            fields: vec![("code".into(), "a\"&lt;".into())],
        };
        assert_eq!(Form::first_of(html), Some(expected));
        assert_eq!(Form::first_of("<p>none"), None);
    }
}
