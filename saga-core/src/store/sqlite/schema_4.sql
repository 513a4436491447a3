CREATE TABLE saga_meta (schema_version INTEGER NOT NULL) STRICT;
INSERT INTO saga_meta (schema_version) VALUES (4);

-- What all sagas of one definition share is stored once. A DAG that is encrypted looks different for each saga, so
-- each has a row of its own, with the key of its time.
CREATE TABLE saga_definition (
    definition  INTEGER NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    dag         BLOB    NOT NULL
) STRICT;

CREATE INDEX saga_definition_by_fingerprint ON saga_definition (fingerprint, name);

-- Every append rewrites a row of this one, so what seldom changes is in saga_input or saga_definition.
CREATE TABLE saga (
    number        INTEGER NOT NULL PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    definition    INTEGER NOT NULL,
    status        TEXT    NOT NULL,
    owner         TEXT,
    epoch         INTEGER NOT NULL,
    next_seq      INTEGER NOT NULL,
    attempts      INTEGER NOT NULL,
    wake_at       INTEGER,
    deadline      INTEGER,
    paused        INTEGER NOT NULL,
    parked_reason TEXT,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    -- The time of the last entry, once the saga has ended; NULL before.
    ended_at      INTEGER,
    error         TEXT,
    context       BLOB
) STRICT;

CREATE TABLE saga_input (
    number INTEGER NOT NULL PRIMARY KEY,
    birth  TEXT    NOT NULL,
    params BLOB    NOT NULL
) STRICT;

-- Of these columns only the status changes while a saga runs, and seldom, so it is mostly its start and its end that
-- write the indexes. Their conditions are `IS NULL` because SQLite builds a temporary table for every `IN` that it
-- checks. `ended_at` is in the first one because SQLite would read the rows to see that it is NULL. Most sagas have
-- completed, and are listed by the index of all ids, which saves them a place in another one.
CREATE INDEX saga_unfinished ON saga (status, id, created_at, ended_at) WHERE ended_at IS NULL;
CREATE INDEX saga_ended ON saga (status, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX saga_not_completed ON saga (status, id) WHERE ended_at IS NOT NULL AND status <> 'completed';
CREATE INDEX saga_by_definition ON saga (definition);

-- The log of a saga: a row for each append, with all of its entries. They are what is inserted most often, and a row for
-- each entry took more than half of the time of an append.
CREATE TABLE saga_log (
    -- number * 16777216 + the sequence number of the first entry. It is one integer, because SQLite keeps such rows
    -- apart from their keys: with a key of two columns it would read long rows in full to compare their keys.
    key      INTEGER NOT NULL PRIMARY KEY,
    -- A JSON array of [kind, epoch, at, node, attempt, bytes of payload].
    entries  TEXT    NOT NULL,
    -- The payloads of these entries, one after the other.
    payloads BLOB    NOT NULL
) STRICT;

-- For people: a row for each entry. The store does not use it.
CREATE VIEW saga_event AS
    SELECT saga.number, (log.key & 16777215) + entry.key AS seq,
        json_extract(entry.value, '$[1]') AS epoch,
        json_extract(entry.value, '$[2]') AS at,
        json_extract(entry.value, '$[3]') AS node,
        json_extract(entry.value, '$[4]') AS attempt,
        json_extract(entry.value, '$[0]') AS kind,
        substr(log.payloads,
            1 + coalesce((SELECT sum(json_extract(earlier.value, '$[5]')) FROM json_each(log.entries) AS earlier
                WHERE earlier.key < entry.key), 0),
            json_extract(entry.value, '$[5]')) AS payload
    FROM saga
    JOIN saga_log AS log ON log.key BETWEEN saga.number << 24 AND (saga.number << 24) + 16777215
    JOIN json_each(log.entries) AS entry;

-- A request waits as long as it has no answer; `args` is all of the command.
CREATE TABLE saga_command (
    id       TEXT    NOT NULL PRIMARY KEY,
    saga_id  TEXT    NOT NULL,
    kind     TEXT    NOT NULL,
    args     BLOB    NOT NULL,
    "by"     TEXT    NOT NULL,
    at       INTEGER NOT NULL,
    answer   BLOB
) STRICT;

CREATE INDEX saga_command_by_saga ON saga_command (saga_id);
CREATE INDEX saga_command_waiting ON saga_command (at, id) WHERE answer IS NULL;

CREATE TABLE saga_worker (
    incarnation TEXT    NOT NULL PRIMARY KEY,
    state       TEXT    NOT NULL,
    lease_until INTEGER NOT NULL
) STRICT;
