-- A photo becomes a PDF on arrival. The photo itself is a document of its own, which only the office may open.
ALTER TABLE documents
    ADD CONSTRAINT documents_only_pdfs_filed CHECK (content_type = 'application/pdf' OR bol_id IS NULL),
    DROP CONSTRAINT documents_original_id_fkey,
    ADD CONSTRAINT documents_original_id_fkey FOREIGN KEY (original_id) REFERENCES documents ON DELETE SET NULL;
-- Two BOLs may each have a PDF of the same photo, as they may have the same scan. Cleaned copies are still made once,
-- because the original is locked before its copy is looked for.
DROP INDEX documents_original;
CREATE INDEX documents_original ON documents (original_id) WHERE original_id IS NOT NULL;
COMMENT ON COLUMN documents.content_type IS 'application/pdf, or the type of a photo as it arrived, which is never filed.';
COMMENT ON COLUMN documents.original_id IS 'The quarantined document of which this is a cleaned copy, or the photo of which this PDF was made. Only the office may open that one.';
COMMENT ON COLUMN documents.cleaned_at IS 'When its cleaned copy, or the PDF of the photo, was stored. It waits in the inbox no longer.';
