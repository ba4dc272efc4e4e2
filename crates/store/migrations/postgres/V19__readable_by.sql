-- Says which programs can work on this store: those that know migration 17. Older ones would ignore
-- what later tables bind, such as the key of a token, the approval of a grant, or details.
UPDATE meta SET value = 17 WHERE name = 'readable_by';
