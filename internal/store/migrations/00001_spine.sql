-- Times are Unix milliseconds, 0 for none. Flags are 0 and 1.

-- +goose Up
CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE devices (
    id              TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    kind            TEXT NOT NULL,
    password        BLOB NOT NULL, -- sealed; empty = the common password
    auth            TEXT NOT NULL, -- digest, none
    allow           TEXT NOT NULL, -- CIDRs, blank-separated
    transport       TEXT NOT NULL,
    edition         TEXT NOT NULL,
    media_transport TEXT NOT NULL,
    media_mode      TEXT NOT NULL,
    algorithms      TEXT NOT NULL, -- blank-separated, in order
    follow          TEXT NOT NULL,
    tenant          TEXT NOT NULL,
    approved        INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE registrations (
    id            TEXT PRIMARY KEY,
    transport     TEXT NOT NULL,
    listener      INTEGER NOT NULL,
    local         TEXT NOT NULL,
    remote        TEXT NOT NULL,
    contact       TEXT NOT NULL,
    call_id       TEXT NOT NULL,
    user_agent    TEXT NOT NULL,
    edition       TEXT NOT NULL,
    charset       TEXT NOT NULL,
    name          TEXT NOT NULL,
    manufacturer  TEXT NOT NULL,
    model         TEXT NOT NULL,
    firmware      TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    keepalive_at  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE channels (
    device         TEXT NOT NULL,
    id             TEXT NOT NULL,
    name           TEXT NOT NULL,
    manufacturer   TEXT NOT NULL,
    model          TEXT NOT NULL,
    civil_code     TEXT NOT NULL,
    address        TEXT NOT NULL,
    parental       INTEGER NOT NULL,
    parent_id      TEXT NOT NULL,
    business_group TEXT NOT NULL,
    is_on          INTEGER NOT NULL,
    off_reason     TEXT NOT NULL,
    ptz_type       INTEGER NOT NULL,
    longitude      REAL NOT NULL,
    latitude       REAL NOT NULL,
    streams        TEXT NOT NULL,
    secrecy        INTEGER NOT NULL,
    PRIMARY KEY (device, id)
) WITHOUT ROWID;

CREATE TABLE users (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    name        TEXT NOT NULL UNIQUE,
    role        TEXT NOT NULL,
    hash        TEXT NOT NULL, -- argon2id, PHC string
    epoch       INTEGER NOT NULL, -- raised when sessions must end
    disabled    INTEGER NOT NULL,
    created_at  INTEGER NOT NULL,
    password_at INTEGER NOT NULL
);

CREATE TABLE api_keys (
    id           TEXT PRIMARY KEY,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL,
    hash         BLOB NOT NULL UNIQUE, -- SHA-256 of the key
    created_by   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE revoked_sessions (
    id         TEXT PRIMARY KEY,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;

-- +goose Down
DROP TABLE revoked_sessions;
DROP TABLE api_keys;
DROP TABLE users;
DROP TABLE channels;
DROP TABLE registrations;
DROP TABLE devices;
DROP TABLE settings;
