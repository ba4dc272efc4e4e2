-- Whether a client wants a message at the end of a session: its record is JSON, which no statement
-- looks into. Those that are here already have no address for it.
ALTER TABLE clients ADD COLUMN told_of_logout INTEGER NOT NULL DEFAULT 0;

-- What clients have yet to be told of, and what they were told: written with the end of a session,
-- in its transaction. A message that was never taken has no `give_up_at`.
CREATE TABLE logout_messages (
    id          INTEGER NOT NULL PRIMARY KEY,
    client      TEXT NOT NULL,
    account     BLOB NOT NULL,
    sid         BLOB NOT NULL,
    tries       INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    give_up_at  INTEGER,
    settled_at  INTEGER,
    outcome     TEXT
) STRICT;

CREATE INDEX logout_messages_due ON logout_messages (next_try_at) WHERE settled_at IS NULL;
CREATE INDEX logout_messages_settled ON logout_messages (settled_at) WHERE settled_at IS NOT NULL;
