-- The role whose members serve: it owns nothing, so it can't drop a trigger or change a policy. `migrate` gives it its
-- rights after the migrations (src/db/guard), and makes the user of DATABASE_URL a member.
DO $$ BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = 'portal_server') THEN
        BEGIN
            CREATE ROLE portal_server NOLOGIN NOINHERIT;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
END $$;

-- Only the owner creates partitions, so the server calls this as the owner.
CREATE OR REPLACE FUNCTION audit_prepare_months(first_month date, months integer) RETURNS integer LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    month date;
    partition text;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('audit_prepare_months'));
    FOR i IN 0 .. least(months, 60) - 1 LOOP
        month := (date_trunc('month', first_month) + make_interval(months => i))::date;
        partition := 'audit_events_' || to_char(month, 'YYYY_MM');
        IF to_regclass(partition) IS NULL AND NOT EXISTS (
            SELECT 1 FROM audit_events_other
            WHERE occurred_at >= month::timestamp AT TIME ZONE 'UTC'
              AND occurred_at < (month + interval '1 month') AT TIME ZONE 'UTC')
        THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF audit_events FOR VALUES FROM (%L) TO (%L)', partition,
                month::timestamp AT TIME ZONE 'UTC', (month + interval '1 month') AT TIME ZONE 'UTC');
            EXECUTE format('CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I
                FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()', partition);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END $$;
REVOKE EXECUTE ON FUNCTION audit_prepare_months FROM PUBLIC;

-- Row security is for customers' transactions only.
CREATE POLICY server_all ON customers FOR ALL TO portal_server USING (true) WITH CHECK (true);
CREATE POLICY server_all ON bols FOR ALL TO portal_server USING (true) WITH CHECK (true);
CREATE POLICY server_all ON documents FOR ALL TO portal_server USING (true) WITH CHECK (true);
CREATE POLICY server_all ON bol_opens FOR ALL TO portal_server USING (true) WITH CHECK (true);
CREATE POLICY server_reads ON audit_events FOR SELECT TO portal_server USING (true);
CREATE POLICY server_records ON audit_events FOR INSERT TO portal_server WITH CHECK (true);
