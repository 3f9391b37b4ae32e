DROP POLICY record_own_access ON audit_events;
DROP POLICY own_company_events ON audit_events;
DROP POLICY own_opens ON bol_opens;
DROP POLICY own_documents ON documents;
DROP POLICY own_bols ON bols;
DROP POLICY own_company ON customers;
ALTER TABLE audit_events DISABLE ROW LEVEL SECURITY;
ALTER TABLE bol_opens    DISABLE ROW LEVEL SECURITY;
ALTER TABLE documents    DISABLE ROW LEVEL SECURITY;
ALTER TABLE bols         DISABLE ROW LEVEL SECURITY;
ALTER TABLE customers    DISABLE ROW LEVEL SECURITY;
DROP FUNCTION portal_user_id();
DROP FUNCTION portal_customer_ids();
-- The role belongs to the cluster and may serve other databases, so this revokes only its rights here.
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM portal_customer;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM portal_customer;
REVOKE ALL ON SCHEMA public FROM portal_customer;
