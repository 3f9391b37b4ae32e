-- A customer's transaction writes these events only, so it can't forge one that others believe by its name.
ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action IN ('BOL_VIEWED', 'BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED', 'DOCUMENT_RESTORE_REQUESTED',
                               'ACCESS_DENIED')
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
DROP FUNCTION assert_lookups_allowed;
DROP FUNCTION count_denied_lookup;
DROP TABLE denied_lookups;
