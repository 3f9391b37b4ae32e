DROP TABLE uploads;
DROP FUNCTION assert_document_within;
DROP INDEX bols_unassigned, documents_pending, documents_sha256, documents_arrived_key, documents_inbox;
ALTER TABLE documents
    DROP COLUMN arrived_as,
    DROP COLUMN arrived_key,
    DROP COLUMN pages,
    DROP COLUMN found,
    DROP COLUMN waits_for,
    DROP COLUMN stored_by,
    DROP COLUMN pending_at,
    DROP COLUMN pending_by,
    DROP COLUMN pending_customer,
    DROP COLUMN discarded_at,
    DROP COLUMN discarded_by;
