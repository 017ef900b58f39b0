-- A conversation is a tree: each message knows which one it follows, so that every version of a question can be gone back to.

ALTER TABLE messages ADD COLUMN parent TEXT;                              -- the message that it follows; NULL at the beginning
ALTER TABLE messages ADD COLUMN kind TEXT NOT NULL DEFAULT 'code_generation'; -- what was asked for, in the API's word
ALTER TABLE messages ADD COLUMN files TEXT;                               -- files it was about, JSON as the API writes them

-- Until now a new version took the place of a message and of all after it. What was replaced follows whatever came right before
-- it; what is in the thread follows what is in the thread.
UPDATE messages SET parent = (
    SELECT earlier.id FROM messages AS earlier
    WHERE earlier.conversation_id = messages.conversation_id AND earlier.number < messages.number
      AND (earlier.superseded = 0 OR messages.superseded = 1)
    ORDER BY earlier.number DESC LIMIT 1
);

CREATE INDEX messages_by_parent ON messages (conversation_id, parent, number, id);
-- What is in a thread now, to be read from its end and counted.
CREATE INDEX messages_in_thread ON messages (conversation_id, number) WHERE superseded = 0;
