-- How HAPA did in the last hour, so that its figures over time outlive the process.

CREATE TABLE points (
    at     INTEGER PRIMARY KEY NOT NULL,
    point  TEXT NOT NULL               -- JSON, as the API writes it
) STRICT;
