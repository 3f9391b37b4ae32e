ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action <> 'AUDIT_PURGED'
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
