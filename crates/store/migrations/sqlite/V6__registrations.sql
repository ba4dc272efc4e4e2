-- Clients that registered themselves (RFC 7591): beside the row in clients, what they are told of
-- their registration, and the digest of the token that they manage it with (RFC 7592). An open
-- registration has the network that it came from, and goes if nobody uses it.
CREATE TABLE registrations (
    client       TEXT NOT NULL PRIMARY KEY,
    token_digest BLOB NOT NULL,
    metadata     TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    network      TEXT,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_by_network ON registrations (network, created_at)
    WHERE network IS NOT NULL;
CREATE INDEX registrations_unused ON registrations (created_at)
    WHERE network IS NOT NULL AND used_at IS NULL;

-- What lets a client register where not everybody may (RFC 7591 section 3).
CREATE TABLE initial_access_tokens (
    digest     BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
