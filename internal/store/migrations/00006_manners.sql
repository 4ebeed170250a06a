-- How a device is treated: quirks as words by blanks, "-" before one that it is
-- not to have; note is '' (as configured), off, log or enforce, and its secret
-- is sealed as passwords are.

-- +goose Up
ALTER TABLE devices ADD COLUMN quirks TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN note_algorithm TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN note_seed BLOB NOT NULL DEFAULT x'';

-- +goose Down
ALTER TABLE devices DROP COLUMN note_seed;
ALTER TABLE devices DROP COLUMN note_algorithm;
ALTER TABLE devices DROP COLUMN note;
ALTER TABLE devices DROP COLUMN quirks;
