-- What HAPA keeps: who may ask, what was asked, what was answered. Times are milliseconds since 1970, UTC.

CREATE TABLE keys (
    id           TEXT PRIMARY KEY NOT NULL,
    hash         TEXT NOT NULL UNIQUE,      -- SHA-256 of the whole key, lower-case hex; the key itself is never kept
    name         TEXT NOT NULL,
    owner        TEXT NOT NULL,             -- whose history its requests belong to
    permissions  TEXT NOT NULL,             -- names, separated by commas
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    revoked_at   INTEGER
) STRICT;

CREATE TABLE conversations (
    id          TEXT PRIMARY KEY NOT NULL,
    owner       TEXT NOT NULL,
    title       TEXT NOT NULL,
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE INDEX conversations_by_owner ON conversations (owner, updated_at DESC);

CREATE TABLE messages (
    id                 TEXT PRIMARY KEY NOT NULL,
    conversation_id    TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    owner              TEXT NOT NULL,
    question           TEXT NOT NULL,
    code_context       TEXT,
    language           TEXT NOT NULL,
    answer             TEXT NOT NULL DEFAULT '',  -- the whole answer, markdown, as far as it has come
    generated_code     TEXT NOT NULL DEFAULT '',
    explanation        TEXT NOT NULL DEFAULT '',
    finish             TEXT,                      -- NULL while the model works
    model              TEXT NOT NULL,
    backend            TEXT NOT NULL,
    prompt_tokens      INTEGER NOT NULL DEFAULT 0,
    completion_tokens  INTEGER NOT NULL DEFAULT 0,
    duration_ms        INTEGER NOT NULL DEFAULT 0,
    tokens_per_second  REAL,
    superseded         INTEGER NOT NULL DEFAULT 0, -- 1: a later version of the question took its place in the thread
    created_at         INTEGER NOT NULL
) STRICT;

CREATE INDEX messages_by_owner ON messages (owner, created_at DESC);
CREATE INDEX messages_by_conversation ON messages (conversation_id, created_at);
