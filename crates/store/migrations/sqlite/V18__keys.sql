-- Keys that are published before they are used, and master keys that follow each other. In used_from
-- stands from when on a key is used; nothing: since it was made.
ALTER TABLE signing_keys ADD COLUMN used_from INTEGER;
ALTER TABLE decryption_keys ADD COLUMN used_from INTEGER;

-- The master keys that processes have, by a proof that says nothing about them, and when one of
-- them was last known to seal. Nothing in sealed_at: it was made and never used.
CREATE TABLE master_keys (
    id        INTEGER NOT NULL PRIMARY KEY,
    proof     BLOB NOT NULL,
    sealed_at INTEGER
) STRICT;

-- Things of which there is one each. name: in whose name keys are encrypted here.
-- pairwise-key: the key of pairwise subjects, encrypted.
CREATE TABLE kept (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- The program before this one uses a new key at once, and knows no end of an old one: it can work here.
UPDATE meta SET value = 17 WHERE name = 'readable_by';
