//! What a consent page shows, and what a post of it means.

use keystile_protocol::encoding::sha256;
use keystile_protocol::{Scope, Timestamp};

use crate::decisions::ConsentGiven;
use crate::policy::Policy;
use crate::records::{Client, Consent, SignedIn};
use crate::rules::details_words::{self, Label, Phrase, ShownDetail};
use crate::rules::next_step::ConsentAnswer;
use crate::rules::request::ValidRequest;
use crate::sealed::ConsentPage;

/// One permission on the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The scope's token.
    pub scope: String,
    /// The operator's words for it, if there are any.
    pub title: Option<String>,
    /// A sentence more.
    pub detail: Option<String>,
    /// Whether it may be refused by itself.
    pub optional: bool,
    /// Whether its box is ticked: a new optional permission never is.
    pub checked: bool,
    /// Whether it was allowed before.
    pub already: bool,
    /// Whether it is about who the user is.
    pub identity: bool,
}

/// What the page shows. `openid` itself is no permission that anybody could weigh.
pub fn permissions(
    request: &ValidRequest,
    remembered: &Consent,
    policy: &Policy,
) -> Vec<Permission> {
    let definitions = request.scope.iter().filter_map(|token| policy.scope(token));
    definitions
        .filter(|scope| scope.name != "openid")
        .map(|scope| {
            let already = remembered.granted.contains(&scope.name);
            Permission {
                scope: scope.name.clone(),
                title: scope.title.clone(),
                detail: scope.detail.clone(),
                optional: scope.optional,
                checked: already || !scope.optional,
                already,
                identity: scope.identity,
            }
        })
        .collect()
}

/// What the page shows beside scopes: all of each detail, in the operator's words.
pub fn details(request: &ValidRequest, policy: &Policy) -> Vec<ShownDetail> {
    let in_words = |detail| Some(details_words::show(detail, policy.details_type(detail.kind())?));
    request.details.iter().filter_map(in_words).collect()
}

/// A digest of what the page shows: client, scopes, their words, resources, details and theirs.
pub fn shown_digest(
    request: &ValidRequest,
    client: &Client,
    shown: &[Permission],
    details: &[ShownDetail],
) -> [u8; 16] {
    let mut text = String::new();
    let mut line = |part: &str| {
        text.push_str(part);
        text.push('\0');
    };
    line(client.id.as_str());
    line(&client.name);
    line(request.scope.as_str());
    for resource in &request.resources {
        line(resource);
    }
    for permission in shown {
        line(&permission.scope);
        line(permission.title.as_deref().unwrap_or_default());
        line(if permission.optional { "optional" } else { "" });
    }
    line(&request.details.to_json());
    for detail in details {
        line(&detail.title);
        for Phrase::Words(text) | Phrase::Value(text) in &detail.sentence {
            line(text);
        }
        for row in &detail.rows {
            line(match &row.label {
                Label::Common(name) => name,
                Label::Own(label) => label,
            });
        }
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&sha256(text)[..16]);
    digest
}

/// Whether the page that was posted is the one that would be shown now to this session.
pub fn is_current(
    page: &ConsentPage,
    signed_in: &SignedIn,
    client: &Client,
    shown: [u8; 16],
) -> bool {
    page.session == signed_in.session.id
        && page.account == signed_in.session.account
        && page.client == client.id
        && page.shown == shown
}

/// What "Allow" means with these boxes ticked: everything that is not optional, and the optional
/// scopes that were ticked. Boxes can only narrow.
pub fn allowed_scope(request: &ValidRequest, shown: &[Permission], ticked: &[&str]) -> Scope {
    request.scope.filter(|token| {
        shown
            .iter()
            .find(|permission| permission.scope == token)
            .is_none_or(|permission| !permission.optional || ticked.contains(&token))
    })
}

/// What a posted page means: nothing, if it is not the page that would be shown now.
pub fn answer(
    page: &ConsentPage,
    allow: bool,
    ticked: &[String],
    request: &ValidRequest,
    signed_in: &SignedIn,
    client: &Client,
    policy: &Policy,
) -> ConsentAnswer {
    let shown = permissions(request, &signed_in.consent, policy);
    let digest = shown_digest(request, client, &shown, &details(request, policy));
    if !is_current(page, signed_in, client, digest) {
        return ConsentAnswer::None;
    }
    if !allow {
        return ConsentAnswer::Denied;
    }
    let ticked: Vec<&str> = ticked.iter().map(String::as_str).collect();
    ConsentAnswer::Allowed(allowed_scope(request, &shown, &ticked))
}

