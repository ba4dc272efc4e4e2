-- What waits for a user's word while the client polls for it (RFC 8628). Rows are written before
-- anybody has signed in: there is a cap on them, and they live for minutes. The client's code is
-- the key and a secret, of which only the digest is here. `approval` stays empty where the word
-- was no.
CREATE TABLE pending_authorizations (
    id            BLOB NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    user_code     TEXT UNIQUE,
    client        TEXT NOT NULL,
    network       TEXT NOT NULL,
    scope         TEXT NOT NULL,
    resources     TEXT NOT NULL,
    expires_at    INTEGER NOT NULL,
    poll_every    INTEGER NOT NULL,
    polled_at     INTEGER,
    answered_by   BLOB,
    approval      TEXT,
    redeemed_at   INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX pending_authorizations_by_network
    ON pending_authorizations (network, expires_at) WHERE answered_by IS NULL;
CREATE INDEX pending_authorizations_by_end ON pending_authorizations (expires_at);
