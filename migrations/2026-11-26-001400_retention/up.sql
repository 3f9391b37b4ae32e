-- Batches by the date of their newest event, as their notes say it: those that the retention has outlived are found by it.
-- "C": dates in RFC 3339 are in order by their bytes.
CREATE INDEX audit_checkpoints_newest ON audit_checkpoints ((substring(note FROM '"newest":"([^"]+)"') COLLATE "C"), size);
