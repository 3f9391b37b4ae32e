-- A PDF that does more than show pages waits in the inbox. Customers never get it as it arrived.
ALTER TABLE documents
    ADD COLUMN quarantine text NOT NULL DEFAULT '',
    ADD CONSTRAINT documents_quarantined_stay_in_inbox CHECK (quarantine = '' OR bol_id IS NULL);
COMMENT ON COLUMN documents.quarantine IS 'Why only the office may open the file as it arrived, such as scripts; empty for a file that only shows pages.';
