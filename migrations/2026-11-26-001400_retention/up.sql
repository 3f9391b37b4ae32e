-- Batches by the date of their newest event, as their notes say it: those that the retention has outlived are found by it.
-- "C": dates in RFC 3339 are in order by their bytes.
CREATE INDEX audit_checkpoints_newest ON audit_checkpoints ((substring(note FROM '"newest":"([^"]+)"') COLLATE "C"), size);

-- What is on record as purged may be missing: nobody in a customer's scope says so.
ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action <> 'AUDIT_PURGED'
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
