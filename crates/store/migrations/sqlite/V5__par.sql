-- Which approval of a pushed request (RFC 9126) the grant came from; nothing for a grant that can
-- only have one. A second approval of one request_uri is refused and revokes nothing.
ALTER TABLE grants ADD COLUMN approval BLOB;
