-- Why and since when a device is offline: shadow.Evidence's word, '' while it is
-- not, and a reason in words.

-- +goose Up
ALTER TABLE registrations ADD COLUMN offline TEXT NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN offline_reason TEXT NOT NULL DEFAULT '';
ALTER TABLE registrations ADD COLUMN offline_at INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE registrations DROP COLUMN offline_at;
ALTER TABLE registrations DROP COLUMN offline_reason;
ALTER TABLE registrations DROP COLUMN offline;
