-- The same table with rows of its own. Without them (WITHOUT ROWID) SQLite keeps long rows in an
-- index, and reads the whole of one to compare its key; a client's record is long, and each use of
-- a grant asks whether its client is enabled.
CREATE TABLE clients_by_row (
    id             TEXT NOT NULL PRIMARY KEY,
    enabled        INTEGER NOT NULL,
    registration   INTEGER NOT NULL,
    format         INTEGER NOT NULL,
    record         TEXT NOT NULL,
    told_of_logout INTEGER NOT NULL DEFAULT 0
) STRICT;

INSERT INTO clients_by_row (id, enabled, registration, format, record, told_of_logout)
SELECT id, enabled, registration, format, record, told_of_logout FROM clients;

DROP TABLE clients;
ALTER TABLE clients_by_row RENAME TO clients;

UPDATE meta SET value = 17 WHERE name = 'readable_by';
