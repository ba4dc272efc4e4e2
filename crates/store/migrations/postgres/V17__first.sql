-- Times are milliseconds since 1970. Identifiers are 16 bytes: 6 of milliseconds, 10 random.
--
-- There are no foreign keys: whether a grant is alive is a join that is asked at each use, so a
-- row that is gone ends what hangs on it without a single write.
--
-- What SQLite's migrations up to this number made, as one. Later numbers are in both folders.

CREATE TABLE meta (
    name  TEXT   NOT NULL PRIMARY KEY,
    value BIGINT NOT NULL
);

-- epoch: what was sealed in an earlier one is refused; a restore raises it, and a promotion.
-- changes: counts writes to clients and keys, so that every process drops what it remembers.
-- readable_by: programs that know the migration of this number can work on this database.
-- system, timeline: the server that the database was last used on. Another one is a restore or a
-- promotion.
INSERT INTO meta (name, value)
VALUES ('epoch', 0), ('changes', 0), ('readable_by', 1), ('system', 0), ('timeline', 0);

-- registration: the count of changes at which the row was added. A client that was removed and
-- added again is another one, and the grants of the first stay dead.
-- told_of_logout: whether a client wants a message at the end of a session; its record is JSON,
-- which no statement looks into.
CREATE TABLE clients (
    id             TEXT   NOT NULL PRIMARY KEY,
    enabled        BIGINT NOT NULL,
    registration   BIGINT NOT NULL,
    format         BIGINT NOT NULL,
    record         TEXT   NOT NULL,
    told_of_logout BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE accounts (
    id            BYTEA  NOT NULL PRIMARY KEY,
    username      TEXT   NOT NULL UNIQUE,
    enabled       BIGINT NOT NULL,
    valid_from    BIGINT NOT NULL,
    password_hash TEXT,
    claims        TEXT   NOT NULL
);

CREATE TABLE sessions (
    id            BYTEA  NOT NULL PRIMARY KEY,
    secret_digest BYTEA  NOT NULL,
    sid           BYTEA  NOT NULL,
    account       BYTEA  NOT NULL,
    auth_time     BIGINT NOT NULL,
    methods       TEXT   NOT NULL,
    created_at    BIGINT NOT NULL,
    last_used     BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    ended_at      BIGINT,
    user_agent    TEXT   NOT NULL
);

CREATE INDEX sessions_by_account ON sessions (account);

-- The clients that got tokens in a session: logout messages go to these.
CREATE TABLE session_clients (
    session BYTEA NOT NULL,
    client  TEXT  NOT NULL,
    PRIMARY KEY (session, client)
);

-- A withdrawn consent keeps its row: valid_from says which grants died with it.
CREATE TABLE consents (
    account    BYTEA  NOT NULL,
    client     TEXT   NOT NULL,
    granted    TEXT   NOT NULL,
    refused    TEXT   NOT NULL,
    valid_from BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (account, client)
);

-- The row is the proof that a code was used. It has no secondary index: none of its columns that
-- change is in one, so that a change need not touch an index.
-- claims: those that were asked for one by one (OpenID Connect Core 1.0 section 5.5), as JSON.
-- dpop_key, certificate: the thumbprint of what a public client's refresh token is bound to (RFC
-- 9449 section 5, RFC 8705 section 7.1); one of the two, or neither.
-- approval: which approval of a pushed request (RFC 9126) the grant came from; nothing for a grant
-- that can only have one.
-- authorization_details: what was allowed beside the scope (RFC 9396), as JSON.
CREATE TABLE grants (
    id                    BYTEA  NOT NULL PRIMARY KEY,
    redemption            BYTEA  NOT NULL,
    account               BYTEA  NOT NULL,
    client                TEXT   NOT NULL,
    registration          BIGINT NOT NULL,
    session               BYTEA  NOT NULL,
    sid                   BYTEA  NOT NULL,
    offline               BIGINT NOT NULL,
    scope                 TEXT   NOT NULL,
    resources             TEXT   NOT NULL,
    auth_time             BIGINT NOT NULL,
    methods               TEXT   NOT NULL,
    approved_at           BIGINT NOT NULL,
    created_at            BIGINT NOT NULL,
    expires_at            BIGINT NOT NULL,
    keep_until            BIGINT NOT NULL,
    revoked_at            BIGINT,
    generation            BIGINT NOT NULL,
    rotated_at            BIGINT NOT NULL,
    last_used             BIGINT NOT NULL,
    salt                  BYTEA  NOT NULL,
    claims                TEXT,
    dpop_key              BYTEA,
    approval              BYTEA,
    certificate           BYTEA,
    authorization_details TEXT
) WITH (fillfactor = 90);

