-- Lets a test damage single entries: while its own statements run in place of the last comment, there is a table with a
-- row for each entry where the store has a view. It hides the view, since it is temporary.
CREATE TEMPORARY TABLE saga_event AS SELECT * FROM main.saga_event;
-- DAMAGE
;
DELETE FROM saga_log;
INSERT INTO saga_log (key, entries, payloads)
    SELECT (number << 24) + seq, json_array(json_array(kind, epoch, at, node, attempt, length(payload))), payload
    FROM temp.saga_event;
DROP TABLE temp.saga_event;
