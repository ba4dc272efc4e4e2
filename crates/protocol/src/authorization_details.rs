//! `authorization_details` (RFC 9396 section 2): what is asked for in more words than a scope has,
//! as a JSON array of objects that each have a `type`.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// Longest text that is read, in bytes. An access token carries all of it, and a JWT of more than
/// 16 KiB is read by nobody here.
pub const BYTES_AT_MOST: usize = 8 * 1024;
/// Objects in one request.
const DETAILS_AT_MOST: usize = 20;
/// Objects and lists within each other.
const DEPTH_AT_MOST: usize = 8;
/// Values in all objects and lists together.
const VALUES_AT_MOST: usize = 500;

/// A list of authorization details.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AuthorizationDetails(Vec<Detail>);

/// One object of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>", into = "Map<String, Value>")]
pub struct Detail {
    kind: String,
    members: Map<String, Value>,
}

/// Why a text is not a list of authorization details, in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DetailsError(String);

fn wrong<T>(words: impl Into<String>) -> Result<T, DetailsError> {
    Err(DetailsError(words.into()))
}

impl AuthorizationDetails {
    /// Reads the parameter of a request: bounded in every way, and with no name twice in an
    /// object, so that nobody reads another value than we do.
    pub fn parse(text: &str) -> Result<Self, DetailsError> {
        if text.len() > BYTES_AT_MOST {
            return wrong(format!("it has {} bytes, at most {BYTES_AT_MOST} are read", text.len()));
        }
        let mut left = VALUES_AT_MOST;
        let strict = Strict { left: &mut left, depth: DEPTH_AT_MOST };
        let mut reader = serde_json::Deserializer::from_str(text);
        let read = strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
        let value = read.or_else(|problem| wrong(format!("it is refused: {problem}")))?;
        let Value::Array(all) = value else {
            return wrong("it is not a JSON array of objects");
        };
        if all.is_empty() || all.len() > DETAILS_AT_MOST {
            return wrong(format!(
                "it has {} objects, 1 to {DETAILS_AT_MOST} are taken",
                all.len()
            ));
        }
        let details = all.into_iter().map(|value| match value {
            Value::Object(members) => Detail::try_from(members),
            _ => wrong("one of its elements is no object"),
        });
        let details = Self(details.collect::<Result<_, _>>()?);
        // Written by us it may be longer: 1e15 is 1000000000000000.0.
        let written = details.to_json().len();
        if written > BYTES_AT_MOST {
            return wrong(format!("it comes to {written} bytes, at most {BYTES_AT_MOST} are kept"));
        }
        Ok(details)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Detail> {
        self.0.iter()
    }

    /// As the JSON array that goes over the wire.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'a> IntoIterator for &'a AuthorizationDetails {
    type Item = &'a Detail;
    type IntoIter = std::slice::Iter<'a, Detail>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Detail> for AuthorizationDetails {
    fn from_iter<I: IntoIterator<Item = Detail>>(details: I) -> Self {
        Self(details.into_iter().collect())
    }
}

impl Detail {
    /// `type`: what the other members mean.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// All members, `type` among them.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// `locations` (section 2.2): where it counts. None are named in a detail without them.
    pub fn locations(&self) -> impl Iterator<Item = &str> {
        let named = self.members.get("locations").and_then(Value::as_array);
        named.into_iter().flatten().filter_map(Value::as_str)
    }
}

impl TryFrom<Map<String, Value>> for Detail {
    type Error = DetailsError;

    fn try_from(members: Map<String, Value>) -> Result<Self, DetailsError> {
        match members.get("type").and_then(Value::as_str) {
            Some(kind) if !kind.is_empty() => Ok(Self { kind: kind.to_owned(), members }),
            _ => wrong("one of its objects has no 'type' that is text"),
        }
    }
}

impl From<Detail> for Map<String, Value> {
    fn from(detail: Detail) -> Self {
        detail.members
    }
}

/// Reads a JSON value within bounds.
struct Strict<'a> {
    left: &'a mut usize,
    depth: usize,
}

