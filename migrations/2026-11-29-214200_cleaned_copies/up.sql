-- A quarantined document is filed as a copy that only shows its pages or, if an administrator allows that, as it is.
ALTER TABLE documents
    ADD COLUMN original_id bigint REFERENCES documents,
    ADD COLUMN cleaned_at timestamptz,
    ADD COLUMN released_by text NOT NULL DEFAULT '',
    DROP CONSTRAINT documents_quarantined_stay_in_inbox,
    ADD CONSTRAINT documents_quarantined_stay_in_inbox CHECK (quarantine = '' OR bol_id IS NULL OR released_by <> '');
CREATE UNIQUE INDEX documents_original ON documents (original_id) WHERE original_id IS NOT NULL;
COMMENT ON COLUMN documents.original_id IS 'The quarantined document of which this is a cleaned copy. Only the office may open that one.';
COMMENT ON COLUMN documents.cleaned_at IS 'When its cleaned copy was stored. It waits in the inbox no longer.';
COMMENT ON COLUMN documents.released_by IS 'The name of the clerk who filed a quarantined document as it is.';
ALTER TABLE settings ADD COLUMN releases_originals boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN settings.releases_originals IS 'The office may file quarantined documents as they are.';
