-- Finds batches whose retention has ended, by the date of their newest event in the note.
-- "C": RFC 3339 dates sort by their bytes.
CREATE INDEX audit_checkpoints_newest ON audit_checkpoints ((substring(note FROM '"newest":"([^"]+)"') COLLATE "C"), size);

-- An event recorded as purged may be missing, which a customer's scope never reports.
ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action <> 'AUDIT_PURGED'
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
