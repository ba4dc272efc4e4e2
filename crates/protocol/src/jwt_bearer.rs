//! JWTs as authorization grants (RFC 7523 section 2.1). Their claims are those of client assertions
//! and whatever else their issuer says.

/// `grant_type` of such a request.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
