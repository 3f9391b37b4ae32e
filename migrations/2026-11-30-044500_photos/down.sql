-- Of several PDFs of one photo, the oldest keeps the reference.
UPDATE documents SET original_id = NULL
    WHERE original_id IS NOT NULL AND id NOT IN (SELECT min(id) FROM documents WHERE original_id IS NOT NULL GROUP BY original_id);
DROP INDEX documents_original;
CREATE UNIQUE INDEX documents_original ON documents (original_id) WHERE original_id IS NOT NULL;
ALTER TABLE documents
    DROP CONSTRAINT documents_only_pdfs_filed,
    DROP CONSTRAINT documents_original_id_fkey,
    ADD CONSTRAINT documents_original_id_fkey FOREIGN KEY (original_id) REFERENCES documents;
COMMENT ON COLUMN documents.content_type IS NULL;
COMMENT ON COLUMN documents.original_id IS 'The quarantined document of which this is a cleaned copy. Only the office may open that one.';
COMMENT ON COLUMN documents.cleaned_at IS 'When its cleaned copy was stored. It waits in the inbox no longer.';
