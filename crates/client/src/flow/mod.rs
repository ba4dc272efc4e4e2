//! The rules of a login as plain functions: values in, values out. Time and randomness are
//! arguments, nothing here knows a network, a clock or a framework.
//!
//! An app without axum uses these with an HTTP library of its own: [`AuthorizationRequest::begin`],
//! then [`check_callback`], [`code_request`], [`read_token_response`] and [`check_id_token`].

mod callback;
mod credential;
mod device;
mod exchange_response;
mod grants;
mod id_token;
mod logout_token;
mod request;
mod return_to;
mod token_request;
mod token_response;
mod userinfo;

#[cfg(test)]
mod test_values;

pub use callback::{CallbackError, Expected, check_callback};
pub use credential::Credential;
pub use device::{NotYet, Polling, read_device_authorization};
pub use exchange_response::{Exchanged, read_exchange_response};
pub use grants::{
    Exchange, client_credentials_request, device_authorization_request, device_token_request,
    exchange_request,
};
pub use id_token::{IdTokenError, IdTokenRules, allowed_algorithms, check_id_token};
pub use logout_token::{
    LOGOUT_TOKEN_LIFETIME, LogoutTokenError, LogoutTokenRules, check_logout_token,
};
pub(crate) use request::attempt_of;
pub use request::{AuthorizationRequest, LOGIN_LIFETIME, PendingLogin, Prompt, Started, login_id};
pub use return_to::ReturnTo;
pub use token_request::{TokenRequest, code_request, refresh_request, revocation_request};
pub use token_response::{TokenError, read_token_response};
pub use userinfo::read_userinfo;
