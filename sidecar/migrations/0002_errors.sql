-- Errors that were answered, without anything that a user wrote.

CREATE TABLE errors (
    id           TEXT PRIMARY KEY NOT NULL,
    at           INTEGER NOT NULL,
    code         TEXT NOT NULL,
    status       INTEGER NOT NULL,
    method       TEXT NOT NULL,
    endpoint     TEXT NOT NULL,              -- the route's pattern
    incident_id  TEXT,
    request_id   TEXT NOT NULL
) STRICT;

CREATE INDEX errors_by_time ON errors (at);
