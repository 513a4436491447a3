CREATE TABLE saga_meta (schema_version INTEGER NOT NULL) STRICT;
INSERT INTO saga_meta (schema_version) VALUES (2);

-- What all sagas of one definition share is stored once. A DAG that is encrypted looks different for each saga, so
-- each has a row of its own, with the key of its time.
CREATE TABLE saga_definition (
    definition  INTEGER NOT NULL PRIMARY KEY,
    fingerprint TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    dag         BLOB    NOT NULL
) STRICT;

CREATE INDEX saga_definition_by_fingerprint ON saga_definition (fingerprint, name);

-- Every append rewrites a row of this one, so what never changes is in saga_input or saga_definition.
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

-- No column of these indexes changes while a saga runs, so only its start and its end write them. Their
-- conditions are `IS NULL` because SQLite builds a temporary table for every `IN` that it checks.
CREATE INDEX saga_unfinished ON saga (created_at) WHERE ended_at IS NULL;
CREATE INDEX saga_ended ON saga (status, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX saga_by_status ON saga (status, id);
CREATE INDEX saga_by_definition ON saga (definition);

CREATE TABLE saga_event (
    number  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    node    TEXT,
    attempt INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    payload BLOB,
    PRIMARY KEY (number, seq)
) STRICT, WITHOUT ROWID;

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
