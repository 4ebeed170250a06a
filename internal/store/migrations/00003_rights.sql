-- Roles with grants, several for a user; API keys hold grants of their own.
-- grants is JSON: [{"act":"look","subtree":"*"}]. The roles viewer, operator and
-- administrator are the program's and have no row.

-- +goose Up
CREATE TABLE roles (
    name       TEXT PRIMARY KEY,
    about      TEXT NOT NULL,
    grants     TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) WITHOUT ROWID;

ALTER TABLE users RENAME COLUMN role TO roles; -- blank-separated

ALTER TABLE api_keys ADD COLUMN grants TEXT NOT NULL DEFAULT '[]';
UPDATE api_keys SET grants = CASE role
    WHEN 'viewer' THEN '[{"act":"look","subtree":"*"},{"act":"playback","subtree":"*"}]'
    WHEN 'operator' THEN '[{"act":"look","subtree":"*"},{"act":"ptz","subtree":"*"},{"act":"playback","subtree":"*"},{"act":"talk","subtree":"*"},{"act":"configure","subtree":"*"}]'
    WHEN 'administrator' THEN '[{"act":"admin","subtree":"*"}]'
    ELSE '[]' END;
ALTER TABLE api_keys DROP COLUMN role;

-- +goose Down
ALTER TABLE api_keys ADD COLUMN role TEXT NOT NULL DEFAULT 'viewer';
ALTER TABLE api_keys DROP COLUMN grants;
ALTER TABLE users RENAME COLUMN roles TO role;
DROP TABLE roles;
