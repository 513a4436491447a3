CREATE TABLE saga_meta (schema_version INTEGER NOT NULL) STRICT;
INSERT INTO saga_meta (schema_version) VALUES (1);

-- Every append rewrites a row of this one, so what never changes and may be large is in saga_input.
CREATE TABLE saga (
    number        INTEGER NOT NULL PRIMARY KEY,
    id            TEXT    NOT NULL UNIQUE,
    birth         TEXT    NOT NULL,
    name          TEXT    NOT NULL,
    fingerprint   TEXT    NOT NULL,
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
    error         TEXT,
    context       BLOB
) STRICT;

CREATE TABLE saga_input (
    number INTEGER NOT NULL PRIMARY KEY,
    params BLOB    NOT NULL,
    dag    BLOB    NOT NULL
) STRICT;

CREATE INDEX saga_unfinished ON saga (created_at, id)
    WHERE status IN ('running', 'failed', 'rolling_back');
CREATE INDEX saga_by_status ON saga (status, id);
CREATE INDEX saga_by_owner ON saga (owner)
    WHERE status IN ('running', 'failed', 'rolling_back');
-- An ended saga's row does not change any more, so this costs a write only when one ends.
CREATE INDEX saga_ended ON saga (status, updated_at)
    WHERE status IN ('completed', 'rolled_back', 'stuck');

CREATE TABLE saga_event (
    saga_id TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    node    TEXT,
    attempt INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    payload BLOB,
    PRIMARY KEY (saga_id, seq)
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
