-- Keys of an algorithm that is switched off: since when such a key is not used, although no other has
-- taken its place. It goes when nothing that it signed is left.
ALTER TABLE signing_keys ADD COLUMN unused_since BIGINT;

-- The program before this one leaves such a key in its key set.
UPDATE meta SET value = 17 WHERE name = 'readable_by';
