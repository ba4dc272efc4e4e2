//! Single claims that a request asks for: the `claims` parameter (OpenID Connect Core 1.0 section
//! 5.5), and what is given of them.

use keystile_protocol::{ErrorCode, Params, ProtocolError, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::records::{Client, UserClaims};
use crate::rules::claims;

/// Longest `claims` that is read, in bytes.
const RECEIVED_AT_MOST: usize = 4096;
/// Longest that the claims travel on in a code and lie in a grant, in bytes. All standard claims
/// in both members fit.
const KEPT_AT_MOST: usize = 500;

/// A claim that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedClaim {
    /// Its name.
    pub name: String,
    /// The values of which it should have one, as JSON; any will do if there are none.
    pub values: Vec<String>,
}

impl AskedClaim {
    fn is_met_by(&self, value: &Value) -> bool {
        !value.is_null() && (self.values.is_empty() || self.values.contains(&value.to_string()))
    }
}

/// The claims that are asked for one by one, as far as this server knows them. Whether one was
/// essential is decided about before, and not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AskedClaims {
    /// At userinfo.
    pub userinfo: Vec<AskedClaim>,
    /// In the ID token; `acr` among them.
    pub id_token: Vec<AskedClaim>,
}

impl AskedClaims {
    /// `acr` in the ID token, of whatever value.
    pub fn of_acr() -> Self {
        let acr = AskedClaim { name: "acr".to_owned(), values: Vec::new() };
        Self { id_token: vec![acr], ..Self::default() }
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }

    /// Whether the tokens are to say how strongly the user was authenticated.
    pub fn acr(&self) -> bool {
        self.id_token.iter().any(|claim| claim.name == "acr")
    }

    /// Whether the ID token is to have claims that only the account knows.
    pub fn needs_account(&self) -> bool {
        self.id_token.iter().any(|claim| claims::scope_of(&claim.name).is_some())
    }

    /// Those whose scope is allowed.
    pub fn allowed_by(&self, allowed: impl Fn(&str) -> bool) -> Self {
        let keep = |claims: &[AskedClaim]| {
            let open = |c: &&AskedClaim| claims::scope_of(&c.name).is_none_or(&allowed);
            claims.iter().filter(open).cloned().collect()
        };
        Self { userinfo: keep(&self.userinfo), id_token: keep(&self.id_token) }
    }

    /// The scopes that open them: that is what the user is asked, in words.
    fn scopes(&self) -> Scope {
        let names = self.userinfo.iter().chain(&self.id_token);
        let scopes: Vec<&str> = names.filter_map(|c| claims::scope_of(&c.name)).collect();
        Scope::try_from(scopes.join(" ").as_str()).unwrap_or_default()
    }

    fn size(&self) -> usize {
        let of = |claim: &AskedClaim| {
            claim.name.len() + 2 + claim.values.iter().map(|v| v.len() + 1).sum::<usize>()
        };
        self.userinfo.iter().chain(&self.id_token).map(of).sum()
    }
}

/// What a request wants to know about the user, and who that has to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The claims.
    pub claims: AskedClaims,
    /// Scopes that the user is asked about for the sake of those claims alone.
    pub for_claims: Scope,
    /// Values of `sub`, a list for each member that has some.
    pub subjects: Vec<Vec<String>>,
    /// Values of an essential `acr`.
    pub essential_acr: Option<Vec<String>>,
    /// Whether the user who is signed in is not the one that the request is about: a fact that is
    /// known when the situation is.
    pub another_user: bool,
}

/// Reads `claims` and `acr_values`. Without `openid` they mean nothing. A claim that is unknown
/// here, or that the client is not registered for, is left out: that is no error (section 5.5.1).
pub fn check(params: &Params, scope: &Scope, client: &Client) -> Result<Wishes, ProtocolError> {
    let text = params.optional("claims").map_err(|e| invalid(e.to_string()))?;
    let acr_values = params.optional("acr_values").map_err(|e| invalid(e.to_string()))?;
    if !scope.contains("openid") {
        return Ok(Wishes::default());
    }
    let mut wishes = text.map(parse).transpose()?.unwrap_or_default();
    let acr_wanted = acr_values.is_some() || !client.defaults.acr_values.is_empty();
    if acr_wanted && !wishes.claims.acr() {
        wishes.claims.id_token.extend(AskedClaims::of_acr().id_token);
    }
    wishes.claims = wishes.claims.allowed_by(|scope| client.scope.contains(scope));
    if wishes.claims.size() > KEPT_AT_MOST {
        return Err(invalid(format!(
            "it asks for claims that take {} bytes, at most {KEPT_AT_MOST} are kept; ask for fewer, \
             or by scope",
            wishes.claims.size()
        )));
    }
    wishes.for_claims = wishes.claims.scopes().filter(|opens| !scope.contains(opens));
    Ok(wishes)
}

