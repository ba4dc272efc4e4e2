-- Times are milliseconds since 1970. Identifiers are 16 bytes: 6 of milliseconds, 10 random, so
-- that rows are written side by side (a random key makes SQLite five times slower).
--
-- There are no foreign keys: whether a grant is alive is a join that is asked at each use, so a
-- row that is gone ends what hangs on it without a single write.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- epoch: what was sealed in an earlier one is refused; a restore raises it.
-- changes: counts writes to clients and keys, so that every process drops what it remembers.
-- readable_by: programs that know the migration of this number can work on this database.
INSERT INTO meta (name, value) VALUES ('epoch', 0), ('changes', 0), ('readable_by', 1);

-- registration: the count of changes at which the row was added. A client that was removed and
-- added again is another one, and the grants of the first stay dead.
CREATE TABLE clients (
    id           TEXT NOT NULL PRIMARY KEY,
    enabled      INTEGER NOT NULL,
    registration INTEGER NOT NULL,
    format       INTEGER NOT NULL,
    record       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id            BLOB NOT NULL PRIMARY KEY,
    username      TEXT NOT NULL UNIQUE,
    enabled       INTEGER NOT NULL,
    valid_from    INTEGER NOT NULL,
    password_hash TEXT,
    claims        TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sessions (
    id            BLOB NOT NULL PRIMARY KEY,
    secret_digest BLOB NOT NULL,
    sid           BLOB NOT NULL,
    account       BLOB NOT NULL,
    auth_time     INTEGER NOT NULL,
    methods       TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_used     INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ended_at      INTEGER,
    user_agent    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_account ON sessions (account);

-- The clients that got tokens in a session: logout messages go to these.
CREATE TABLE session_clients (
    session BLOB NOT NULL,
    client  TEXT NOT NULL,
    PRIMARY KEY (session, client)
) STRICT, WITHOUT ROWID;

-- A withdrawn consent keeps its row: valid_from says which grants died with it.
CREATE TABLE consents (
    account    BLOB NOT NULL,
    client     TEXT NOT NULL,
    granted    TEXT NOT NULL,
    refused    TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    since      INTEGER NOT NULL,
    PRIMARY KEY (account, client)
) STRICT, WITHOUT ROWID;

-- The row is the proof that a code was used. It has no secondary index, each of which would cost
-- as much as a random key.
CREATE TABLE grants (
    id           BLOB NOT NULL PRIMARY KEY,
    redemption   BLOB NOT NULL,
    account      BLOB NOT NULL,
    client       TEXT NOT NULL,
    registration INTEGER NOT NULL,
    session      BLOB NOT NULL,
    sid          BLOB NOT NULL,
    offline      INTEGER NOT NULL,
    scope        TEXT NOT NULL,
    resources    TEXT NOT NULL,
    auth_time    INTEGER NOT NULL,
    methods      TEXT NOT NULL,
    approved_at  INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    keep_until   INTEGER NOT NULL,
    revoked_at   INTEGER,
    generation   INTEGER NOT NULL,
    rotated_at   INTEGER NOT NULL,
    last_used    INTEGER NOT NULL,
    salt         BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE revoked_tokens (
    jti        TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX revoked_tokens_by_end ON revoked_tokens (expires_at);

CREATE TABLE signing_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    algorithm  TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Strangers cause incidents, so the table has a fixed number of places.
CREATE TABLE incidents (
    slot      INTEGER NOT NULL PRIMARY KEY,
    reference TEXT NOT NULL,
    record    TEXT NOT NULL
) STRICT;
