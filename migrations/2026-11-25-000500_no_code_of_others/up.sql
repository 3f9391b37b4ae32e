-- A function that runs as the owner must not find a table of somebody else's making: a temporary schema is searched
-- first unless it is named last. Nobody needs temporary tables here.
ALTER FUNCTION audit_event_onto_bol_opens() SET search_path = public, pg_temp;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;

-- Refusals come as fast as somebody can ask; the log keeps one between two passwords that were looked at.
ALTER TABLE login_throttles ADD COLUMN refused_at timestamptz;
COMMENT ON COLUMN login_throttles.refused_at IS 'When an attempt was refused since the last failure; that one is on record, the others are not.';
