-- NULL unless the saga is suspended: then the time at which it is due, or the largest integer if it has none. It is a column of
-- its own, and not a flag beside `wake_at`, so that the appends of running sagas write none of the indexes that have it.
ALTER TABLE saga ADD COLUMN suspended_until INTEGER;

CREATE INDEX saga_due ON saga (suspended_until, definition) WHERE suspended_until IS NOT NULL;

-- A claim passes over suspended sagas, of which there may be very many.
DROP INDEX saga_unfinished;
CREATE INDEX saga_unfinished ON saga (status, id, created_at, ended_at, suspended_until) WHERE ended_at IS NULL;
