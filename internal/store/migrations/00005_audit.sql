-- Who did what. Rows are added and, when old, removed from the oldest on; hash
-- chains each to the one before (internal/store/audit.go). The settings
-- audit.anchor and audit.head hold where the chain begins and ends.

-- +goose Up
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    who    TEXT NOT NULL,
    via    TEXT NOT NULL,
    remote TEXT NOT NULL,
    route  TEXT NOT NULL, -- method and pattern
    target TEXT NOT NULL, -- the path, and what the body named
    status INTEGER NOT NULL,
    code   INTEGER NOT NULL,
    trace  TEXT NOT NULL,
    hash   BLOB NOT NULL
);
CREATE INDEX audit_at ON audit (at);

-- +goose Down
DROP TABLE audit;
