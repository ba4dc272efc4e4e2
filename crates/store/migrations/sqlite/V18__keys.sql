-- From when on a key is the one that is used: it is published before. Keys of before have nothing
-- here, and are used since they were made.
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

-- keys_turn: until when some process looks after the keys.
INSERT INTO meta (name, value) VALUES ('keys_turn', 0);
