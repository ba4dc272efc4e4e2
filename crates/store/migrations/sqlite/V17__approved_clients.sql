-- Clients of metadata documents (their identifiers are addresses) that a person has let in, beside
-- their rows in clients. One that took no tokens goes after a while.
CREATE TABLE approved_clients (
    client      TEXT NOT NULL PRIMARY KEY,
    approved_at INTEGER NOT NULL,
    used_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX approved_clients_unused ON approved_clients (approved_at) WHERE used_at IS NULL;
