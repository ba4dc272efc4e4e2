//! The rules of a login as plain functions: values in, values out. Time and randomness are
//! arguments, nothing here knows a network, a clock or a framework.
//!
//! An app without axum uses these with an HTTP library of its own: [`AuthorizationRequest::begin`],
//! then [`check_callback`], [`code_request`], [`read_token_response`] and [`check_id_token`]; where
//! more is asked for, [`signed_request`], [`pushed_request`], [`open_response`], [`client_assertion`]
//! and [`ProofKey`].

mod callback;
mod challenge;
mod client_assertion;
mod client_key;
mod credential;
mod device;
mod encryption_key;
mod exchange_response;
mod frontchannel_logout;
mod grants;
mod id_token;
mod logout_token;
pub(crate) mod pem;
mod profile;
mod proof;
mod pushed_request;
mod registration;
mod request;
mod request_object;
mod resource_metadata;
mod retry;
mod return_to;
mod signed_response;
mod token_request;
mod token_response;
mod userinfo;
mod webfinger;

#[cfg(test)]
mod test_values;

pub use callback::{CallbackError, Expected, check_callback};
pub use challenge::{Challenge, StepUp, challenges, step_up, wants_nonce};
pub use client_assertion::client_assertion;
pub use client_key::ClientKey;
pub use credential::Credential;
pub use device::{NotYet, Polling, read_device_authorization};
pub use encryption_key::EncryptionKey;
pub use exchange_response::{Exchanged, read_exchange_response};
pub use frontchannel_logout::{FrontchannelLogoutError, check_frontchannel_logout};
pub use grants::{
    Exchange, client_credentials_request, device_authorization_request, device_token_request,
    exchange_request,
};
pub use id_token::{IdTokenError, IdTokenRules, allowed_algorithms, check_id_token};
pub use logout_token::{
    LOGOUT_TOKEN_LIFETIME, LogoutTokenError, LogoutTokenRules, check_logout_token,
};
pub use profile::{Features, Profile, Unfit};
pub use proof::{ProofKey, Proven};
pub use pushed_request::{pushed_request, pushed_url, read_pushed_response};
pub use registration::{RegistrationError, read_registration};
pub(crate) use request::attempt_of;
pub use request::{
    AuthorizationRequest, LOGIN_LIFETIME, Parameters, PendingLogin, Prompt, Started,
    authorization_url, login_id,
};
pub use request_object::{referred_request, request_object, signed_request};
pub(crate) use resource_metadata::is_safe;
pub use resource_metadata::{
    ResourceMetadata, ResourceMetadataError, metadata_url, read_resource_metadata, well_known_url,
};
pub use retry::{left_alone_until, pause_before_retry, retry_after};
pub use return_to::ReturnTo;
pub use signed_response::{
    SignedResponseError, SignedResponseRules, open_response, response_algorithms,
};
pub use token_request::{TokenRequest, code_request, refresh_request, revocation_request};
pub use token_response::{
    TokenError, read_bound_token_response, read_revocation_response, read_token_response,
};
pub use userinfo::{UserinfoError, UserinfoRules, read_signed_userinfo, read_userinfo};
pub use webfinger::{WebFingerError, WebFingerQuery, read_webfinger, webfinger_query};
