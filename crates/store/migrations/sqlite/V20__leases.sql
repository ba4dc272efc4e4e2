-- Work that one node does at a time, such as the sweep: whoever has the lease does it, and another
-- takes it when it has ended.
CREATE TABLE leases (
    name    TEXT NOT NULL PRIMARY KEY,
    holder  BLOB NOT NULL,
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

UPDATE meta SET value = 17 WHERE name = 'readable_by';
