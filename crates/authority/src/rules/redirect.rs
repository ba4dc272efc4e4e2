//! May this answer be redirected, and where to? Until a [`ReplyTo`] exists, the only error there
//! is is a page for the user (RFC 6749 section 4.1.2.1; rows 3.1 and 3.2).

use std::sync::Arc;

use keystile_protocol::params::{ParamError, with_query};
use keystile_protocol::{ClientId, ErrorCode, Issuer, Params, ProtocolError, State, Timestamp};

use crate::incident::{Incident, Reference};
use crate::records::{Client, GrantType};

/// Registered URIs that an incident shows.
const SHOWN_AT_MOST: usize = 10;

/// An error that must not be redirected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageError {
    /// No usable `client_id`.
    MissingClient(ParamError),
    /// The identifier is the address of a document, and that is no client's.
    UnusableDocument {
        /// As received.
        client_id: ClientId,
        /// What is wrong with it, or why there is none.
        problem: String,
    },
    /// Nobody is registered by that name (row 3.2).
    UnknownClient {
        /// As received.
        client_id: ClientId,
    },
    /// No usable `redirect_uri`.
    MissingRedirectUri {
        /// Who asked.
        client_id: ClientId,
        /// What is wrong with the parameter.
        problem: ParamError,
        /// What is registered.
        registered: Vec<String>,
    },
    /// Not one of the registered ones (row 3.1).
    UnregisteredRedirectUri {
        /// Who asked.
        client_id: ClientId,
        /// As received.
        received: String,
        /// What is registered.
        registered: Vec<String>,
    },
    /// The parameters could not even be taken apart.
    Unreadable(ParamError),
    /// A `request_uri` that looks like ours and is not one of this client's (RFC 9126).
    UnknownRequestUri {
        /// Who asked.
        client_id: ClientId,
    },
    /// A large pushed request that is kept no longer (RFC 9126).
    RequestTooOld,
}

impl PageError {
    /// What a developer is told under the reference number.
    pub fn incident(&self, reference: Reference, at: Timestamp) -> Incident {
        let base = Incident {
            reference,
            at,
            error: "invalid_request".to_owned(),
            summary: String::new(),
            section: "RFC 6749 section 4.1.2.1".to_owned(),
            client_id: None,
            received: None,
            expected: Vec::new(),
            hint: String::new(),
        };
        match self {
            Self::MissingClient(problem) | Self::Unreadable(problem) => Incident {
                summary: problem.to_string(),
                section: "RFC 6749 section 4.1.1".to_owned(),
                hint: "Send 'client_id' once, in the query of the authorization request.".into(),
                ..base
            },
            Self::UnknownClient { client_id } => Incident {
                error: "unknown_client".to_owned(),
                summary: "no client is registered under this 'client_id'".to_owned(),
                client_id: Some(client_id.to_string()),
                received: Some(client_id.to_string()),
                hint: "Compare it with 'keystile client list', or register the client with \
                       'keystile client add'."
                    .into(),
                ..base
            },
            Self::UnusableDocument { client_id, problem } => Incident {
                error: "unusable_client_document".to_owned(),
                summary: format!("the document at this 'client_id' is no client's: {problem}"),
                section: "draft-ietf-oauth-client-id-metadata-document section 4".to_owned(),
                client_id: Some(client_id.to_string()),
                received: Some(client_id.to_string()),
                hint:
                    "Serve a JSON object of client metadata there, whose 'client_id' is that very \
                       address. It is fetched again after a while."
                        .into(),
                ..base
            },
            Self::MissingRedirectUri { client_id, problem, registered } => Incident {
                error: "invalid_redirect_uri".to_owned(),
                summary: problem.to_string(),
                client_id: Some(client_id.to_string()),
                expected: registered.clone(),
                hint: "Send one of the registered redirect URIs, once.".into(),
                ..base
            },
            Self::UnknownRequestUri { client_id } => Incident {
                error: "invalid_request_uri".to_owned(),
                summary: "the 'request_uri' is not one that this server gave to this client"
                    .to_owned(),
                section: "RFC 9126 section 4".to_owned(),
                client_id: Some(client_id.to_string()),
                hint: "Push the request anew and use the answer's 'request_uri' unchanged, within \
                       its 'expires_in' seconds, with the 'client_id' that pushed it."
                    .into(),
                ..base
            },
            Self::RequestTooOld => Incident {
                error: "invalid_request_uri".to_owned(),
                summary: "the pushed request was too old to be kept any longer".to_owned(),
                section: "RFC 9126 section 4".to_owned(),
                hint: "A large request is kept as long as its pages live ([lifetimes] page). The \
                       app pushes a new one."
                    .into(),
                ..base
            },
            Self::UnregisteredRedirectUri { client_id, received, registered } => Incident {
                error: "invalid_redirect_uri".to_owned(),
                summary: "the 'redirect_uri' is not one that the client registered; they are \
                          compared as strings"
                    .to_owned(),
                section: "RFC 9700 section 2.1, RFC 6749 section 3.1.2.3".to_owned(),
                client_id: Some(client_id.to_string()),
                received: Some(received.chars().take(2000).collect()),
                expected: registered.clone(),
                hint: "Send a registered URI character for character, or register this one.".into(),
                ..base
            },
        }
    }
}

