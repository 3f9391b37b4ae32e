ALTER TABLE login_throttles DROP COLUMN refused_at;
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$;
ALTER FUNCTION audit_event_onto_bol_opens() SET search_path FROM CURRENT;
