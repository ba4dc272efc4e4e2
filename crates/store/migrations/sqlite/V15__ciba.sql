-- Whom a client asks over the back channel (OpenID Connect CIBA Core 1.0); a device, which waits for
-- whoever types its code, has no account here.
ALTER TABLE pending_authorizations ADD COLUMN account BLOB;
ALTER TABLE pending_authorizations ADD COLUMN binding_message TEXT;
ALTER TABLE pending_authorizations ADD COLUMN wants_acr INTEGER NOT NULL DEFAULT 0;

CREATE INDEX pending_authorizations_by_account
    ON pending_authorizations (account, expires_at) WHERE account IS NOT NULL;
CREATE INDEX pending_authorizations_by_client
    ON pending_authorizations (client, expires_at)
    WHERE account IS NOT NULL AND answered_by IS NULL;

-- What clients are told when their user has answered: written with the request, due at its end, or
-- as soon as there is an answer. What is said is sealed, since the request itself is here by its
-- digest alone. A row goes when the ping is delivered or given up.
CREATE TABLE pings (
    request     BLOB NOT NULL PRIMARY KEY,
    client      TEXT NOT NULL,
    sealed      TEXT NOT NULL,
    tries       INTEGER NOT NULL,
    due_at      INTEGER NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX pings_due ON pings (due_at);
