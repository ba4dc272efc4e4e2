//! Types of authorization details: which fields one has and what stands in them (RFC 9396 section
//! 2.1). What a type does not define is refused (section 5).

use keystile_protocol::authorization_details::Detail;
use serde_json::{Map, Value};

use crate::rules::details_words::Sentence;

/// Fields that section 2.2 defines for all types, and whether each is a list. `locations` beside
/// them needs no definition: it names APIs.
pub const COMMON: [(&str, bool); 4] =
    [("actions", true), ("datatypes", true), ("privileges", true), ("identifier", false)];
/// Elements of a list.
const ELEMENTS_AT_MOST: usize = 50;
/// Integers up to here are the same number for everybody who reads JSON (RFC 7493 section 2.2).
const NUMBER_AT_MOST: f64 = 9_007_199_254_740_991.0;

/// A type that the operator defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetailsType {
    /// `type` on the wire.
    pub name: String,
    /// What it is about, in words, for the consent page: "Make a payment".
    pub title: String,
    /// The most important of it in a sentence.
    pub sentence: Option<Sentence>,
    /// The APIs that it is for; empty means those that a request names.
    pub locations: Vec<String>,
    /// Whether a client may have it for itself, with no user asked (RFC 6749 section 4.4).
    pub client_credentials: bool,
    /// All that may stand in it beside `type` and `locations`.
    pub fields: Vec<Field>,
}

/// A field of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name on the wire.
    pub name: String,
    /// Its name for people.
    pub label: Option<String>,
    /// Whether it has to be there.
    pub required: bool,
    /// What stands in it.
    pub kind: Kind,
}

/// What stands in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text(TextRule),
    /// Some texts.
    Texts(TextRule),
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// An object of these fields.
    Object(Vec<Field>),
    /// Some objects of these fields.
    Objects(Vec<Field>),
}

/// Which texts may stand in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRule {
    /// Longest one, in characters.
    pub at_most: usize,
    /// The only ones; any, if there are none.
    pub values: Vec<String>,
}

/// Whether a detail of the type is as the type has it; what is wrong otherwise, in words.
pub fn check(detail: &Detail, of: &DetailsType) -> Result<(), String> {
    let mut members = detail.members().clone();
    members.remove("type");
    if let Some(locations) = members.remove("locations") {
        let any = TextRule { at_most: usize::MAX, values: Vec::new() };
        texts(&locations, &any, "locations")?;
    }
    object(&members, &of.fields, "")
}

fn object(members: &Map<String, Value>, fields: &[Field], within: &str) -> Result<(), String> {
    if let Some(unknown) = members.keys().find(|name| fields.iter().all(|f| f.name != **name)) {
        return Err(format!("the field '{within}{}' is none of this type", cut(unknown)));
    }
    for field in fields {
        let path = format!("{within}{}", field.name);
        match members.get(&field.name) {
            Some(value) => has_its_kind(value, &field.kind, &path)?,
            None if field.required => return Err(format!("the field '{path}' is missing")),
            None => {}
        }
    }
    Ok(())
}

fn has_its_kind(value: &Value, kind: &Kind, path: &str) -> Result<(), String> {
    let is_not = |what: &str| Err(format!("the field '{path}' is not {what}"));
    match (kind, value) {
        (Kind::Text(rule), value) => text(value, rule, path),
        (Kind::Texts(rule), value) => texts(value, rule, path),
        (Kind::Number, Value::Number(number)) => match number.as_f64() {
            Some(number) if number.abs() <= NUMBER_AT_MOST => Ok(()),
            _ => is_not("a number that everybody reads alike; send it as text"),
        },
        (Kind::Number, _) => is_not("a number"),
        (Kind::Boolean, Value::Bool(_)) => Ok(()),
        (Kind::Boolean, _) => is_not("true or false"),
        (Kind::Object(fields), Value::Object(members)) if !members.is_empty() => {
            object(members, fields, &format!("{path}."))
        }
        (Kind::Object(_), _) => is_not("an object with something in it"),
        (Kind::Objects(fields), Value::Array(all)) if is_some(all) => {
            all.iter().enumerate().try_for_each(|(index, one)| match one {
                Value::Object(members) => object(members, fields, &format!("{path}.{index}.")),
                _ => is_not("a list of objects"),
            })
        }
        (Kind::Objects(_), _) => is_not("a list of 1 to 50 objects"),
    }
}

fn is_some(list: &[Value]) -> bool {
    (1..=ELEMENTS_AT_MOST).contains(&list.len())
}