CREATE TABLE revoked_tokens (
    jti        TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

CREATE TABLE signing_keys (
    kid        TEXT   NOT NULL PRIMARY KEY,
    algorithm  TEXT   NOT NULL,
    sealed     BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);

-- Keys that decrypt what clients send. They are apart from the signing keys, whose table says by
-- which algorithm each of them signs.
CREATE TABLE decryption_keys (
    kid        TEXT   NOT NULL PRIMARY KEY,
    key_type   TEXT   NOT NULL,
    sealed     BYTEA  NOT NULL,
    created_at BIGINT NOT NULL
);

-- Strangers cause incidents, so the table has a fixed number of places.
CREATE TABLE incidents (
    slot      BIGINT NOT NULL PRIMARY KEY,
    reference TEXT   NOT NULL,
    record    TEXT   NOT NULL
);

-- Client assertions and DPoP proofs count once: the row is written with the operation that they
-- allow. used_by tells the request that wrote it from another. Rows live for minutes.
CREATE TABLE used_once (
    key        BYTEA  NOT NULL PRIMARY KEY,
    used_by    BYTEA  NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX used_once_by_end ON used_once (expires_at);

-- What clients have yet to be told of, and what they were told: written with the end of a session,
-- in its transaction. A message that was never taken has no give_up_at.
CREATE TABLE logout_messages (
    id          BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    client      TEXT   NOT NULL,
    account     BYTEA  NOT NULL,
    sid         BYTEA  NOT NULL,
    tries       BIGINT NOT NULL,
    next_try_at BIGINT NOT NULL,
    lease_until BIGINT NOT NULL,
    give_up_at  BIGINT,
    settled_at  BIGINT,
    outcome     TEXT
);

CREATE INDEX logout_messages_due ON logout_messages (next_try_at) WHERE settled_at IS NULL;
CREATE INDEX logout_messages_settled ON logout_messages (settled_at) WHERE settled_at IS NOT NULL;

-- Clients that registered themselves (RFC 7591): beside the row in clients, what they are told of
-- their registration, and the digest of the token that they manage it with (RFC 7592). An open
-- registration has the network that it came from, and goes if nobody uses it.
CREATE TABLE registrations (
    client       TEXT   NOT NULL PRIMARY KEY,
    token_digest BYTEA  NOT NULL,
    metadata     TEXT   NOT NULL,
    created_at   BIGINT NOT NULL,
    network      TEXT,
    used_at      BIGINT
);

CREATE INDEX registrations_by_network ON registrations (network, created_at)
    WHERE network IS NOT NULL;
CREATE INDEX registrations_unused ON registrations (created_at)
    WHERE network IS NOT NULL AND used_at IS NULL;

-- What lets a client register where not everybody may (RFC 7591 section 3).
CREATE TABLE initial_access_tokens (
    digest     BYTEA  NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    uses_left  BIGINT NOT NULL
);

-- Our copies of clients' logos, served from our own origin by the digest of the picture.
CREATE TABLE logos (
    client     TEXT  NOT NULL PRIMARY KEY,
    name       TEXT  NOT NULL,
    media_type TEXT  NOT NULL,
    picture    BYTEA NOT NULL
);

CREATE INDEX logos_by_name ON logos (name);

-- What waits for a user's word while the client polls for it (RFC 8628, OpenID Connect CIBA Core
-- 1.0). Rows are written before anybody has signed in: there is a cap on them, and they live for
-- minutes. The client's code is the key and a secret, of which only the digest is here. approval
-- stays empty where the word was no. account: whom a client asks over the back channel; a device,
-- which waits for whoever types its code, has none here.
CREATE TABLE pending_authorizations (
    id                    BYTEA  NOT NULL PRIMARY KEY,
    secret_digest         BYTEA  NOT NULL,
    user_code             TEXT   UNIQUE,
    client                TEXT   NOT NULL,
    network               TEXT   NOT NULL,
    scope                 TEXT   NOT NULL,
    resources             TEXT   NOT NULL,
    expires_at            BIGINT NOT NULL,
    poll_every            BIGINT NOT NULL,
    polled_at             BIGINT,
    answered_by           BYTEA,
    approval              TEXT,
    redeemed_at           BIGINT,
    authorization_details TEXT,
    account               BYTEA,
    binding_message       TEXT,
    wants_acr             BIGINT NOT NULL DEFAULT 0
);

CREATE INDEX pending_authorizations_by_network
    ON pending_authorizations (network, expires_at) WHERE answered_by IS NULL;
CREATE INDEX pending_authorizations_by_end ON pending_authorizations (expires_at);
CREATE INDEX pending_authorizations_by_account
    ON pending_authorizations (account, expires_at) WHERE account IS NOT NULL;
CREATE INDEX pending_authorizations_by_client
    ON pending_authorizations (client, expires_at)
    WHERE account IS NOT NULL AND answered_by IS NULL;

-- Pushed requests and codes that are too large to travel. Who takes up the room (a client, or a
-- network of strangers) and how much there is in all is counted when a row is added.
CREATE TABLE parked (
    id         BYTEA  NOT NULL PRIMARY KEY,
    owner      TEXT   NOT NULL,
    content    TEXT   NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX parked_by_owner ON parked (owner, expires_at);
CREATE INDEX parked_by_end ON parked (expires_at);

-- What clients are told when their user has answered: written with the request, due at its end, or
-- as soon as there is an answer. What is said is sealed, since the request itself is here by its
-- digest alone. A row goes when the ping is delivered or given up.
CREATE TABLE pings (
    request     BYTEA  NOT NULL PRIMARY KEY,
    client      TEXT   NOT NULL,
    sealed      TEXT   NOT NULL,
    tries       BIGINT NOT NULL,
    due_at      BIGINT NOT NULL,
    lease_until BIGINT NOT NULL
);

CREATE INDEX pings_due ON pings (due_at);

-- Clients of metadata documents (their identifiers are addresses) that a person has let in, beside
-- their rows in clients. One that took no tokens goes after a while.
CREATE TABLE approved_clients (
    client      TEXT   NOT NULL PRIMARY KEY,
    approved_at BIGINT NOT NULL,
    used_at     BIGINT
);

CREATE INDEX approved_clients_unused ON approved_clients (approved_at) WHERE used_at IS NULL;
