//! What clients that register themselves may be (RFC 7591).

use keystile_protocol::Scope;

use crate::records::GrantType;

/// Who may register a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistrationMode {
    /// The operator alone: there is no endpoint.
    #[default]
    Off,
    /// Whoever has an initial access token.
    Token,
    /// Anybody, within bounds.
    Open,
}

/// The bounds for clients that register themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationPolicy {
    /// Who may.
    pub mode: RegistrationMode,
    /// Scopes that they may have beside the standard ones.
    pub scopes: Scope,
    /// Grant types that they may have.
    pub grant_types: Vec<GrantType>,
    /// Hosts of redirect URIs; `*.` stands for anything below. Empty: any.
    pub redirect_hosts: Vec<String>,
    /// Schemes of redirect URIs. Empty: whichever the rules of registration take.
    pub redirect_schemes: Vec<String>,
    /// Whether confidential ones must use PKCE, as public ones always do.
    pub require_pkce: bool,
    /// Whether public ones may do without, which is for a test bench alone: without PKCE a stolen
    /// code of theirs is as good as a password (RFC 9700 section 2.1.1).
    pub public_without_pkce: bool,
    /// Open registrations of one network within an hour.
    pub per_network: u32,
    /// Open registrations in all that nobody has used yet.
    pub unused_at_most: u32,
    /// Whether an identifier may be the address of a document of metadata.
    pub client_id_metadata_documents: bool,
}

impl Default for RegistrationPolicy {
    fn default() -> Self {
        Self {
            mode: RegistrationMode::Off,
            scopes: Scope::empty(),
            grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
            redirect_hosts: Vec::new(),
            redirect_schemes: Vec::new(),
            require_pkce: true,
            public_without_pkce: false,
            per_network: 20,
            unused_at_most: 1000,
            client_id_metadata_documents: false,
        }
    }
}
