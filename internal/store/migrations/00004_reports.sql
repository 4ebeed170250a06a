-- What devices report of themselves. IDs count up in the order of receipt.

-- +goose Up
CREATE TABLE alarms (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    device          TEXT NOT NULL,
    channel         TEXT NOT NULL, -- '' = the device's own
    priority        INTEGER NOT NULL,
    method          INTEGER NOT NULL,
    type            INTEGER NOT NULL,
    event_type      INTEGER NOT NULL,
    name            TEXT NOT NULL,
    at              INTEGER NOT NULL, -- by the device's clock
    received_at     INTEGER NOT NULL,
    description     TEXT NOT NULL,
    longitude       REAL, -- NULL = not told
    latitude        REAL,
    acknowledged_at INTEGER NOT NULL,
    acknowledged_by TEXT NOT NULL
);
CREATE INDEX alarms_by_device ON alarms (device, received_at);
CREATE INDEX alarms_by_kind ON alarms (method, received_at);
CREATE INDEX alarms_by_time ON alarms (received_at);

CREATE TABLE positions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    device      TEXT NOT NULL,
    channel     TEXT NOT NULL, -- '' = of the device as a whole
    at          INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    longitude   REAL NOT NULL,
    latitude    REAL NOT NULL,
    speed       REAL, -- NULL = not told, as below
    direction   REAL,
    altitude    REAL,
    height      REAL
);
CREATE INDEX positions_by_device ON positions (device, received_at);
CREATE INDEX positions_by_time ON positions (received_at);

-- +goose Down
DROP TABLE positions;
DROP TABLE alarms;
