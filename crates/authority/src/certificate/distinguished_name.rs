//! Distinguished names: as text (RFC 4514) and as certificates have them, compared attribute by
//! attribute (RFC 5280 section 7.1), never as text.

use std::str::FromStr;

use x509_parser::asn1_rs::{Any, FromDer, Tag};
use x509_parser::x509::X509Name;

/// Longest name as text, in bytes.
const TEXT_AT_MOST: usize = 2048;

/// A name, beginning with what is the furthest from its bearer, as certificates have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DistinguishedName(Vec<Vec<Attribute>>);

/// A type by its number, and a value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attribute {
    oid: String,
    value: Value,
}

/// Text, made ready to be compared; or something else, in DER.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value {
    Text(String),
    Der(Vec<u8>),
}

/// Why text is not a distinguished name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DnError {
    /// A type that nobody has a number for.
    #[error("the attribute type '{0}' is not known; write it as its numbers, such as 2.5.4.97")]
    Type(String),
    /// Not as RFC 4514 has it.
    #[error(
        "it is not a distinguished name as RFC 4514 has it, such as CN=app,O=Example,C=CH: {0}"
    )]
    Malformed(&'static str),
}

/// RFC 4514 section 3, and what others write of certificates' attributes.
const TYPES: [(&str, &str); 34] = [
    ("CN", "2.5.4.3"),
    ("COMMONNAME", "2.5.4.3"),
    ("SN", "2.5.4.4"),
    ("SURNAME", "2.5.4.4"),
    ("SERIALNUMBER", "2.5.4.5"),
    ("C", "2.5.4.6"),
    ("COUNTRYNAME", "2.5.4.6"),
    ("L", "2.5.4.7"),
    ("LOCALITYNAME", "2.5.4.7"),
    ("ST", "2.5.4.8"),
    ("STATEORPROVINCENAME", "2.5.4.8"),
    ("STREET", "2.5.4.9"),
    ("STREETADDRESS", "2.5.4.9"),
    ("O", "2.5.4.10"),
    ("ORGANIZATIONNAME", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("ORGANIZATIONALUNITNAME", "2.5.4.11"),
    ("TITLE", "2.5.4.12"),
    ("BUSINESSCATEGORY", "2.5.4.15"),
    ("POSTALCODE", "2.5.4.17"),
    ("GN", "2.5.4.42"),
    ("GIVENNAME", "2.5.4.42"),
    ("DNQUALIFIER", "2.5.4.46"),
    ("PSEUDONYM", "2.5.4.65"),
    ("ORGANIZATIONIDENTIFIER", "2.5.4.97"),
    ("UID", "0.9.2342.19200300.100.1.1"),
    ("USERID", "0.9.2342.19200300.100.1.1"),
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("DOMAINCOMPONENT", "0.9.2342.19200300.100.1.25"),
    ("E", "1.2.840.113549.1.9.1"),
    ("EMAILADDRESS", "1.2.840.113549.1.9.1"),
    ("JURISDICTIONLOCALITYNAME", "1.3.6.1.4.1.311.60.2.1.1"),
    ("JURISDICTIONSTATEORPROVINCENAME", "1.3.6.1.4.1.311.60.2.1.2"),
    ("JURISDICTIONCOUNTRYNAME", "1.3.6.1.4.1.311.60.2.1.3"),
];

impl From<&X509Name<'_>> for DistinguishedName {
    fn from(name: &X509Name<'_>) -> Self {
        let attributes = name.iter_rdn().map(|part| {
            let attribute = part.iter().map(|it| Attribute {
                oid: it.attr_type().to_id_string(),
                value: Value::of(it.attr_value()),
            });
            in_order(attribute.collect())
        });
        Self(attributes.collect())
    }
}

/// Attributes that stand side by side have no order of their own.
fn in_order(mut attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes.sort();
    attributes
}

impl Value {
    fn of(value: &Any<'_>) -> Self {
        let bytes = value.as_bytes();
        let text = match value.tag() {
            Tag::Utf8String
            | Tag::PrintableString
            | Tag::Ia5String
            | Tag::NumericString
            | Tag::VisibleString => std::str::from_utf8(bytes).ok().map(str::to_owned),
            // Whoever still writes it means Latin-1.
            Tag::T61String => Some(bytes.iter().copied().map(char::from).collect()),
            Tag::BmpString if bytes.len().is_multiple_of(2) => {
                let units: Vec<u16> = bytes
                    .chunks_exact(2)
                    .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
                    .collect();
                String::from_utf16(&units).ok()
            }
            _ => None,
        };
        match text {
            Some(text) => Self::text(&text),
            None => Self::Der([&[u8::try_from(value.tag().0).unwrap_or(u8::MAX)], bytes].concat()),
        }
    }

