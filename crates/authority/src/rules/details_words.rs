//! Authorization details in words, for the person who is asked (RFC 9396 section 12): a sentence of
//! the operator's, and a table of everything that the sentence does not say.

use keystile_protocol::authorization_details::Detail;
use serde_json::{Map, Value};

use crate::rules::details_types::{COMMON, DetailsType, Field, Kind};

/// Longest sentence, in characters.
const SENTENCE_AT_MOST: usize = 300;

/// A sentence with places for fields: "Pay {amount} to {creditorName}".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Words(String),
    /// The names that lead to a field.
    Field(Vec<String>),
}

impl Sentence {
    /// Reads a sentence about these fields; what is wrong with it otherwise.
    pub fn parse(text: &str, fields: &[Field]) -> Result<Self, String> {
        if text.trim().is_empty() || text.chars().count() > SENTENCE_AT_MOST {
            return Err(format!("a sentence has 1 to {SENTENCE_AT_MOST} characters"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((words, after)) = rest.split_once('{') {
            let Some((path, after)) = after.split_once('}') else {
                return Err("there is a { without its }".to_owned());
            };
            parts.push(Part::Words(words.to_owned()));
            parts.push(Part::Field(leading_to_words(path, fields)?));
            rest = after;
        }
        parts.push(Part::Words(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The sentence about a detail; nothing if that lacks one of the fields.
    fn about(&self, members: &Map<String, Value>) -> Option<Vec<Phrase>> {
        let phrase = |part: &Part| match part {
            Part::Words(words) => Some(Phrase::Words(words.clone())),
            Part::Field(path) => {
                let (first, rest) = path.split_first()?;
                let value =
                    rest.iter().try_fold(members.get(first)?, |value, name| value.get(name));
                Some(Phrase::Value(plain(value?)))
            }
        };
        self.0.iter().map(phrase).collect()
    }

    fn says(&self, path: &[String]) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Field(said) if said == path))
    }
}

/// The names of a path, if it leads to something that can stand in a sentence.
fn leading_to_words(path: &str, fields: &[Field]) -> Result<Vec<String>, String> {
    let (mut names, mut fields) = (Vec::new(), fields);
    let mut steps = path.split('.').peekable();
    while let Some(name) = steps.next() {
        names.push(name.to_owned());
        match fields.iter().find(|field| field.name == name).map(|field| &field.kind) {
            Some(Kind::Object(inner)) if steps.peek().is_some() => fields = inner,
            Some(Kind::Text(_) | Kind::Texts(_) | Kind::Number) if steps.peek().is_none() => {}
            _ => return Err(format!("'{path}' leads to no field that is text or a number")),
        }
    }
    Ok(names)
}

/// A detail as the consent page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownDetail {
    /// The type's title.
    pub title: String,
    /// The sentence, or nothing.
    pub sentence: Vec<Phrase>,
    /// All that the sentence does not say.
    pub rows: Vec<Row>,
}

/// A piece of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phrase {
    /// The operator's words.
    Words(String),
    /// What the app put in.
    Value(String),
}

/// A field in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is.
    pub label: Label,
    /// What stands in it.
    pub values: Vec<ShownValue>,
}

/// What a field is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Label {
    /// A common field of RFC 9396 section 2.2, for which the pages have words.
    Common(&'static str),
    /// The operator's words, or the name on the wire.
    Own(String),
}

/// A value in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownValue {
    /// A text or a number.
    Text(String),
    /// Yes or no.
    Flag(bool),
}

/// A detail in words.
pub fn show(detail: &Detail, of: &DetailsType) -> ShownDetail {
    let members = detail.members();
    let said = of.sentence.as_ref().and_then(|sentence| {
        let phrases = sentence.about(members)?;
        Some((sentence, phrases))
    });
    let mut table =
        Table { sentence: said.as_ref().map(|(sentence, _)| *sentence), rows: Vec::new() };
    table.add(&[], &[], &of.fields, members);
    let locations: Vec<_> = detail.locations().map(|at| ShownValue::Text(at.to_owned())).collect();
    if !locations.is_empty() {
        table.rows.push(Row { label: Label::Common("locations"), values: locations });
    }
    ShownDetail {
        title: of.title.clone(),
        rows: table.rows,
        sentence: said.map(|(_, phrases)| phrases).unwrap_or_default(),
    }
}

struct Table<'a> {
    sentence: Option<&'a Sentence>,
    rows: Vec<Row>,
}

