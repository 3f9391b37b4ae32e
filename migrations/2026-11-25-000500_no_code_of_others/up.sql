-- A function that runs as the owner must not use a table that another role created: a temporary schema is searched
-- first. So the function names the schema of each table, which is also faster than setting a search path at every call.
-- The portal uses no temporary tables.
CREATE OR REPLACE FUNCTION audit_event_onto_bol_opens() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    -- Most opens are repeats: one probe, no write.
    IF NOT EXISTS (SELECT FROM public.bol_opens o JOIN public.bols b ON b.id = o.bol_id
                   WHERE o.user_id = NEW.user_id AND o.bol_id = NEW.bol_id AND o.opened_at >= b.changed_at) THEN
        INSERT INTO public.bol_opens (user_id, bol_id, opened_at) VALUES (NEW.user_id, NEW.bol_id, NEW.occurred_at)
        ON CONFLICT (user_id, bol_id) DO UPDATE SET opened_at = excluded.opened_at;
    END IF;
    RETURN NULL;
END $$;
DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$;

-- Anyone can cause any number of refusals. The log records only the first one after each verified password.
ALTER TABLE login_throttles ADD COLUMN refused_at timestamptz;
COMMENT ON COLUMN login_throttles.refused_at IS 'When an attempt was refused since the last failure; that one is on record, the others are not.';
