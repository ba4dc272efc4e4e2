//! `[[authorization_details]]`.

use keystile_authority::policy::Policy;
use keystile_authority::rules::details_types::{COMMON, DetailsType, Field, Kind, TextRule};
use keystile_authority::rules::details_words::Sentence;

use super::file;
use super::source::{Place, SettingsError, nearest};

/// Characters of a text where the file says nothing.
const TEXT: usize = 200;
/// Characters of a text at most: a person has to read it.
const TEXT_AT_MOST: usize = 2000;
/// Objects within objects.
const DEPTH_AT_MOST: usize = 4;
const KINDS: &str = "text, texts, number, boolean, object or objects";

/// Adds the file's types of authorization details.
pub(super) fn add_types(
    policy: &mut Policy,
    types: &[file::DetailsType],
    root: &Place<'_>,
) -> Result<(), SettingsError> {
    for (index, of) in types.iter().enumerate() {
        let place = root.key("authorization_details").index(index);
        let of = details_type(of, policy, &place)?;
        if policy.details_type(&of.name).is_some() {
            return place.key("type").wrong(format!("there are two types '{}'", of.name));
        }
        policy.details_types.push(of);
    }
    Ok(())
}

fn details_type(
    of: &file::DetailsType,
    policy: &Policy,
    place: &Place<'_>,
) -> Result<DetailsType, SettingsError> {
    if of.name.is_empty() || of.name.len() > 200 || of.name.contains(char::is_control) {
        return place
            .key("type")
            .wrong("it is missing: 1 to 200 bytes, such as payment_initiation");
    }
    if of.title.trim().is_empty() || of.title.chars().count() > 100 {
        return place.key("title").wrong(
            "it is missing: what people are asked, in 1 to 100 characters, such as Make a payment",
        );
    }
    let locations = place.key("locations");
    if let Some(unknown) = of.locations.iter().find(|at| policy.api(at).is_none()) {
        return locations.wrong(format!(
            "there is no API '{unknown}'; an [[apis]] table with that audience makes one"
        ));
    }
    let fields = fields(&of.fields, 1, &place.key("fields"))?;
    let sentence = of.words.as_deref().map(|words| Sentence::parse(words, &fields)).transpose();
    Ok(DetailsType {
        name: of.name.clone(),
        title: of.title.clone(),
        sentence: sentence.or_else(|problem| place.key("words").wrong(problem))?,
        locations: of.locations.clone(),
        client_credentials: of.client_credentials,
        fields,
    })
}

fn fields(
    all: &[file::DetailsField],
    depth: usize,
    place: &Place<'_>,
) -> Result<Vec<Field>, SettingsError> {
    if depth > DEPTH_AT_MOST {
        return place.wrong(format!("more than {DEPTH_AT_MOST} objects within each other"));
    }
    let mut fields: Vec<Field> = Vec::new();
    for (index, entry) in all.iter().enumerate() {
        let place = place.index(index);
        let name = &entry.name;
        if name.is_empty() || name.contains(['.', '{', '}']) || name.contains(char::is_control) {
            return place.key("name").wrong("a field has a name, without . { and }");
        }
        if depth == 1 && (name == "type" || name == "locations") {
            return place
                .key("name")
                .wrong(format!("'{name}' stands in every type by itself (RFC 9396 section 2)"));
        }
        if fields.iter().any(|earlier| earlier.name == *name) {
            return place.key("name").wrong(format!("there are two fields '{name}'"));
        }
        let kind = kind(entry, depth, &place)?;
        if depth == 1 {
            as_the_standard_has_it(name, &kind, &place)?;
        }
        let (label, required) = (entry.label.clone(), entry.required);
        fields.push(Field { name: name.clone(), label, required, kind });
    }
    Ok(fields)
}

fn kind(
    entry: &file::DetailsField,
    depth: usize,
    place: &Place<'_>,
) -> Result<Kind, SettingsError> {
    let text =
        || TextRule { at_most: entry.max_length.unwrap_or(TEXT), values: entry.values.clone() };
    let inner = || fields(&entry.fields, depth + 1, &place.key("fields"));
    let kind = match entry.kind.as_deref() {
        None | Some("text") => Kind::Text(text()),
        Some("texts") => Kind::Texts(text()),
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("object") => Kind::Object(inner()?),
        Some("objects") => Kind::Objects(inner()?),
        Some(other) => return place.key("kind").wrong(format!("'{other}' is none of {KINDS}")),
    };
    let is_text = matches!(kind, Kind::Text(_) | Kind::Texts(_));
    if !is_text && entry.max_length.is_some() {
        return place.key("max_length").wrong("only text has a length");
    }
    if !is_text && !entry.values.is_empty() {
        return place.key("values").wrong("only text has values to choose from");
    }
    if entry.max_length.is_some_and(|length| !(1..=TEXT_AT_MOST).contains(&length)) {
        return place.key("max_length").wrong(format!("it is from 1 to {TEXT_AT_MOST} characters"));
    }
    let is_object = matches!(kind, Kind::Object(_) | Kind::Objects(_));
    if is_object == entry.fields.is_empty() {
        return place.key("fields").wrong("an object has fields, and nothing else has");
    }
    Ok(kind)
}

/// A common field is what it is in every type (RFC 9396 section 2.2).
fn as_the_standard_has_it(name: &str, kind: &Kind, place: &Place<'_>) -> Result<(), SettingsError> {
    let expected = COMMON.iter().find(|(common, _)| *common == name);
    match (expected, kind) {
        (Some((_, true)), Kind::Texts(_)) | (Some((_, false)), Kind::Text(_)) | (None, _) => Ok(()),
        (Some((_, list)), _) => place.key("kind").wrong(format!(
            "'{name}' is of the kind {} (RFC 9396 section 2.2)",
            if *list { "texts" } else { "text" }
        )),
    }
}

/// What is wrong with a type that a client names and that does not exist.
pub(crate) fn unknown_type(types: &[String], policy: &Policy) -> Option<String> {
    let unknown = types.iter().find(|name| policy.details_type(name).is_none())?;
    let known = policy.details_types.iter().map(|of| of.name.as_str());
    let hint = match nearest(unknown, known) {
        Some(nearest) => format!(" (the nearest is '{nearest}')"),
        None => String::new(),
    };
    Some(format!(
        "there is no type '{unknown}'{hint}; an [[authorization_details]] table in the \
         configuration file makes one"
    ))
}
