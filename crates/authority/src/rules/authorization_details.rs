//! Rich authorization requests (RFC 9396): what may be asked for, what a token request may narrow,
//! and which details a token has.

use keystile_protocol::authorization_details::{AuthorizationDetails, Detail};
use keystile_protocol::{ErrorCode, Params, ProtocolError};
use serde_json::Value;

use crate::policy::Policy;
use crate::records::Client;
use crate::rules::details_types::{self, COMMON};

/// The parameter's name.
pub const PARAMETER: &str = "authorization_details";

fn refuse<T>(words: impl AsRef<str>) -> Result<T, ProtocolError> {
    let words = format!("authorization_details: {} (RFC 9396 section 5)", words.as_ref());
    Err(ProtocolError::new(ErrorCode::InvalidAuthorizationDetails, words))
}

/// What a request asks for, checked: each detail is of a type that exists, that the client is
/// registered for, and as that type has it. None, if the parameter is not there.
pub fn requested(
    params: &Params,
    client: &Client,
    policy: &Policy,
) -> Result<AuthorizationDetails, ProtocolError> {
    let details = read(params)?;
    for detail in &details {
        let kind = detail.kind();
        let Some(of) = policy.details_type(kind) else {
            return refuse(format!("the type '{}' does not exist here", cut(kind)));
        };
        if !client.authorization_details_types.iter().any(|registered| registered == kind) {
            return refuse(format!(
                "the client is not registered for the type '{kind}' (authorization_details_types)"
            ));
        }
        details_types::check(detail, of).or_else(refuse)?;
        let known = |at: &str| {
            let of_type = of.locations.iter().any(|location| location == at);
            of_type || of.locations.is_empty() && policy.api(at).is_some()
        };
        if let Some(unknown) = detail.locations().find(|at| !known(at)) {
            return refuse(format!("'{}' is no location of the type '{kind}'", cut(unknown)));
        }
    }
    Ok(details)
}

/// What a client asks for itself, with no user who could be asked: types that allow it alone.
pub fn requested_for_client(
    params: &Params,
    client: &Client,
    policy: &Policy,
) -> Result<AuthorizationDetails, ProtocolError> {
    let details = requested(params, client, policy)?;
    let allowed = |kind: &str| policy.details_type(kind).is_some_and(|of| of.client_credentials);
    match details.iter().find(|detail| !allowed(detail.kind())) {
        None => Ok(details),
        Some(detail) => {
            refuse(format!("the type '{}' needs a user; this grant has none", detail.kind()))
        }
    }
}

/// A grant that asks nobody, and whose subject may be another client's user, gives none: what is
/// allowed in detail is allowed to the one who was named on the page.
pub fn not_by_this_grant() -> ProtocolError {
    ProtocolError::new(
        ErrorCode::InvalidAuthorizationDetails,
        "authorization_details are not to be had by this grant; send an authorization request (RFC \
         9396 section 3)",
    )
}

fn read(params: &Params) -> Result<AuthorizationDetails, ProtocolError> {
    let text = params
        .optional(PARAMETER)
        .map_err(|e| ProtocolError::new(ErrorCode::InvalidRequest, e.to_string()))?;
    let Some(text) = text else { return Ok(AuthorizationDetails::default()) };
    AuthorizationDetails::parse(text).or_else(|problem| refuse(problem.to_string()))
}

/// What the tokens of one token request are good for: what it asks for, if that was granted; all
/// of it, if it asks for nothing (section 6). What was granted stays granted.
pub fn narrowed(
    params: &Params,
    granted: &AuthorizationDetails,
) -> Result<AuthorizationDetails, ProtocolError> {
    let asked = read(params)?;
    if asked.is_empty() {
        return Ok(granted.clone());
    }
    let fits: Vec<Vec<usize>> = asked
        .iter()
        .map(|detail| {
            let granted = granted.iter().enumerate();
            granted.filter(|(_, whole)| is_within(detail, whole)).map(|(index, _)| index).collect()
        })
        .collect();
    if each_has_its_own(&fits, granted.iter().len()) {
        return Ok(asked);
    }
    refuse("more is asked for than was granted (section 6)")
}

/// Whether `part` is `whole` with, at most, fewer elements in the lists that all types share. What
/// other fields mean only the API knows, so they are the same.
fn is_within(part: &Detail, whole: &Detail) -> bool {
    let (part, whole) = (part.members(), whole.members());
    let list = |name: &str| {
        name == "locations" || COMMON.iter().any(|(common, is_list)| *is_list && *common == name)
    };
    part.len() == whole.len()
        && part.iter().all(|(name, value)| match (value, whole.get(name)) {
            (Value::Array(some), Some(Value::Array(all))) if list(name) => {
                !some.is_empty() && some.iter().all(|one| all.contains(one))
            }
            (value, whole) => whole == Some(value),
        })
}

