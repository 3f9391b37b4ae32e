ALTER TABLE documents DROP COLUMN quarantine;