impl Table<'_> {
    /// Adds what is in an object: `path` leads to it, and `labels` say so to people.
    fn add(
        &mut self,
        path: &[String],
        labels: &[String],
        fields: &[Field],
        members: &Map<String, Value>,
    ) {
        for field in fields {
            let Some(value) = members.get(&field.name) else { continue };
            let path = [path, std::slice::from_ref(&field.name)].concat();
            if self.sentence.is_some_and(|sentence| sentence.says(&path)) {
                continue;
            }
            let label = field.label.as_ref().unwrap_or(&field.name).clone();
            let labels = [labels, &[label]].concat();
            match (&field.kind, value) {
                (Kind::Object(inner), Value::Object(members)) => {
                    self.add(&path, &labels, inner, members);
                }
                (Kind::Objects(inner), Value::Array(all)) => {
                    for (index, one) in all.iter().enumerate() {
                        let Value::Object(members) = one else { continue };
                        let number = [(index + 1).to_string()];
                        let (path, labels) = ([&path[..], &number], [&labels[..], &number]);
                        self.add(&path.concat(), &labels.concat(), inner, members);
                    }
                }
                (_, value) => {
                    let (label, values) = (called(field, &labels), shown(value));
                    self.rows.push(Row { label, values });
                }
            }
        }
    }
}

fn called(field: &Field, labels: &[String]) -> Label {
    let common = COMMON.iter().map(|(name, _)| *name).find(|name| *name == field.name);
    match common {
        Some(name) if field.label.is_none() && labels.len() == 1 => Label::Common(name),
        _ => Label::Own(labels.join(" \u{b7} ")),
    }
}

fn shown(value: &Value) -> Vec<ShownValue> {
    match value {
        Value::Array(all) => all.iter().flat_map(shown).collect(),
        Value::Bool(flag) => vec![ShownValue::Flag(*flag)],
        other => vec![ShownValue::Text(plain(other))],
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn shown_with(change: &[(&str, Value)]) -> ShownDetail {
        let mut members = fixtures::payment();
        for (name, value) in change {
            members[*name] = value.clone();
        }
        let members = members.as_object().expect("one").clone();
        show(&Detail::try_from(members).expect("it has a type"), &fixtures::payment_type())
    }

    fn sentence(shown: &ShownDetail) -> String {
        let phrase = |phrase: &Phrase| match phrase {
            Phrase::Words(words) => words.clone(),
            Phrase::Value(value) => format!("[{value}]"),
        };
        shown.sentence.iter().map(phrase).collect()
    }

    fn rows(shown: &ShownDetail) -> Vec<String> {
        let row = |row: &Row| {
            let label = match &row.label {
                Label::Common(name) => format!("<{name}>"),
                Label::Own(label) => label.clone(),
            };
            format!("{label}: {:?}", row.values).replace("Text", "").replace("Flag", "")
        };
        shown.rows.iter().map(row).collect()
    }

    #[test]
    fn the_sentence_and_the_table_together_say_everything_rfc_9396_12() {
        let shown = shown_with(&[
            ("actions", json!(["initiate", "status"])),
            ("urgent", json!(false)),
            ("copies", json!(2)),
            ("documents", json!([{"hash": "a"}, {"hash": "b", "label": "Contract"}])),
            ("creditorAccount", json!({"iban": "DE02"})),
            ("locations", json!(["https://pay.example"])),
        ]);
        assert_eq!(shown.title, "Make a payment");
        assert_eq!(sentence(&shown), "Pay [123.50] [EUR] to [Merchant A].");
        assert_eq!(
            rows(&shown),
            [
                "Account of the payee \u{b7} IBAN: [(\"DE02\")]",
                "<actions>: [(\"initiate\"), (\"status\")]",
                "Right away: [(false)]",
                "copies: [(\"2\")]",
                "documents \u{b7} 1 \u{b7} hash: [(\"a\")]",
                "documents \u{b7} 2 \u{b7} hash: [(\"b\")]",
                "documents \u{b7} 2 \u{b7} label: [(\"Contract\")]",
                "<locations>: [(\"https://pay.example\")]",
            ]
        );
    }

    #[test]
    fn a_sentence_that_lacks_a_field_is_left_out_and_the_table_says_all() {
        let of = DetailsType {
            sentence: Sentence::parse(
                "To {creditorAccount.iban}",
                &fixtures::payment_type().fields,
            )
            .ok(),
            ..fixtures::payment_type()
        };
        let members = fixtures::payment().as_object().expect("one").clone();
        let shown = show(&Detail::try_from(members).expect("it has a type"), &of);
        assert!(shown.sentence.is_empty());
        assert_eq!(shown.rows.len(), 3, "{:?}", shown.rows);
    }

    #[test]
    fn a_sentence_names_fields_that_can_stand_in_it() {
        let fields = fixtures::payment_type().fields;
        let good = ["Pay.", "{creditorName}", "{instructedAmount.amount}{copies}", "{actions} }"];
        for text in good {
            assert!(Sentence::parse(text, &fields).is_ok(), "{text}");
        }
        for text in [
            "",
            " ",
            "{creditorName",
            "{}",
            "{nothing}",
            "{instructedAmount}",
            "{instructedAmount.}",
            "{instructedAmount.nothing}",
            "{creditorName.more}",
            "{documents.hash}",
            "{urgent}",
            &"x".repeat(301),
        ] {
            assert!(Sentence::parse(text, &fields).is_err(), "{text}");
        }
    }
}
