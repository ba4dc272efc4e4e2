//! Forms, read as a browser reads them, as far as our pages need it.

/// A form on a page.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) method: String,
    pub(crate) action: String,
    pub(crate) fields: Vec<Field>,
}

/// An `input` or `button`.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) tag: String,
    pub(crate) kind: String,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) formaction: Option<String>,
    pub(crate) checked: bool,
    pub(crate) disabled: bool,
}

/// All forms of a page.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    html.split("<form").skip(1).map(|rest| form(rest.split("</form>").next().unwrap())).collect()
}

fn form(html: &str) -> Form {
    let (opening, inside) = html.split_once('>').unwrap();
    let fields = tags(inside).into_iter().filter(|(tag, _)| tag == "input" || tag == "button");
    Form {
        method: attribute(opening, "method").unwrap_or_else(|| "get".into()),
        action: attribute(opening, "action").unwrap_or_default(),
        fields: fields.map(|(tag, attributes)| field(tag, &attributes)).collect(),
    }
}

fn field(tag: String, attributes: &str) -> Field {
    let get = |name: &str| attribute(attributes, name);
    Field {
        kind: get("type").unwrap_or_else(|| if tag == "button" { "submit" } else { "text" }.into()),
        id: get("id").unwrap_or_default(),
        name: get("name").unwrap_or_default(),
        value: get("value").unwrap_or_default(),
        formaction: get("formaction"),
        checked: has(attributes, "checked"),
        disabled: has(attributes, "disabled"),
        tag,
    }
}

/// Each opening tag's name and attributes.
fn tags(html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let mut quoted = false;
        let end = rest
            .char_indices()
            .find(|(_, c)| {
                quoted ^= *c == '"';
                *c == '>' && !quoted
            })
            .map_or(rest.len(), |(at, _)| at);
        let tag = &rest[..end];
        let name = tag.split(|c: char| c.is_whitespace()).next().unwrap_or_default();
        found.push((name.to_lowercase(), tag[name.len()..].to_owned()));
        rest = &rest[end..];
    }
    found
}

pub(crate) fn attribute(attributes: &str, name: &str) -> Option<String> {
    let start = format!(" {name}=\"");
    let flat = attributes.replace(['\n', '\t'], " ");
    let flat = format!(" {flat}");
    let (_, rest) = flat.split_once(&start)?;
    Some(unescape(rest.split('"').next()?))
}

fn has(attributes: &str, name: &str) -> bool {
    attributes.split_whitespace().any(|word| word == name)
}

/// Text as it is without HTML's escapes.
pub(crate) fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&#x27;", "'")
        .replace("&#x2f;", "/")
        .replace("&amp;", "&")
}
