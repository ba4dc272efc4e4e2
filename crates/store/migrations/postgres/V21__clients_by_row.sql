-- Nothing on PostgreSQL, whose tables all have rows of their own: the numbers go on in step with SQLite's.
UPDATE meta SET value = 17 WHERE name = 'readable_by';
