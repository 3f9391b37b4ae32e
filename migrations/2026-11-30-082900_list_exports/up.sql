-- A customer's export of the list of BOLs is recorded too.
ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = (SELECT portal_user_role())
                AND user_id = (SELECT portal_user_id())
                AND action IN ('BOL_VIEWED', 'BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED', 'DOCUMENT_RESTORE_REQUESTED',
                               'ACCESS_DENIED', 'LOOKUPS_LIMITED', 'BOLS_EXPORTED')
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
