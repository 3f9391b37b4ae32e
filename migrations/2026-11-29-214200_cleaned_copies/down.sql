ALTER TABLE settings DROP COLUMN releases_originals;
DROP INDEX documents_original;
ALTER TABLE documents
    DROP CONSTRAINT documents_quarantined_stay_in_inbox,
    DROP COLUMN original_id,
    DROP COLUMN cleaned_at,
    DROP COLUMN released_by;
UPDATE documents SET quarantine = '' WHERE bol_id IS NOT NULL;
ALTER TABLE documents ADD CONSTRAINT documents_quarantined_stay_in_inbox CHECK (quarantine = '' OR bol_id IS NULL);
