-- Names and fingerprints of sagas, and the DAG with which the first saga of that fingerprint was started.
CREATE TABLE saga_version (
    version     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fingerprint text    NOT NULL,
    name        text    NOT NULL,
    dag         bytea   NOT NULL,
    -- When no saga had it any more. It is removed a while later, unless a saga has it by then.
    retired_at  timestamptz,
    UNIQUE (fingerprint, name)
);

-- Every append writes a new version of a row of this one, so what seldom changes is in saga_input or saga_version, and no
-- index has what changes while a saga runs: new versions then stay on the page. It has room for two more of each row,
-- because sagas that were created together go on together, and the version before is only removed when no transaction
-- sees it any more.
CREATE TABLE saga (
    -- Stands for the id in other tables. Nothing looks for it here, so it needs no index.
    number        bigint  GENERATED ALWAYS AS IDENTITY,
    id            text    COLLATE "C" NOT NULL PRIMARY KEY,
    version       integer NOT NULL,
    status        text    NOT NULL,
    -- Empty if the saga has no owner.
    owner         text    NOT NULL,
    epoch         bigint  NOT NULL,
    next_seq      bigint  NOT NULL,
    attempts      bigint  NOT NULL,
    wake_at       bigint,
    deadline      bigint,
    paused        boolean NOT NULL,
    parked_reason text,
    created_at    bigint  NOT NULL,
    updated_at    bigint  NOT NULL,
    -- The time of the last entry, once the saga has ended; NULL before.
    ended_at      bigint,
    error         text,
    context       bytea
) WITH (fillfactor = 35, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);

-- By what a claim looks for.
CREATE INDEX saga_unfinished ON saga (owner, (parked_reason IS NULL), version) WHERE ended_at IS NULL;
-- By what a purge looks for. It also tells whether any saga that has ended has a version.
CREATE INDEX saga_ended ON saga (version, status, ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX saga_by_status ON saga (status, id);

CREATE TABLE saga_input (
    number bigint NOT NULL PRIMARY KEY,
    birth  uuid   NOT NULL,
    params bytea  NOT NULL,
    -- NULL if it is the one of the saga's version. A DAG that is encrypted looks different for each saga.
    dag    bytea
);

-- The log of a saga: a row for each append, with all of its entries.
CREATE TABLE saga_log (
    number    bigint NOT NULL,
    first_seq bigint NOT NULL,
    -- A JSON array of [kind, epoch, at, node, attempt, bytes of payload].
    entries   text   NOT NULL,
    -- The payloads of these entries, one after the other.
    payloads  bytea  NOT NULL,
    PRIMARY KEY (number, first_seq)
);

-- For people: a row for each entry. The store does not use it.
CREATE VIEW saga_event AS
    SELECT log.number, log.first_seq + entry.place - 1 AS seq,
        (entry.value ->> 1)::bigint AS epoch,
        (entry.value ->> 2)::bigint AS at,
        entry.value ->> 3 AS node,
        (entry.value ->> 4)::bigint AS attempt,
        entry.value ->> 0 AS kind,
        substring(log.payloads FROM (1 + coalesce(sum((entry.value ->> 5)::integer) OVER (
            PARTITION BY log.number, log.first_seq ORDER BY entry.place
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0))::integer FOR (entry.value ->> 5)::integer) AS payload
    FROM saga_log AS log, json_array_elements(log.entries::json) WITH ORDINALITY AS entry (value, place);

-- A request waits as long as it has no answer; `args` is all of the command.
CREATE TABLE saga_command (
    id      uuid   NOT NULL PRIMARY KEY,
    saga_id text   COLLATE "C" NOT NULL,
    kind    text   NOT NULL,
    args    bytea  NOT NULL,
    "by"    text   NOT NULL,
    at      bigint NOT NULL,
    answer  bytea
);

CREATE INDEX saga_command_by_saga ON saga_command (saga_id);
CREATE INDEX saga_command_waiting ON saga_command (at, id) WHERE answer IS NULL;

-- The workers, including those that have died, as long as they own sagas that have not ended.
CREATE TABLE saga_worker (
    incarnation text        NOT NULL PRIMARY KEY,
    started_at  timestamptz NOT NULL,
    lease_until timestamptz NOT NULL
) WITH (fillfactor = 50);

-- How workers divide the calls of actions that are limited over all of them: a row for each action. A worker changes it
-- when its share changes, and not for each call, if the version is still the one that it has read.
CREATE TABLE saga_call_share (
    action  text   NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    -- A JSON array of {worker, limit, held, wants, since}.
    shares  text   NOT NULL
) WITH (fillfactor = 50);
