-- Our copies of clients' logos, served from our own origin by the digest of the picture.
CREATE TABLE logos (
    client     TEXT NOT NULL PRIMARY KEY,
    name       TEXT NOT NULL,
    media_type TEXT NOT NULL,
    picture    BLOB NOT NULL
) STRICT;

CREATE INDEX logos_by_name ON logos (name);
