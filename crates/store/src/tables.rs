//! Every table with its columns, in one place for both backends: what a store holds beside `meta`.

/// A table's name, and its columns as a statement names them.
pub(crate) type Table = (&'static str, &'static str);

pub(crate) const TABLES: &[Table] = &[
    ("clients", "id, enabled, registration, format, record, told_of_logout"),
    ("accounts", "id, username, enabled, valid_from, password_hash, claims"),
    (
        "sessions",
        "id, secret_digest, sid, account, auth_time, methods, created_at, last_used, \
         expires_at, ended_at, user_agent",
    ),
    ("session_clients", "session, client"),
    ("consents", "account, client, granted, refused, valid_from, since"),
    (
        "grants",
        "id, redemption, account, client, registration, session, sid, offline, scope, \
         resources, auth_time, methods, approved_at, created_at, expires_at, \
         keep_until, revoked_at, generation, rotated_at, last_used, salt, claims, \
         dpop_key, approval, certificate, authorization_details, predecessor, successor",
    ),
    ("revoked_tokens", "jti, expires_at"),
    ("signing_keys", "kid, algorithm, sealed, created_at, used_from, unused_since"),
    ("incidents", "slot, reference, record"),
    ("used_once", "key, used_by, expires_at"),
    (
        "logout_messages",
        "id, client, account, sid, tries, next_try_at, lease_until, give_up_at, \
         settled_at, outcome",
    ),
    ("registrations", "client, token_digest, metadata, created_at, network, used_at"),
    ("initial_access_tokens", "digest, name, created_at, expires_at, uses_left"),
    ("logos", "client, name, media_type, picture"),
    (
        "pending_authorizations",
        "id, secret_digest, user_code, client, network, scope, resources, expires_at, \
         poll_every, polled_at, answered_by, approval, redeemed_at, \
         authorization_details, account, binding_message, wants_acr",
    ),
    ("decryption_keys", "kid, key_type, sealed, created_at, used_from"),
    ("parked", "id, owner, content, expires_at"),
    ("pings", "request, client, sealed, tries, due_at, lease_until"),
    ("approved_clients", "client, approved_at, used_at"),
    ("leases", "name, holder, ends_at"),
    ("master_keys", "id, proof, sealed_at"),
    ("kept", "name, value"),
];

/// Table and column, one by one, to be held against a schema.
#[cfg(test)]
pub(crate) fn columns() -> std::collections::BTreeSet<(String, String)> {
    let of = |(table, columns): &Table| {
        let columns = columns.split(", ").map(|column| ((*table).to_owned(), column.to_owned()));
        columns.collect::<Vec<_>>()
    };
    TABLES.iter().flat_map(of).collect()
}
