-- What was allowed beside the scope (RFC 9396), as JSON; NULL where there is nothing. A program
-- that does not know the column leaves it so.
ALTER TABLE grants ADD COLUMN authorization_details TEXT;

-- What is asked for beside it.
ALTER TABLE pending_authorizations ADD COLUMN authorization_details TEXT;

-- Pushed requests and codes that are too large to travel. Who takes up the room (a client, or a
-- network of strangers) and how much there is in all is counted when a row is added.
CREATE TABLE parked (
    id         BLOB NOT NULL PRIMARY KEY,
    owner      TEXT NOT NULL,
    content    TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

CREATE INDEX parked_by_owner ON parked (owner, expires_at);
CREATE INDEX parked_by_end ON parked (expires_at);