    /// "case-insensitive … leading and trailing white space is ignored, one or more consecutive
    /// white space characters are one" (RFC 5280 section 7.1).
    fn text(text: &str) -> Self {
        Self::Text(text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase())
    }
}

impl FromStr for DistinguishedName {
    type Err = DnError;

    /// Spaces around separators are let pass, as most people write them.
    fn from_str(text: &str) -> Result<Self, DnError> {
        if text.len() > TEXT_AT_MOST {
            return Err(DnError::Malformed("it is too long"));
        }
        let mut reader = Reader { rest: text.as_bytes() };
        let mut parts = vec![Vec::new()];
        loop {
            let attribute = reader.attribute()?;
            if let Some(part) = parts.last_mut() {
                part.push(attribute);
            }
            match reader.next() {
                None => break,
                Some(b'+') => {}
                Some(_) => parts.push(Vec::new()),
            }
        }
        // "starting with the last element of the sequence" (section 2.1).
        Ok(Self(parts.into_iter().rev().map(in_order).collect()))
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn attribute(&mut self) -> Result<Attribute, DnError> {
        let equals = self.rest.iter().position(|byte| *byte == b'=');
        let at = equals.ok_or(DnError::Malformed("an attribute has no '='"))?;
        let oid = number(&self.rest[..at])?;
        self.rest = self.rest[at + 1..].trim_ascii_start();
        let value = match self.rest {
            [b'#', rest @ ..] => self.encoded(rest)?,
            _ => self.string()?,
        };
        Ok(Attribute { oid, value })
    }

    /// `#` and the value's DER in hexadecimal digits (section 2.4).
    fn encoded(&mut self, rest: &'a [u8]) -> Result<Value, DnError> {
        let end = rest.iter().position(|byte| b",+".contains(byte)).unwrap_or(rest.len());
        let wrong = DnError::Malformed("after '#' come the hexadecimal digits of a value in DER");
        let digits = rest[..end].trim_ascii_end();
        let byte = |pair: &[u8]| match pair {
            [high, low] => hex(*high, *low),
            _ => None,
        };
        let der = digits.chunks(2).map(byte).collect::<Option<Vec<_>>>().ok_or(wrong.clone())?;
        self.rest = &rest[end..];
        match Any::from_der(&der) {
            Ok(([], value)) => Ok(Value::of(&value)),
            _ => Err(wrong),
        }
    }

    /// Text with what is special escaped (section 2.4), up to a separator.
    fn string(&mut self) -> Result<Value, DnError> {
        let mut bytes = Vec::new();
        loop {
            match self.rest {
                [] | [b',' | b'+', ..] => break,
                [b'\\', high, low, rest @ ..] if hex(*high, *low).is_some() => {
                    bytes.extend(hex(*high, *low));
                    self.rest = rest;
                }
                [b'\\', special, rest @ ..] if b" \"#+,;<=>\\".contains(special) => {
                    bytes.push(*special);
                    self.rest = rest;
                }
                [b'\\', ..] => return Err(DnError::Malformed("a '\\' escapes nothing")),
                [b'"' | b';' | b'<' | b'>' | 0, ..] => {
                    return Err(DnError::Malformed("a special character is not escaped"));
                }
                [byte, rest @ ..] => {
                    bytes.push(*byte);
                    self.rest = rest;
                }
            }
        }
        let text = String::from_utf8(bytes).map_err(|_| DnError::Malformed("it is not UTF-8"))?;
        if text.trim().is_empty() {
            return Err(DnError::Malformed("a value is empty"));
        }
        Ok(Value::text(&text))
    }
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// The number of an attribute's type: written so, or known by its name.
fn number(name: &[u8]) -> Result<String, DnError> {
    let name = String::from_utf8_lossy(name).trim().to_ascii_uppercase();
    let dotted = name.strip_prefix("OID.").unwrap_or(&name);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if dotted.contains('.') && dotted.split('.').all(is_number) {
        return Ok(dotted.to_owned());
    }
    if !name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic()) {
        return Err(DnError::Malformed("an attribute has no type"));
    }
    let known = TYPES.iter().find(|(known, _)| *known == name);
    let unknown = || DnError::Type(name.chars().take(40).collect());
    known.map(|(_, oid)| (*oid).to_owned()).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use rcgen::{DnType, DnValue};

    use super::*;
    use crate::certificate::Certificate;
    use crate::certificate::testing::{Authority, issue};

    /// `C=CH, O=Example\, Inc., 2.5.4.97=PSD-1, CN=The App` as a certificate has it.
    fn subject() -> DistinguishedName {
        let issued = issue(&Authority::new("root"), |params| {
            let name = &mut params.distinguished_name;
            name.push(
                DnType::CountryName,
                DnValue::PrintableString("CH".try_into().expect("it is")),
            );
            name.push(DnType::OrganizationName, "Example, Inc.");
            name.push(DnType::CustomDnType(vec![2, 5, 4, 97]), "PSD-1");
            name.push(DnType::CommonName, DnValue::BmpString("The App".try_into().expect("it is")));
        });
        Certificate::parse(issued.der()).expect("good").subject()
    }

    fn name(text: &str) -> DistinguishedName {
        text.parse().unwrap_or_else(|problem| panic!("{text}: {problem}"))
    }

    #[test]
    fn one_name_has_many_texts_rfc_4514_2() {
        for text in [
            r"CN=The App,2.5.4.97=PSD-1,O=Example\, Inc.,C=CH",
            r"cn = the  app , organizationIdentifier=psd-1, o=Example\2C Inc. ,c=ch",
            r"CN=\54\68e App,OID.2.5.4.97=#0C055053442D31,O=Example\, Inc.,C=#13024348",
            "commonName=The App,2.5.4.97=#13055053442d31,O=Example\\2c\u{20}Inc.,C=CH",
        ] {
            assert_eq!(name(text), subject(), "{text}");
        }
    }

    #[test]
    fn another_name_is_another_rfc_8705_2_1_2() {
        for text in [
            r"C=CH,O=Example\, Inc.,2.5.4.97=PSD-1,CN=The App",
            r"CN=The App,2.5.4.97=PSD-1,O=Example\, Inc.",
            r"CN=The App",
            r"CN=The App,2.5.4.97=PSD-1,O=Example\, Inc.,C=CH,C=CH",
            r"CN=The App+2.5.4.97=PSD-1,O=Example\, Inc.,C=CH",
            r"CN=The Apps,2.5.4.97=PSD-1,O=Example\, Inc.,C=CH",
            r"O=The App,2.5.4.97=PSD-1,O=Example\, Inc.,C=CH",
            r"CN=The App\,2.5.4.97=PSD-1\,O=Example\, Inc.\,C=CH",
            r"CN=The App,2.5.4.97=PSD-1,O=Example\, Inc.,C=#04024348",
        ] {
            assert_ne!(name(text), subject(), "{text}");
        }
        assert_eq!(name("UID=a+CN=b,DC=x"), name("CN=b+UID=a,DC=x"), "side by side, in any order");
        assert_ne!(name(r"CN=a\+UID=b"), name("CN=a+UID=b"));
    }

    #[test]
    fn text_that_is_no_name_rfc_4514_3() {
        let malformed = ["", ",", "CN", "CN=", "CN= ", "CN=a,", "CN=a,,O=b", "CN=a+", "CN=a;O=b"];
        let escapes = ["CN=\"a\"", r"CN=a\", r"CN=a\zb", r"CN=\FF", "CN=a<b", "CN=#0", "CN=#0C05"];
        for text in malformed.iter().chain(&escapes).chain(&["CN=#zz", "CN=#", "CN=#0C0161ff"]) {
            assert!(
                matches!(text.parse::<DistinguishedName>(), Err(DnError::Malformed(_))),
                "{text}"
            );
        }
        for text in ["=a", "2.5..4=a", "2=a", " =a", "CN=a,+O=b"] {
            assert!(
                matches!(text.parse::<DistinguishedName>(), Err(DnError::Malformed(_))),
                "{text}"
            );
        }
        for text in ["XX=a", "CN X=a", "OID.=a"] {
            assert!(matches!(text.parse::<DistinguishedName>(), Err(DnError::Type(_))), "{text}");
        }
        let long = format!("CN={}", "a".repeat(TEXT_AT_MOST));
        assert!(long.parse::<DistinguishedName>().is_err());
    }
}