/// What is to be remembered: this answer on top of what was said before.
pub fn remembered(
    signed_in: &SignedIn,
    client: &Client,
    request: &ValidRequest,
    allowed: &Scope,
    now: Timestamp,
) -> ConsentGiven {
    let before = &signed_in.consent;
    let refused_now = request.scope.filter(|token| !allowed.contains(token));
    let granted = before.granted.union(allowed).filter(|token| !refused_now.contains(token));
    let refused = before.refused.union(&refused_now).filter(|token| !allowed.contains(token));
    ConsentGiven::new(signed_in.session.account, client.id.clone(), granted, refused, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn scope(text: &str) -> Scope {
        Scope::try_from(text).expect("tokens")
    }

    #[test]
    fn a_new_optional_permission_is_never_ticked_beforehand() {
        let request = fixtures::valid_request("openid photos:read photos:order");
        let page = permissions(&request, &Consent::default(), &fixtures::policy());
        let boxes: Vec<_> =
            page.iter().map(|p| (p.scope.as_str(), p.optional, p.checked)).collect();
        assert_eq!(boxes, [("photos:read", false, true), ("photos:order", true, false)]);
        let before = Consent { granted: scope("photos:order"), refused: Scope::empty() };
        let page = permissions(&request, &before, &fixtures::policy());
        assert!(page[1].checked && page[1].already);
    }

    #[test]
    fn boxes_only_narrow() {
        let request = fixtures::valid_request("openid photos:read photos:order");
        let page = permissions(&request, &Consent::default(), &fixtures::policy());
        let allowed = |ticked: &[&str]| allowed_scope(&request, &page, ticked);
        assert_eq!(allowed(&[]), scope("openid photos:read"));
        assert_eq!(allowed(&["photos:order"]), request.scope);
        assert_eq!(allowed(&["mail:read", "admin"]), scope("openid photos:read"));
    }

    #[test]
    fn another_session_account_client_or_text_makes_the_page_old() {
        let request = fixtures::valid_request("openid photos:read");
        let client = fixtures::client();
        let signed_in = fixtures::signed_in(Timestamp::default());
        let shown = |client: &Client, request: &ValidRequest| {
            let page = permissions(request, &Consent::default(), &fixtures::policy());
            shown_digest(request, client, &page, &details(request, &fixtures::policy()))
        };
        let digest = shown(&client, &request);
        let page = fixtures::consent_page(&signed_in, &client, digest);
        assert!(is_current(&page, &signed_in, &client, digest));
        let mut other = fixtures::signed_in(Timestamp::default());
        other.session.id = crate::ids::SessionId::from_bytes([9; 16]);
        assert!(!is_current(&page, &other, &client, digest), "another session");
        let renamed = Client { name: "Other".into(), ..client.clone() };
        assert_ne!(shown(&renamed, &request), digest, "another name");
        assert_ne!(shown(&client, &fixtures::valid_request("openid")), digest, "another scope");
        let paying = ValidRequest { details: fixtures::payments(), ..request.clone() };
        let asked = shown(&client, &paying);
        assert_ne!(asked, digest, "a payment");
        let mut policy = fixtures::policy();
        policy.details_types[0].title = "Send money".into();
        let reworded = shown_digest(&paying, &client, &[], &details(&paying, &policy));
        let now = shown_digest(&paying, &client, &[], &details(&paying, &fixtures::policy()));
        assert_ne!(reworded, now, "other words");
    }

    #[test]
    fn answers_are_remembered_on_top_of_each_other() {
        let mut signed_in = fixtures::signed_in(Timestamp::default());
        signed_in.consent = Consent { granted: scope("mail:read"), refused: scope("photos:order") };
        let request = fixtures::valid_request("openid photos:read photos:order");
        let client = fixtures::client();
        let allowed = scope("openid photos:read photos:order");
        let given = remembered(&signed_in, &client, &request, &allowed, Timestamp::default());
        assert_eq!(given.granted, scope("mail:read openid photos:read photos:order"));
        assert!(given.refused.is_empty());
        let allowed = scope("openid");
        let given = remembered(&signed_in, &client, &request, &allowed, Timestamp::default());
        assert_eq!(given.granted, scope("mail:read openid"));
        assert_eq!(given.refused, scope("photos:order photos:read"));
    }
}
