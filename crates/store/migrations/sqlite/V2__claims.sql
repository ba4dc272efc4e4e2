-- The claims that were asked for one by one (OpenID Connect Core 1.0 section 5.5), as JSON; NULL
-- where there are none. A program that does not know the column leaves it so.
ALTER TABLE grants ADD COLUMN claims TEXT;
