-- Which refresh token brought the newest one, by its counter: predecessor was presented, successor was
-- issued for it. They count while successor is the grant's counter; otherwise, and where there is
-- nothing, the one before the newest did.
ALTER TABLE grants ADD COLUMN predecessor BIGINT;
ALTER TABLE grants ADD COLUMN successor BIGINT;

-- The program before this one moves the counter alone, and what stands here counts no more.
UPDATE meta SET value = 17 WHERE name = 'readable_by';
