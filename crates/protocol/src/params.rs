//! Request parameters as they arrive: form encoded, unchecked, possibly repeated.

use std::ops::Range;

use crate::encoding::{form_decode_onto, percent_encode};

/// More parameters than this are no honest request.
const PARAMETERS_AT_MOST: usize = 100;

/// The parameters of a query or a form body, in the order in which they came.
///
/// A value that is not UTF-8 is kept as a fact about that parameter, so that an error in one
/// parameter can still be told to a client that the others identify.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Params {
    /// All names and values, decoded, one after another and with nothing between them.
    text: String,
    /// Where in it they are.
    places: Vec<(Range<usize>, Option<Range<usize>>)>,
}

/// What is wrong with a parameter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamError {
    /// "Parameters MUST NOT be included more than once" (RFC 6749 section 3.1).
    #[error("the parameter '{0}' is repeated; send it once")]
    Repeated(&'static str),
    /// Needed and absent, or empty: "sent without a value MUST be treated as if omitted".
    #[error("the parameter '{0}' is missing")]
    Missing(&'static str),
    /// Bytes that are no text.
    #[error("the parameter '{0}' is not valid UTF-8")]
    NotUtf8(&'static str),
    /// Outside of what the standard allows in this parameter.
    #[error("the parameter '{name}' is malformed: {problem}")]
    Malformed {
        /// The parameter.
        name: &'static str,
        /// What is wrong with it, in words.
        problem: String,
    },
    /// More than `PARAMETERS_AT_MOST` of them.
    #[error("there are more than {PARAMETERS_AT_MOST} parameters")]
    TooMany,
}

impl ParamError {
    /// [`ParamError::Malformed`] from whatever says what is wrong.
    pub fn malformed(name: &'static str, problem: impl ToString) -> Self {
        Self::Malformed { name, problem: problem.to_string() }
    }
}

impl Params {
    /// Takes apart `application/x-www-form-urlencoded` text.
    pub fn parse(encoded: &[u8]) -> Result<Self, ParamError> {
        let (text, places) = (String::with_capacity(encoded.len()), Vec::with_capacity(16));
        let (mut params, mut decoded) = (Self { text, places }, Vec::with_capacity(encoded.len()));
        for piece in encoded.split(|&byte| byte == b'&').filter(|piece| !piece.is_empty()) {
            if params.places.len() == PARAMETERS_AT_MOST {
                return Err(ParamError::TooMany);
            }
            let (name, value) = match piece.iter().position(|&byte| byte == b'=') {
                Some(at) => (&piece[..at], &piece[at + 1..]),
                None => (piece, &b""[..]),
            };
            decoded.clear();
            form_decode_onto(name, &mut decoded);
            let name_ends = decoded.len();
            form_decode_onto(value, &mut decoded);
            let (name, value) = decoded.split_at(name_ends);
            // A name that is no text is none that we know.
            if let Ok(name) = str::from_utf8(name) {
                params.push(name, str::from_utf8(value).ok());
            }
        }
        Ok(params)
    }

    fn push(&mut self, name: &str, value: Option<&str>) {
        let name = self.keep(name);
        let value = value.map(|value| self.keep(value));
        self.places.push((name, value));
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let from = self.text.len();
        self.text.push_str(text);
        from..self.text.len()
    }

    /// The values of the parameters of that name.
    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Option<&'a str>> + Clone {
        let bytes = self.text.as_bytes();
        // Of most names the lengths differ already.
        let found = self.places.iter().filter(move |(place, _)| {
            place.len() == name.len() && bytes[place.clone()] == *name.as_bytes()
        });
        found.map(|(_, value)| value.as_ref().map(|value| &self.text[value.clone()]))
    }

    fn pairs(&self) -> impl Iterator<Item = (&str, Option<&str>)> + Clone {
        let text = |place: &Range<usize>| &self.text[place.clone()];
        self.places.iter().map(move |(name, value)| (text(name), value.as_ref().map(text)))
    }

    /// The value of a parameter that may come once; nothing where it is absent or empty.
    pub fn optional(&self, name: &'static str) -> Result<Option<&str>, ParamError> {
        let mut found = self.named(name);
        let value = found.next();
        if found.next().is_some() {
            return Err(ParamError::Repeated(name));
        }
        match value {
            None => Ok(None),
            Some(None) => Err(ParamError::NotUtf8(name)),
            Some(Some(value)) => Ok(Some(value).filter(|value| !value.is_empty())),
        }
    }

    /// The value of a parameter that must come once.
    pub fn required(&self, name: &'static str) -> Result<&str, ParamError> {
        self.optional(name)?.ok_or(ParamError::Missing(name))
    }

    /// A parameter's value turned into one of the types of [`crate::values`].
    pub fn optional_as<'a, T>(&'a self, name: &'static str) -> Result<Option<T>, ParamError>
    where
        T: TryFrom<&'a str>,
        T::Error: ToString,
    {
        let parse = |value| T::try_from(value).map_err(|e| ParamError::malformed(name, e));
        self.optional(name)?.map(parse).transpose()
    }

    /// As [`Self::optional_as`], for a parameter that must be there.
    pub fn required_as<'a, T>(&'a self, name: &'static str) -> Result<T, ParamError>
    where
        T: TryFrom<&'a str>,
        T::Error: ToString,
    {
        self.optional_as(name)?.ok_or(ParamError::Missing(name))
    }

    /// All values of a parameter that may be repeated (`resource`, RFC 8707 section 2).
    pub fn all(&self, name: &'static str) -> Result<Vec<&str>, ParamError> {
        let values = self.named(name);
        if values.clone().any(|value| value.is_none()) {
            return Err(ParamError::NotUtf8(name));
        }
        Ok(values.flatten().filter(|value| !value.is_empty()).collect())
    }

    /// Whether the parameter came at all, well formed or not.
    pub fn has(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// The same parameters without those of these names.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let mut kept = Self::default();
        for (name, value) in self.pairs().filter(|(key, _)| !names.contains(key)) {
            kept.push(name, value);
        }
        kept
    }

    /// The same parameters and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.push(name, Some(value));
        self
    }

    /// The same parameters, and those of `other` that have none of these names and none of those
    /// that are here already.
    pub fn filled_from(mut self, other: &Self, but: &[&str]) -> Result<Self, ParamError> {
        let own: Vec<String> = self.pairs().map(|(name, _)| name.to_owned()).collect();
        let is_new = |name: &str| !but.contains(&name) && !own.iter().any(|own| own == name);
        for (name, value) in other.pairs().filter(|(name, _)| is_new(name)) {
            self.push(name, value);
        }
        if self.places.len() > PARAMETERS_AT_MOST {
            return Err(ParamError::TooMany);
        }
        Ok(self)
    }

    /// The same parameters, form encoded; those that were no text are left out.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        for (name, value) in self.pairs() {
            let Some(value) = value else { continue };
            append(&mut out, name, value);
        }
        out
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Params {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut params = Self::default();
        for (name, value) in pairs {
            params.push(name.as_ref(), Some(value.as_ref()));
        }
        params
    }
}

