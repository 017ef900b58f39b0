-- Keys are hashed under the installation's secret, know what kind they are, and when they were last used.

ALTER TABLE keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'made';  -- made, demo or installation
ALTER TABLE keys ADD COLUMN hint TEXT NOT NULL DEFAULT '';      -- the key's first characters, to tell it from others
ALTER TABLE keys ADD COLUMN last_used_at INTEGER;
-- A revoked key is deleted.
DELETE FROM keys WHERE revoked_at IS NOT NULL;
ALTER TABLE keys DROP COLUMN revoked_at;
-- Until now the installation's own key was the only one, under a hash without the secret; it is added again at the next start.
DELETE FROM keys;
