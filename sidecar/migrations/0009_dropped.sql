-- How much of its conversation an answer did not see stays known after it was shown.

ALTER TABLE messages ADD COLUMN dropped INTEGER NOT NULL DEFAULT 0;   -- earlier messages that were left out of the prompt