/// Whether each of those that ask can have one of its choices for itself: one payment that was
/// granted is not two. (Augmenting paths; there are twenty at most.)
fn each_has_its_own(choices: &[Vec<usize>], of: usize) -> bool {
    fn find(
        who: usize,
        choices: &[Vec<usize>],
        holder: &mut [Option<usize>],
        tried: &mut [bool],
    ) -> bool {
        for &choice in &choices[who] {
            if std::mem::replace(&mut tried[choice], true) {
                continue;
            }
            let free = match holder[choice] {
                None => true,
                Some(other) => find(other, choices, holder, tried),
            };
            if free {
                holder[choice] = Some(who);
                return true;
            }
        }
        false
    }
    let mut holder = vec![None; of];
    (0..choices.len()).all(|who| find(who, choices, &mut holder, &mut vec![false; of]))
}

/// What today's registration still allows of what was granted.
pub fn still_allowed(granted: &AuthorizationDetails, client: &Client) -> AuthorizationDetails {
    let registered = |detail: &&Detail| {
        client.authorization_details_types.iter().any(|kind| kind == detail.kind())
    };
    granted.iter().filter(registered).cloned().collect()
}

/// The APIs that the details are for: those that they name, or else those of their types. They
/// count beside `resource` and scope.
pub fn locations(details: &AuthorizationDetails, policy: &Policy) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for location in details.iter().flat_map(|detail| locations_of(detail, policy)) {
        if !all.iter().any(|known| known == location) {
            all.push(location.to_owned());
        }
    }
    all
}

fn locations_of<'a>(detail: &'a Detail, policy: &'a Policy) -> Vec<&'a str> {
    let named: Vec<&str> = detail.locations().collect();
    if !named.is_empty() {
        return named;
    }
    let of = policy.details_type(detail.kind());
    of.into_iter().flat_map(|of| &of.locations).map(String::as_str).collect()
}

