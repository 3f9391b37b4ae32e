ALTER POLICY own_bols ON bols
    USING (customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
ALTER POLICY own_documents ON documents
    USING (state = 'stored' AND customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
ALTER POLICY own_company_events ON audit_events
    USING (user_role = 'customer' AND customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
