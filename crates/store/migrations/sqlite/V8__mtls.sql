-- The thumbprint of the certificate that a public client's refresh token is bound to (RFC 8705
-- section 7.1); dpop_key has the one of a key. A grant has one of the two, or neither.
ALTER TABLE grants ADD COLUMN certificate BLOB;