/// What of the details goes into a token for these audiences (section 9.1): those for other APIs
/// stay out.
pub fn for_audience(
    details: &AuthorizationDetails,
    audience: &[String],
    policy: &Policy,
) -> AuthorizationDetails {
    let meant = |detail: &&Detail| {
        let locations = locations_of(detail, policy);
        locations.is_empty() || locations.iter().any(|at| audience.iter().any(|one| one == at))
    };
    details.iter().filter(meant).cloned().collect()
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    fn params(details: &Value) -> Params {
        [(PARAMETER, details.to_string().as_str())].into_iter().collect()
    }

    fn client() -> Client {
        let types = vec!["payment_initiation".to_owned(), "mailbox".to_owned()];
        Client { authorization_details_types: types, ..fixtures::client() }
    }

    fn asked(details: &Value) -> Result<AuthorizationDetails, ErrorCode> {
        requested(&params(details), &client(), &fixtures::policy()).map_err(|error| error.error)
    }

    fn with(change: &Value) -> Value {
        let mut payment = fixtures::payment();
        for (name, value) in change.as_object().expect("an object") {
            payment[name] = value.clone();
        }
        payment
    }

    #[test]
    fn only_types_that_exist_and_are_registered_are_taken_rfc_9396_5_and_10() {
        let invalid = Err(ErrorCode::InvalidAuthorizationDetails);
        assert_eq!(asked(&json!([fixtures::payment()])).expect("good").iter().len(), 1);
        assert_eq!(asked(&json!([{"type": "nonsense"}])), invalid);
        assert_eq!(asked(&json!([fixtures::payment(), {"type": "nonsense"}])), invalid);
        assert_eq!(asked(&json!([with(&json!({"more": 1}))])), invalid);
        assert_eq!(asked(&json!({"type": "payment_initiation"})), invalid);
        assert_eq!(asked(&json!([])), invalid);
        let unregistered = requested(
            &params(&json!([fixtures::payment()])),
            &fixtures::client(),
            &fixtures::policy(),
        );
        assert_eq!(unregistered.map_err(|error| error.error), invalid);
        let twice = Params::parse(b"authorization_details=[]&authorization_details=[]");
        let twice = requested(&twice.expect("two"), &client(), &fixtures::policy());
        assert_eq!(twice.map_err(|error| error.error), Err(ErrorCode::InvalidRequest));
        for absent in ["", "authorization_details=", "scope=openid"] {
            let params = Params::parse(absent.as_bytes()).expect("few");
            let none = requested(&params, &fixtures::client(), &fixtures::policy());
            assert!(none.expect("nothing asked").is_empty());
        }
    }

    #[test]
    fn locations_are_apis_and_those_of_the_type_rfc_9396_2_2() {
        let at = |kind: &str, location: &str| {
            let detail = match kind {
                "mailbox" => json!({"type": "mailbox", "locations": [location]}),
                _ => with(&json!({"locations": [location]})),
            };
            asked(&json!([detail])).is_ok()
        };
        assert!(at("payment_initiation", "https://pay.example"));
        assert!(!at("payment_initiation", "https://mail.example"), "an API, and another's");
        assert!(at("mailbox", "https://mail.example"), "a type that is for every API");
        assert!(!at("mailbox", "https://nowhere.example"));
    }

    #[test]
    fn a_client_has_for_itself_what_needs_no_user() {
        let ask = |details: Value| {
            requested_for_client(&params(&details), &client(), &fixtures::policy())
                .map_err(|error| error.error)
        };
        assert!(ask(json!([{"type": "mailbox"}])).is_ok());
        assert_eq!(
            ask(json!([{"type": "mailbox"}, fixtures::payment()])),
            Err(ErrorCode::InvalidAuthorizationDetails)
        );
    }

    #[test]
    fn a_token_request_can_narrow_and_never_widen_rfc_9396_6() {
        let both = with(&json!({"actions": ["initiate", "status"]}));
        let one = |action: &str| with(&json!({"actions": [action]}));
        let plain = fixtures::payment();
        let other = with(&json!({"creditorName": "Thief"}));
        let mail = json!({"type": "mailbox"});
        let cases = [
            (json!([both, mail]), json!([both]), true),
            (json!([both, mail]), json!([mail, one("status")]), true),
            (json!([plain, plain]), json!([plain, plain]), true),
            // Which of two is meant does not hang on the order.
            (json!([both, one("initiate")]), json!([one("initiate"), one("status")]), true),
            (json!([one("initiate"), both]), json!([one("initiate"), one("status")]), true),
            (json!([one("status")]), json!([both]), false),
            (json!([both]), json!([plain]), false),
            (json!([plain]), json!([one("status")]), false),
            (json!([plain]), json!([other]), false),
            (json!([plain]), json!([with(&json!({"urgent": true}))]), false),
            (json!([plain]), json!([plain, plain]), false),
            (json!([both]), json!([one("initiate"), one("status")]), false),
            (json!([plain]), json!([mail]), false),
            (json!([plain]), json!([{"type": "payment_initiation"}]), false),
            (json!([both]), json!([with(&json!({"actions": []}))]), false),
        ];
        for (granted, asked, good) in cases {
            let granted: AuthorizationDetails = serde_json::from_value(granted).expect("details");
            let got = narrowed(&params(&asked), &granted).map_err(|error| error.error);
            let all_of_it = serde_json::from_value(asked.clone()).expect("details");
            let refused = Err(ErrorCode::InvalidAuthorizationDetails);
            let expected = if good { Ok(all_of_it) } else { refused };
            assert_eq!(got, expected, "{asked} of {granted:?}");
        }
        let granted: AuthorizationDetails = serde_json::from_value(json!([plain])).expect("one");
        assert_eq!(narrowed(&Params::default(), &granted), Ok(granted.clone()), "all of it");
        let nothing = narrowed(&params(&json!([plain])), &AuthorizationDetails::default());
        assert!(nothing.is_err(), "none were granted");
    }

    #[test]
    fn todays_registration_narrows_what_was_granted() {
        let granted = asked(&json!([fixtures::payment(), {"type": "mailbox"}])).expect("good");
        let mail = Client { authorization_details_types: vec!["mailbox".into()], ..client() };
        assert_eq!(still_allowed(&granted, &client()), granted);
        let left = still_allowed(&granted, &mail);
        assert_eq!(left.iter().map(Detail::kind).collect::<Vec<_>>(), ["mailbox"]);
    }

    #[test]
    fn a_token_for_one_api_has_no_details_of_another_rfc_9396_9_1() {
        let policy = fixtures::policy();
        let mail = json!({"type": "mailbox", "locations": ["https://mail.example"]});
        let details =
            asked(&json!([fixtures::payment(), mail, {"type": "mailbox"}])).expect("good");
        let names = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            locations(&details, &policy),
            names(&["https://pay.example", "https://mail.example"])
        );
        let kinds = |audience: &str| {
            let cut = for_audience(&details, &names(&[audience]), &policy);
            cut.iter().map(|detail| detail.kind().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(kinds("https://pay.example"), ["payment_initiation", "mailbox"]);
        assert_eq!(kinds("https://mail.example"), ["mailbox", "mailbox"]);
        assert_eq!(kinds("https://photos.example"), ["mailbox"]);
    }
}