/// Where an authorization response goes: client known, redirect URI registered.
#[derive(Clone, Debug)]
pub struct ReplyTo {
    /// The redirect URI, as received.
    pub redirect_uri: String,
    /// To be given back unchanged.
    pub state: Option<State>,
    /// How the answer travels.
    pub mode: ResponseMode,
    /// Who gets it.
    pub client: Arc<Client>,
}

/// `response_mode` (OAuth 2.0 Multiple Response Types section 2.1, Form Post Response Mode).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// In the redirect URI's query.
    #[default]
    Query,
    /// In a form that the browser posts.
    FormPost,
    /// As a signed JWT in the redirect URI's query (JARM section 2.3.1).
    QueryJwt,
    /// As a signed JWT in a form that the browser posts (JARM section 2.3.3).
    FormPostJwt,
}

impl ResponseMode {
    /// Every name and its mode. `jwt` is the default of the response type `code` (JARM section
    /// 2.3.4).
    pub const NAMES: [(&'static str, Self); 5] = [
        ("query", Self::Query),
        ("form_post", Self::FormPost),
        ("jwt", Self::QueryJwt),
        ("query.jwt", Self::QueryJwt),
        ("form_post.jwt", Self::FormPostJwt),
    ];

    /// The mode of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }

    /// Whether the answer is a signed JWT.
    pub const fn is_signed(self) -> bool {
        matches!(self, Self::QueryJwt | Self::FormPostJwt)
    }
}

/// An authorization response: parameters and where they go. It always has `iss` (RFC 9207) and
/// the request's `state`.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Where.
    pub to: ReplyTo,
    /// The parameters, in order.
    pub params: Vec<(&'static str, String)>,
}

impl ReplyTo {
    /// An answer with a code.
    pub fn code(self, code: String, issuer: &Issuer) -> Reply {
        let mut params = Vec::with_capacity(3);
        params.push(("code", code));
        self.reply(params, issuer)
    }

    /// An answer with an error.
    pub fn error(self, error: &ProtocolError, issuer: &Issuer) -> Reply {
        let params = vec![
            ("error", error.error.to_string()),
            ("error_description", error.error_description.clone()),
            ("error_uri", issuer.endpoint(&format!("/errors/{}", error.error))),
        ];
        self.reply(params, issuer)
    }

