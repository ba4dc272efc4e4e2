-- Clients that are there by their own word, beside their rows in clients. origin: 'token', 'open' or
-- 'document'; those without a token of the operator's go if nobody uses them. Whoever registered
-- (RFC 7591) has what it is told of its registration, and the digest of the token that it manages it
-- with (RFC 7592); an open registration has the network that it came from.
CREATE TABLE registrations (
    client       TEXT NOT NULL PRIMARY KEY,
    origin       TEXT NOT NULL,
    token_digest BLOB,
    metadata     TEXT,
    created_at   INTEGER NOT NULL,
    network      TEXT,
    used_at      INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX registrations_by_network ON registrations (network, created_at)
    WHERE network IS NOT NULL;
CREATE INDEX registrations_unused ON registrations (origin, created_at)
    WHERE used_at IS NULL;

-- What lets a client register where not everybody may (RFC 7591 section 3).
CREATE TABLE initial_access_tokens (
    digest     BLOB NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