impl Strict<'_> {
    /// One level deeper, and one value more.
    fn inner<E: serde::de::Error>(&mut self) -> Result<Strict<'_>, E> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(E::custom(format!("more than {DEPTH_AT_MOST} levels")));
        };
        let Some(left) = self.left.checked_sub(1) else {
            return Err(E::custom(format!("more than {VALUES_AT_MOST} values")));
        };
        *self.left = left;
        Ok(Strict { left: self.left, depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(value) = items.next_element_seed(self.inner()?)? {
            all.push(value);
        }
        Ok(Value::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(self.inner()?)?;
            if all.contains_key(&name) {
                let name: String = name.chars().take(40).collect();
                return Err(A::Error::custom(format!("the member '{name}' comes twice")));
            }
            all.insert(name, value);
        }
        Ok(Value::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        AuthorizationDetails::parse(text).expect_err(text).to_string()
    }

    #[test]
    fn the_example_of_rfc_9396_2_1_is_read_and_written() {
        let text = r#"[{"type":"customer_information",
            "locations":["https://example.com/customers"],
            "actions":["read","write"],"datatypes":["contacts","photos"]}]"#;
        let details = AuthorizationDetails::parse(text).expect("the standard's own");
        let detail = details.iter().next().expect("one");
        assert_eq!(detail.kind(), "customer_information");
        assert_eq!(detail.locations().collect::<Vec<_>>(), ["https://example.com/customers"]);
        let json: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(serde_json::to_value(&details).expect("JSON"), json);
        let again: AuthorizationDetails = serde_json::from_value(json).expect("details");
        assert_eq!(again, details);
    }

    #[test]
    fn what_is_no_list_of_objects_with_a_type_is_refused_rfc_9396_2() {
        for text in [
            "",
            "[",
            "null",
            "{}",
            r#"{"type":"a"}"#,
            "[]",
            "[1]",
            "[[]]",
            "[{}]",
            r#"[{"type":1}]"#,
            r#"[{"type":""}]"#,
            r#"[{"type":"a"}] x"#,
            r#"[{"type":"a"}][]"#,
            r#"[{"type":"a","x":1e999}]"#,
            "[{\"type\":\"a\n\"}]",
            r#"[{"type":"\ud800"}]"#,
        ] {
            assert!(AuthorizationDetails::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_comes_once_in_an_object_at_every_depth() {
        assert!(problem(r#"[{"type":"a","type":"b"}]"#).contains("'type' comes twice"));
        assert!(problem(r#"[{"type":"a","x":{"y":[{"z":1,"z":1}]}}]"#).contains("'z'"));
        let escaped = r#"[{"type":"a","x":1,"\u0078":2}]"#;
        assert!(problem(escaped).contains("'x'"), "however it is written");
    }

    #[test]
    fn bytes_objects_depth_and_values_are_bounded() {
        let with = |x: &str| format!(r#"[{{"type":"a","x":{x}}}]"#);
        let nested = |levels: usize| with(&format!("{}{}", "[".repeat(levels), "]".repeat(levels)));
        assert!(AuthorizationDetails::parse(&nested(6)).is_ok());
        assert!(problem(&with(&format!("{}1{}", "[".repeat(7), "]".repeat(7)))).contains("levels"));
        assert!(!problem(&nested(3000)).is_empty());
        let many = |count: usize| with(&format!("[{}1]", "1,".repeat(count - 1)));
        assert!(AuthorizationDetails::parse(&many(400)).is_ok());
        assert!(problem(&many(600)).contains("values"));
        let long = with(&format!("\"{}\"", "x".repeat(BYTES_AT_MOST)));
        assert!(problem(&long).contains("bytes"));
        let objects = |count: usize| format!("[{}]", vec![r#"{"type":"a"}"#; count].join(","));
        assert!(AuthorizationDetails::parse(&objects(20)).is_ok());
        assert!(problem(&objects(21)).contains("21 objects"));
        let grows = with(&format!("[{}1]", "1e15,".repeat(490)));
        assert!(problem(&grows).contains("comes to"));
    }
}