fn invalid(words: impl AsRef<str>) -> ProtocolError {
    let words =
        format!("the parameter 'claims': {} (OpenID Connect Core 1.0 section 5.5)", words.as_ref());
    ProtocolError::new(ErrorCode::InvalidRequest, words)
}

fn parse(text: &str) -> Result<Wishes, ProtocolError> {
    if text.len() > RECEIVED_AT_MOST {
        let words = format!("it has {} bytes, at most {RECEIVED_AT_MOST} are read", text.len());
        return Err(invalid(words));
    }
    let Ok(members) = serde_json::from_str::<Map<String, Value>>(text) else {
        return Err(invalid("it is not a JSON object with the members userinfo and id_token"));
    };
    let mut wishes = Wishes::default();
    for (member, is_id_token) in [("userinfo", false), ("id_token", true)] {
        let Some(claims) = members.get(member) else { continue };
        let Value::Object(claims) = claims else {
            return Err(invalid(format!("its member {member} is not an object")));
        };
        for (name, wish) in claims {
            add(&mut wishes, is_id_token, name, &Wish::of(name, wish)?)?;
        }
    }
    Ok(wishes)
}

/// What is asked of one claim (section 5.5.1).
#[derive(Default)]
struct Wish {
    essential: bool,
    values: Vec<Value>,
}

impl Wish {
    fn of(name: &str, wish: &Value) -> Result<Self, ProtocolError> {
        let name: String = name.chars().take(40).collect();
        let members = match wish {
            Value::Null => return Ok(Self::default()),
            Value::Object(members) => members,
            _ => return Err(invalid(format!("the claim {name} is neither null nor an object"))),
        };
        let essential = match members.get("essential") {
            None => false,
            Some(Value::Bool(essential)) => *essential,
            Some(_) => return Err(invalid(format!("essential of {name} is not a boolean"))),
        };
        let mut values: Vec<Value> = members.get("value").cloned().into_iter().collect();
        match members.get("values") {
            None => {}
            Some(Value::Array(more)) if !more.is_empty() => values.extend(more.iter().cloned()),
            Some(_) => {
                return Err(invalid(format!("values of {name} is not an array with something")));
            }
        }
        Ok(Self { essential, values })
    }

    /// The values, where the claim is a string.
    fn texts(&self, name: &str) -> Result<Vec<String>, ProtocolError> {
        let text = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(invalid(format!("a value of {name} is not a string"))),
        };
        self.values.iter().map(text).collect()
    }
}

fn add(
    wishes: &mut Wishes,
    is_id_token: bool,
    name: &str,
    wish: &Wish,
) -> Result<(), ProtocolError> {
    let list = if is_id_token { &mut wishes.claims.id_token } else { &mut wishes.claims.userinfo };
    let kept = |values| AskedClaim { name: name.to_owned(), values };
    match name {
        "sub" if !wish.values.is_empty() => wishes.subjects.push(wish.texts(name)?),
        "acr" if is_id_token => {
            let values = wish.texts(name)?;
            if wish.essential && !values.is_empty() {
                wishes.essential_acr = Some(values);
            }
            list.push(kept(Vec::new()));
        }
        name if claims::scope_of(name).is_some() => {
            list.push(kept(wish.values.iter().map(Value::to_string).collect()));
        }
        _ => {}
    }
    Ok(())
}

