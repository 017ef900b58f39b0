-- What the user has chosen, where it differs from the default; and who asks, by owner.

CREATE TABLE settings (
    name        TEXT PRIMARY KEY NOT NULL,
    value       TEXT NOT NULL,              -- JSON
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE profiles (
    owner       TEXT PRIMARY KEY NOT NULL,
    profile     TEXT NOT NULL,              -- JSON, as the API writes it
    updated_at  INTEGER NOT NULL
) STRICT;
