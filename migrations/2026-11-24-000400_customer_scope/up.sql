-- The second lock of promise 1: the role that a customer's request runs as. Roles belong to the whole cluster, so
-- another database may have created it already, or may be creating it now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'portal_customer') THEN
        BEGIN
            CREATE ROLE portal_customer NOLOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    -- The application's own role becomes portal_customer for the length of a transaction (SET LOCAL ROLE).
    IF NOT pg_has_role(current_user, 'portal_customer', 'MEMBER') THEN
        BEGIN
            EXECUTE format('GRANT portal_customer TO %I', current_user);
        EXCEPTION WHEN unique_violation THEN NULL;
        END;
    END IF;
END $$;

DO $$ BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO portal_customer', current_schema()); END $$;
GRANT SELECT ON bols, documents, bol_opens TO portal_customer;
GRANT SELECT (id, code, name) ON customers TO portal_customer;
GRANT SELECT (id, occurred_at, action, outcome, user_email, user_role, customer_id, bol_id, document_id, document_kind, file_name)
    ON audit_events TO portal_customer;
-- Without id, occurred_at and xact_id, which only the database sets.
GRANT INSERT (action, outcome, user_id, user_email, user_role, customer_id, customer_code, bol_id, bol_number, document_id,
              document_kind, file_name, object_key, sha256, ip, user_agent, request_id, detail)
    ON audit_events TO portal_customer;
GRANT USAGE ON SEQUENCE audit_events_id_seq TO portal_customer;

CREATE FUNCTION portal_customer_ids() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(nullif(current_setting('portal.customer_ids', true), ''), ',')::bigint[];
COMMENT ON FUNCTION portal_customer_ids IS 'The companies of this transaction''s customer; NULL, which matches no row, when nothing is set.';
CREATE FUNCTION portal_user_id() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('portal.user_id', true), '')::bigint;

ALTER TABLE customers    ENABLE ROW LEVEL SECURITY;
ALTER TABLE bols         ENABLE ROW LEVEL SECURITY;
ALTER TABLE documents    ENABLE ROW LEVEL SECURITY;
ALTER TABLE bol_opens    ENABLE ROW LEVEL SECURITY;
ALTER TABLE audit_events ENABLE ROW LEVEL SECURITY;

-- Postgres evaluates the sub-select once per query, not once per row.
CREATE POLICY own_company ON customers FOR SELECT TO portal_customer
    USING (id = ANY ((SELECT portal_customer_ids())::bigint[]));
CREATE POLICY own_bols ON bols FOR SELECT TO portal_customer
    USING (customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
CREATE POLICY own_documents ON documents FOR SELECT TO portal_customer
    USING (state = 'stored' AND customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
CREATE POLICY own_opens ON bol_opens FOR SELECT TO portal_customer
    USING (user_id = (SELECT portal_user_id()));
CREATE POLICY own_company_events ON audit_events FOR SELECT TO portal_customer
    USING (user_role = 'customer' AND customer_id = ANY ((SELECT portal_customer_ids())::bigint[]));
CREATE POLICY record_own_access ON audit_events FOR INSERT TO portal_customer
    WITH CHECK (user_role = 'customer' AND user_id = (SELECT portal_user_id())
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