fn append(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push('&');
    }
    percent_encode(name, out);
    out.push('=');
    percent_encode(value, out);
}

/// `uri` with the parameters added to its query, which it keeps (RFC 6749 section 3.1.2).
pub fn with_query(uri: &str, pairs: &[(&str, &str)]) -> String {
    let mut query = String::with_capacity(256);
    for (name, value) in pairs {
        append(&mut query, name, value);
    }
    let joint = match uri.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, existing)) if existing.ends_with('&') => "",
        Some(_) => "&",
    };
    [uri, joint, &query].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Params {
        Params::parse(text.as_bytes()).expect("few parameters")
    }

    #[test]
    fn a_repeated_parameter_is_an_error_rfc_6749_3_1() {
        let params = parse("a=1&b=2&a=1");
        assert_eq!(params.optional("a"), Err(ParamError::Repeated("a")));
        assert_eq!(params.optional("b"), Ok(Some("2")));
        assert_eq!(params.all("a"), Ok(vec!["1", "1"]));
    }

    #[test]
    fn an_empty_parameter_counts_as_omitted_rfc_6749_3_1() {
        for text in ["a=", "a", "", "b=1"] {
            assert_eq!(parse(text).optional("a"), Ok(None), "{text}");
        }
        assert_eq!(parse("a=").required("a"), Err(ParamError::Missing("a")));
        assert_eq!(parse("a=&a=1").optional("a"), Err(ParamError::Repeated("a")));
    }

    #[test]
    fn broken_utf8_spoils_its_own_parameter_alone() {
        let params = parse("a=%FF&b=1&%FF=2");
        assert_eq!(params.optional("a"), Err(ParamError::NotUtf8("a")));
        assert_eq!(params.all("a"), Err(ParamError::NotUtf8("a")));
        assert_eq!(params.optional("b"), Ok(Some("1")));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        assert_eq!(Params::parse("a&".repeat(101).as_bytes()), Err(ParamError::TooMany));
        assert!(Params::parse("a&".repeat(100).as_bytes()).is_ok());
    }

    #[test]
    fn parameters_are_left_out_added_and_filled_in() {
        let params = parse("a=1&b=2&b=3");
        assert_eq!(params.without(&["b"]).with("c", "4").encode(), "a=1&c=4");
        let filled = params.filled_from(&parse("a=9&c=5&c=6&d=7"), &["d"]).expect("few");
        assert_eq!(filled.encode(), "a=1&b=2&b=3&c=5&c=6");
        let many = Params::parse("x&".repeat(100).as_bytes()).expect("just so many");
        assert_eq!(parse("a=1").filled_from(&many, &[]), Err(ParamError::TooMany));
    }

    #[test]
    fn encoding_round_trips() {
        let params = parse("a=1%262&b=%C3%A9+x&a=3");
        assert_eq!(parse(&params.encode()), params);
    }

    #[test]
    fn a_query_that_is_there_is_kept_rfc_6749_3_1_2() {
        let cases = [
            ("https://a/", "https://a/?x=1%202"),
            ("https://a/?k=v", "https://a/?k=v&x=1%202"),
            ("https://a/?", "https://a/?x=1%202"),
            ("com.example:/cb", "com.example:/cb?x=1%202"),
        ];
        for (uri, expected) in cases {
            assert_eq!(with_query(uri, &[("x", "1 2")]), expected);
        }
    }
}