    fn reply(self, mut params: Vec<(&'static str, String)>, issuer: &Issuer) -> Reply {
        if let Some(state) = &self.state {
            params.push(("state", state.to_string()));
        }
        params.push(("iss", issuer.to_string()));
        Reply { to: self, params }
    }
}

impl Reply {
    /// An error without what explains it, which is optional (RFC 6749 section 4.1.2.1): for an
    /// address that would be too long otherwise.
    pub fn without_words(mut self) -> Self {
        self.params.retain(|(name, _)| !matches!(*name, "error_description" | "error_uri"));
        self
    }
}

/// Longest address that an answer redirects to, in characters: a proxy's usual buffer for
/// headers has 4 KB, and cuts off what is longer with 502.
const ADDRESS_AT_MOST: usize = 3500;

/// Whether an answer fits the address that would carry it. A form has no such bound.
pub fn fits(reply: &Reply) -> Result<(), ProtocolError> {
    if matches!(reply.to.mode, ResponseMode::FormPost | ResponseMode::FormPostJwt) {
        return Ok(());
    }
    // Encoded, a byte takes three at most: what is far below the bound is not encoded for this.
    let plain: usize = reply.params.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    if reply.to.redirect_uri.len() + 3 * plain <= ADDRESS_AT_MOST {
        return Ok(());
    }
    let pairs: Vec<_> = reply.params.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let length = with_query(&reply.to.redirect_uri, &pairs).len();
    if length <= ADDRESS_AT_MOST {
        return Ok(());
    }
    Err(ProtocolError::new(
        ErrorCode::InvalidRequest,
        format!(
            "the answer's address would have {length} characters, at most {ADDRESS_AT_MOST} pass \
             proxies; send a shorter state, nonce or scope, or response_mode=form_post (or \
             form_post.jwt)"
        ),
    ))
}

/// The client that the request names.
pub fn client_id(params: &Params) -> Result<ClientId, PageError> {
    params.required_as("client_id").map_err(PageError::MissingClient)
}

/// Where errors and codes go, if they may go anywhere: the client is known and enabled, and the
/// redirect URI is registered (compared as a string).
pub fn reply_to(
    params: &Params,
    client_id: ClientId,
    client: Option<Arc<Client>>,
) -> Result<ReplyTo, PageError> {
    let Some(client) = client.filter(|client| client.enabled) else {
        return Err(PageError::UnknownClient { client_id });
    };
    let redirect_uri = registered_redirect_uri(params, &client)?;
    Ok(ReplyTo {
        redirect_uri,
        // A `state` that is repeated or malformed cannot be given back; `request::check` says so.
        state: params.optional_as("state").ok().flatten(),
        mode: match params.optional("response_mode") {
            Ok(Some(name)) => ResponseMode::from_name(name).unwrap_or_default(),
            _ => ResponseMode::Query,
        },
        client,
    })
}

fn registered_redirect_uri(params: &Params, client: &Client) -> Result<String, PageError> {
    let registered = || {
        let shown = client.redirect_uris.iter().take(SHOWN_AT_MOST);
        shown.map(|uri| uri.as_str().to_owned()).collect::<Vec<_>>()
    };
    let received = match params.optional("redirect_uri") {
        Ok(Some(received)) => received,
        // "If only one is registered" it may be left out (RFC 6749 section 3.1.2.3). A client
        // without the code grant has none.
        Ok(None) => match client.redirect_uris.as_slice() {
            [only] => return Ok(only.as_str().to_owned()),
            _ => {
                return Err(PageError::MissingRedirectUri {
                    client_id: client.id.clone(),
                    problem: ParamError::Missing("redirect_uri"),
                    registered: registered(),
                });
            }
        },
        Err(problem) => {
            return Err(PageError::MissingRedirectUri {
                client_id: client.id.clone(),
                problem,
                registered: registered(),
            });
        }
    };
    if client.redirect_uris.iter().any(|uri| uri.matches(received, client.is_native())) {
        Ok(received.to_owned())
    } else {
        Err(PageError::UnregisteredRedirectUri {
            client_id: client.id.clone(),
            received: received.to_owned(),
            registered: registered(),
        })
    }
}

/// Whether a client that is registered for the code grant has somewhere to be answered at.
pub fn can_be_answered(client: &Client) -> bool {
    !client.may_use(GrantType::AuthorizationCode) || !client.redirect_uris.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    fn outcome(query: &str, client: Option<Client>) -> Result<ReplyTo, PageError> {
        let params = Params::parse(query.as_bytes()).expect("few parameters");
        let id = client_id(&params)?;
        reply_to(&params, id, client.map(Arc::new))
    }

    #[test]
    fn row_3_1_only_a_registered_redirect_uri_is_answered() {
        let cases = [
            ("client_id=app&redirect_uri=https://app.example/cb", true),
            ("client_id=app", true),
            ("client_id=app&redirect_uri=", true),
            ("client_id=app&redirect_uri=https://app.example/cb/", false),
            ("client_id=app&redirect_uri=https://app.example/cb?x", false),
            ("client_id=app&redirect_uri=https://evil.example/cb", false),
            ("client_id=app&redirect_uri=https://app.example/cb&redirect_uri=https://e", false),
            ("client_id=app&redirect_uri=%FF", false),
            ("client_id=app&redirect_uri=//app.example/cb", false),
            ("client_id=app&redirect_uri=javascript:alert(1)", false),
        ];
        for (query, answered) in cases {
            assert_eq!(outcome(query, Some(fixtures::client())).is_ok(), answered, "{query}");
        }
    }

    #[test]
    fn with_several_redirect_uris_the_request_must_name_one_rfc_6749_3_1_2_3() {
        let mut client = fixtures::client();
        client.redirect_uris.push(fixtures::redirect_uri("https://app.example/other"));
        let error = outcome("client_id=app", Some(client)).expect_err("ambiguous");
        assert!(matches!(error, PageError::MissingRedirectUri { .. }));
    }

    #[test]
    fn row_3_2_an_unknown_or_disabled_client_is_never_answered() {
        let query = "client_id=app&redirect_uri=https://app.example/cb";
        assert!(matches!(outcome(query, None), Err(PageError::UnknownClient { .. })));
        let disabled = Client { enabled: false, ..fixtures::client() };
        assert!(matches!(outcome(query, Some(disabled)), Err(PageError::UnknownClient { .. })));
        for query in ["", "client_id=", "client_id=a&client_id=a", "client_id=%0A", "client_id=%FF"]
        {
            let error = outcome(query, Some(fixtures::client())).expect_err("no client_id");
            assert!(matches!(error, PageError::MissingClient(_)), "{query}");
        }
    }

    #[test]
    fn the_incident_shows_the_first_difference() {
        let error =
            outcome("client_id=app&redirect_uri=https://app.example/cB", Some(fixtures::client()))
                .expect_err("another");
        let incident = error.incident(Reference::from_random([0; 5]), Timestamp::default());
        let difference = incident.first_difference().expect("they differ");
        assert_eq!((difference.closest, difference.at), (0, 21));
    }

    #[test]
    fn finding_37_an_answer_that_is_too_long_for_an_address_needs_a_form() {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let answer = |mode: &str, length| {
            let query = format!("client_id=app&state=s&response_mode={mode}");
            let to = outcome(&query, Some(fixtures::client())).expect("good");
            fits(&to.code("c".repeat(length), &issuer)).map_err(|error| error.error)
        };
        assert_eq!(answer("query", 3400), Ok(()));
        assert_eq!(answer("query", 3500), Err(ErrorCode::InvalidRequest));
        assert_eq!(answer("jwt", 3500), Err(ErrorCode::InvalidRequest));
        assert_eq!(answer("form_post", 3500), Ok(()));
        assert_eq!(answer("form_post.jwt", 3500), Ok(()));
    }

    #[test]
    fn finding_37_an_error_keeps_its_code_and_state_when_it_loses_its_words() {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let to = outcome("client_id=app&state=s", Some(fixtures::client())).expect("good");
        let error = ProtocolError::new(ErrorCode::InvalidScope, "words");
        let reply = to.error(&error, &issuer).without_words();
        let names: Vec<_> = reply.params.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["error", "state", "iss"]);
    }

    #[test]
    fn an_answer_has_state_and_iss_rfc_9207() {
        let issuer = Issuer::try_from("https://login.example").expect("good");
        let to = outcome("client_id=app&state=a%20b", Some(fixtures::client())).expect("good");
        let reply = to.code("c".into(), &issuer);
        let params: Vec<_> = reply.params.iter().map(|(k, v)| (*k, v.as_str())).collect();
        assert_eq!(params, [("code", "c"), ("state", "a b"), ("iss", "https://login.example")]);
    }
}
