-- Completions that were offered, and what became of them. The code itself is not kept.

CREATE TABLE completions (
    id                   TEXT PRIMARY KEY NOT NULL,
    owner                TEXT NOT NULL,
    language             TEXT NOT NULL,
    characters           INTEGER NOT NULL,
    created_at           INTEGER NOT NULL,
    shown_at             INTEGER,
    accepted_at          INTEGER,
    rejected_at          INTEGER,
    accepted_characters  INTEGER
) STRICT;

CREATE INDEX completions_by_time ON completions (created_at);
