-- The history in the order of time, searchable, with what people thought of the answers.

-- Messages are numbered by time, so that one order serves listing, searching and importing.
CREATE TABLE numbered (
    number             INTEGER PRIMARY KEY NOT NULL, -- created_at times 1000, and counted up within a millisecond
    id                 TEXT NOT NULL UNIQUE,
    conversation_id    TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    owner              TEXT NOT NULL,
    language           TEXT NOT NULL,
    created_at         INTEGER NOT NULL,
    superseded         INTEGER NOT NULL DEFAULT 0,   -- 1: a later version of the question took its place in the thread
    finish             TEXT,                         -- NULL while the model works
    model              TEXT NOT NULL,
    backend            TEXT NOT NULL,
    prompt_tokens      INTEGER NOT NULL DEFAULT 0,
    completion_tokens  INTEGER NOT NULL DEFAULT 0,
    duration_ms        INTEGER NOT NULL DEFAULT 0,
    tokens_per_second  REAL,
    question           TEXT NOT NULL,
    code_context       TEXT,
    answer             TEXT NOT NULL DEFAULT '',     -- the whole answer, markdown, as far as it has come
    generated_code     TEXT NOT NULL DEFAULT '',
    explanation        TEXT NOT NULL DEFAULT ''
) STRICT;

INSERT INTO numbered (number, id, conversation_id, owner, language, created_at, superseded, finish, model, backend,
                      prompt_tokens, completion_tokens, duration_ms, tokens_per_second, question, code_context, answer,
                      generated_code, explanation)
SELECT created_at * 1000 + row_number() OVER (PARTITION BY created_at ORDER BY id) - 1, id, conversation_id, owner, language,
       created_at, superseded, finish, model, backend, prompt_tokens, completion_tokens, duration_ms, tokens_per_second,
       question, code_context, answer, generated_code, explanation
FROM messages;

DROP TABLE messages;
ALTER TABLE numbered RENAME TO messages;

CREATE INDEX messages_by_owner ON messages (owner, number, language);
CREATE INDEX messages_by_conversation ON messages (conversation_id, number);
-- What a search asks of the messages that it finds, without the texts beside it.
CREATE INDEX messages_heads ON messages (number, owner, language);

-- How many messages each owner has in each language, so that nobody has to count them.
CREATE TABLE message_counts (
    owner     TEXT NOT NULL,
    language  TEXT NOT NULL,
    messages  INTEGER NOT NULL,
    PRIMARY KEY (owner, language)
) STRICT, WITHOUT ROWID;

INSERT INTO message_counts SELECT owner, language, count(*) FROM messages GROUP BY owner, language;

CREATE TRIGGER messages_counted AFTER INSERT ON messages BEGIN
    INSERT INTO message_counts VALUES (new.owner, new.language, 1)
    ON CONFLICT (owner, language) DO UPDATE SET messages = messages + 1;
END;

CREATE TRIGGER messages_discounted AFTER DELETE ON messages BEGIN
    UPDATE message_counts SET messages = messages - 1 WHERE owner = old.owner AND language = old.language;
    DELETE FROM message_counts WHERE owner = old.owner AND language = old.language AND messages <= 0;
END;

-- Every three neighbouring characters of question and finished answer, so that any part of a word is found, Korean too. Two line
-- breaks follow each text: the last two characters begin a group of three as well.
CREATE VIRTUAL TABLE messages_text USING fts5 (text, content = '', columnsize = 0, tokenize = 'trigram');
CREATE VIRTUAL TABLE messages_terms USING fts5vocab (messages_text, 'row');

INSERT INTO messages_text (rowid, text)
SELECT number, question || char(10, 10) || iif(finish IS NULL, '', answer || char(10, 10)) FROM messages;

CREATE TRIGGER messages_found AFTER INSERT ON messages BEGIN
    INSERT INTO messages_text (rowid, text)
    VALUES (new.number, new.question || char(10, 10) || iif(new.finish IS NULL, '', new.answer || char(10, 10)));
END;

CREATE TRIGGER messages_lost AFTER DELETE ON messages BEGIN
    INSERT INTO messages_text (messages_text, rowid, text)
    VALUES ('delete', old.number, old.question || char(10, 10) || iif(old.finish IS NULL, '', old.answer || char(10, 10)));
END;

-- A growing answer is written every second; it is searchable when it is finished.
CREATE TRIGGER messages_finished AFTER UPDATE OF answer, finish ON messages
WHEN old.finish IS NOT NULL OR new.finish IS NOT NULL BEGIN
    INSERT INTO messages_text (messages_text, rowid, text)
    VALUES ('delete', old.number, old.question || char(10, 10) || iif(old.finish IS NULL, '', old.answer || char(10, 10)));
    INSERT INTO messages_text (rowid, text)
    VALUES (new.number, new.question || char(10, 10) || iif(new.finish IS NULL, '', new.answer || char(10, 10)));
END;

ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
DROP INDEX conversations_by_owner;
CREATE INDEX conversations_by_owner ON conversations (owner, pinned DESC, updated_at DESC, id DESC);

CREATE TABLE feedback (
    id             TEXT PRIMARY KEY NOT NULL,
    owner          TEXT NOT NULL,
    message_id     TEXT REFERENCES messages (id) ON DELETE CASCADE,
    kind           TEXT NOT NULL,               -- positive, negative, suggestion or bug
    rating         INTEGER,                     -- 1 to 5
    comment        TEXT NOT NULL DEFAULT '',
    code_snippet   TEXT NOT NULL DEFAULT '',
    user_question  TEXT NOT NULL DEFAULT '',
    created_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX feedback_by_owner ON feedback (owner, created_at DESC);
CREATE INDEX feedback_by_message ON feedback (message_id) WHERE message_id IS NOT NULL;
