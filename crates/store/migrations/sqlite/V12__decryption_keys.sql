-- Keys that decrypt what clients send. They are apart from the signing keys, whose table says by
-- which algorithm each of them signs.
CREATE TABLE decryption_keys (
    kid        TEXT NOT NULL PRIMARY KEY,
    key_type   TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
