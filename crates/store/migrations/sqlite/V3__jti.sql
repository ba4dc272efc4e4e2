-- Client assertions and DPoP proofs count once: the row is written with the operation that they
-- allow. used_by tells the request that wrote it from another. Rows live for minutes.
CREATE TABLE used_once (
    key        BLOB NOT NULL PRIMARY KEY,
    used_by    BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_once_by_end ON used_once (expires_at);

-- The thumbprint of the key that a public client's refresh token is bound to (RFC 9449 section 5).
ALTER TABLE grants ADD COLUMN dpop_key BLOB;