fn texts(value: &Value, rule: &TextRule, path: &str) -> Result<(), String> {
    match value {
        Value::Array(all) if is_some(all) => all.iter().try_for_each(|one| text(one, rule, path)),
        _ => Err(format!("the field '{path}' is not a list of 1 to {ELEMENTS_AT_MOST} texts")),
    }
}

fn text(value: &Value, rule: &TextRule, path: &str) -> Result<(), String> {
    let wrong = |words: String| Err(format!("the field '{path}' {words}"));
    let Value::String(text) = value else { return wrong("is not text".to_owned()) };
    if text.trim().is_empty() {
        return wrong("is empty; leave it out".to_owned());
    }
    if text.chars().count() > rule.at_most {
        return wrong(format!("has more than {} characters", rule.at_most));
    }
    if text.contains(misleads) {
        return wrong("has characters that nobody sees, or that turn others around".to_owned());
    }
    if !rule.values.is_empty() && !rule.values.contains(text) {
        return wrong(format!("is '{}', none of: {}", cut(text), rule.values.join(", ")));
    }
    Ok(())
}

/// What would make a person read something else than the API: control characters, invisible ones,
/// and those that turn the direction of what follows (100 would show as 001). Marks that scripts
/// need for themselves, such as U+200D and U+200F, are none of these.
fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{200b}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn checked(change: &[(&str, Value)]) -> Result<(), String> {
        let mut members = fixtures::payment();
        for (name, value) in change {
            members[*name] = value.clone();
        }
        let members = members.as_object_mut().expect("one");
        members.retain(|_, value| *value != json!("left out"));
        let detail = Detail::try_from(members.clone()).expect("it has a type");
        check(&detail, &fixtures::payment_type())
    }

    #[test]
    fn what_a_type_does_not_define_is_refused_rfc_9396_5() {
        let amount = |amount: Value| ("instructedAmount", amount);
        let cases = [
            // An unknown field.
            (("more", json!(1)), "'more' is none"),
            (amount(json!({"currency": "EUR", "amount": "1", "x": 1})), "'instructedAmount.x'"),
            (("datatypes", json!(["a"])), "'datatypes' is none"),
            // A required field is missing.
            (("creditorName", json!("left out")), "'creditorName' is missing"),
            (amount(json!({"currency": "EUR"})), "'instructedAmount.amount' is missing"),
            // The wrong type.
            (("creditorName", json!(1)), "not text"),
            (("creditorName", json!(["a"])), "not text"),
            (("creditorName", Value::Null), "not text"),
            (amount(json!("1 EUR")), "not an object"),
            (amount(json!({})), "not an object"),
            (amount(json!([])), "not an object"),
            (("urgent", json!("yes")), "not true or false"),
            (("copies", json!("1")), "not a number"),
            (("copies", json!(1e17)), "reads alike"),
            (("copies", json!(9_007_199_254_740_993_u64)), "reads alike"),
            (("actions", json!("initiate")), "not a list"),
            (("actions", json!([])), "not a list"),
            (("actions", json!([1])), "not text"),
            (("locations", json!("https://pay.example")), "not a list"),
            (("documents", json!([])), "list of 1 to 50 objects"),
            (("documents", json!([1])), "list of objects"),
            (("documents", json!([{"hash": "a"}, {}])), "'documents.1.hash' is missing"),
            // An invalid value.
            (("actions", json!(["initiate", "steal"])), "is 'steal', none of: initiate, status"),
            (amount(json!({"currency": "EURO", "amount": "1"})), "more than 3 characters"),
            (("creditorName", json!("")), "is empty"),
            (("creditorName", json!(" ")), "is empty"),
            (("creditorName", json!("a\nb")), "nobody sees"),
            (("creditorName", json!("a\u{202e}b")), "turn others around"),
            (("creditorName", json!("a\u{200b}b")), "nobody sees"),
        ];
        for (change, words) in cases {
            let problem = checked(std::slice::from_ref(&change)).expect_err(words);
            assert!(problem.contains(words), "{change:?}: {problem}");
        }
    }

    #[test]
    fn what_a_type_defines_is_taken_rfc_9396_2() {
        assert_eq!(checked(&[]), Ok(()));
        for change in [
            ("urgent", json!(true)),
            ("copies", json!(-2.5)),
            ("actions", json!(["status"])),
            ("documents", json!([{"hash": "a"}, {"hash": "b", "label": "Contract"}])),
            ("creditorName", json!("\u{5e9}\u{5dc}\u{5d5}\u{5dd} & <b>\u{200f}")),
            ("locations", json!(["https://pay.example"])),
        ] {
            assert_eq!(checked(std::slice::from_ref(&change)), Ok(()), "{change:?}");
        }
    }
}