/// Adds those of the claims that are known and have a value that was asked for.
pub fn give(answer: &mut UserClaims, asked: &[AskedClaim], known: &UserClaims) {
    for claim in asked.iter().filter(|claim| claims::scope_of(&claim.name).is_some()) {
        if let Some(value) = known.get(&claim.name).filter(|value| claim.is_met_by(value)) {
            answer.insert(claim.name.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn checked(scope: &str, json: &str) -> Result<Wishes, ProtocolError> {
        let params: Params =
            [("claims", json)].into_iter().filter(|(_, v)| !v.is_empty()).collect();
        let scope = Scope::try_from(scope).expect("tokens");
        let client = Client {
            scope: Scope::try_from("openid profile email").expect("tokens"),
            ..fixtures::client()
        };
        check(&params, &scope, &client)
    }

    fn names(claims: &[AskedClaim]) -> Vec<&str> {
        claims.iter().map(|claim| claim.name.as_str()).collect()
    }

    #[test]
    fn the_example_of_oidc_core_5_5() {
        let wishes = checked(
            "openid",
            r#"{"userinfo":{"given_name":{"essential":true},"nickname":null,
                "email":{"essential":true},"email_verified":{"essential":true},"picture":null,
                "http://example.info/claims/groups":null},
                "id_token":{"auth_time":{"essential":true},
                "acr":{"values":["urn:mace:incommon:iap:silver"]}}}"#,
        )
        .expect("the standard's own");
        assert_eq!(
            names(&wishes.claims.userinfo),
            ["email", "email_verified", "given_name", "nickname", "picture"]
        );
        assert_eq!(names(&wishes.claims.id_token), ["acr"]);
        assert_eq!(wishes.essential_acr, None, "voluntary");
        assert_eq!(wishes.for_claims, Scope::try_from("email profile").expect("tokens"));
        assert!(wishes.claims.acr() && !wishes.claims.needs_account());
    }

    #[test]
    fn what_is_malformed_is_invalid_request_oidc_core_5_5() {
        let deep = format!("{}{}", r#"{"userinfo":"#.repeat(300), "}".repeat(300));
        let long = format!(r#"{{"userinfo":{{"x":{{"value":"{}"}}}}}}"#, "y".repeat(4096));
        let kept = format!(r#"{{"userinfo":{{"name":{{"value":"{}"}}}}}}"#, "y".repeat(500));
        for json in [
            "{",
            "[]",
            "null",
            "x",
            r#"{"userinfo":[]}"#,
            r#"{"id_token":"name"}"#,
            r#"{"userinfo":null}"#,
            r#"{"userinfo":{"name":true}}"#,
            r#"{"userinfo":{"name":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"name":{"values":"a"}}}"#,
            r#"{"userinfo":{"name":{"values":[]}}}"#,
            r#"{"id_token":{"sub":{"value":1}}}"#,
            r#"{"id_token":{"acr":{"values":[1]}}}"#,
            &deep,
            &long,
            &kept,
        ] {
            let error = checked("openid", json).expect_err(json);
            assert_eq!(error.error, ErrorCode::InvalidRequest, "{json}");
        }
    }

    #[test]
    fn unknown_members_and_claims_are_ignored_oidc_core_5_5_1() {
        for json in [
            "",
            "{}",
            r#"{"userinfo":{}}"#,
            r#"{"else":1,"userinfo":{"x":null,"name#de":null}}"#,
            r#"{"userinfo":{"acr":null,"sub":null}}"#,
            r#"{"userinfo":{"phone_number":{"essential":true}}}"#,
        ] {
            assert_eq!(checked("openid", json), Ok(Wishes::default()), "{json}");
        }
        let other = checked("openid", r#"{"userinfo":{"name":{"more":1}}}"#).expect("good");
        assert_eq!(names(&other.claims.userinfo), ["name"]);
        let without = checked("profile", r#"{"userinfo":{"name":null}}"#);
        assert_eq!(without, Ok(Wishes::default()), "no OpenID Connect request");
    }

    #[test]
    fn sub_and_an_essential_acr_are_conditions_oidc_core_5_5_1_and_5_5_1_1() {
        let wishes = checked(
            "openid",
            r#"{"id_token":{"sub":{"value":"a"},"acr":{"essential":true,"values":["x","y"]}},
                "userinfo":{"sub":{"values":["a","b"]}}}"#,
        )
        .expect("good");
        assert_eq!(wishes.subjects, [vec!["a", "b"], vec!["a"]]);
        assert_eq!(wishes.essential_acr, Some(vec!["x".to_owned(), "y".to_owned()]));
        let any = checked("openid", r#"{"id_token":{"acr":{"essential":true}}}"#).expect("good");
        assert_eq!(any.essential_acr, None, "any value will do");
    }

    #[test]
    fn a_claim_is_given_if_its_scope_is_allowed_and_its_value_is_one_of_those_asked_for() {
        let wishes = checked(
            "openid profile",
            r#"{"userinfo":{"email":null,"locale":{"values":["de","fr"]},
                "zoneinfo":{"value":"UTC"},"email_verified":{"value":true}}}"#,
        )
        .expect("good");
        assert_eq!(wishes.for_claims.as_str(), "email", "profile is asked for anyway");
        let known = serde_json::from_value(serde_json::json!({
            "email": "a@example.com", "email_verified": true, "locale": "de", "zoneinfo": "CET"
        }))
        .expect("an object");
        let given = |asked: &AskedClaims| {
            let mut answer = UserClaims::new();
            give(&mut answer, &asked.userinfo, &known);
            answer.keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(given(&wishes.claims), ["email", "email_verified", "locale"]);
        let refused = wishes.claims.allowed_by(|scope| scope == "profile");
        assert_eq!(given(&refused), ["locale"]);
    }

    #[test]
    fn every_standard_claim_in_both_members_fits() {
        let all: Map<String, Value> =
            claims::supported().map(|name| (name.to_owned(), Value::Null)).collect();
        let json = serde_json::json!({ "userinfo": all, "id_token": all }).to_string();
        let params: Params = [("claims", json.as_str()), ("acr_values", "1")].into_iter().collect();
        let everything = Scope::try_from("openid profile email address phone").expect("tokens");
        let client = Client { scope: everything.clone(), ..fixtures::client() };
        let wishes = check(&params, &everything, &client).expect("fits");
        assert_eq!(wishes.claims.userinfo.len() * 2 + 1, names(&wishes.claims.id_token).len() + 19);
    }
}
