ALTER TABLE login_throttles DROP COLUMN refused_at;
DO $$ BEGIN EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database()); END $$;
CREATE OR REPLACE FUNCTION audit_event_onto_bol_opens() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM bol_opens o JOIN bols b ON b.id = o.bol_id
                   WHERE o.user_id = NEW.user_id AND o.bol_id = NEW.bol_id AND o.opened_at >= b.changed_at) THEN
        INSERT INTO bol_opens (user_id, bol_id, opened_at) VALUES (NEW.user_id, NEW.bol_id, NEW.occurred_at)
        ON CONFLICT (user_id, bol_id) DO UPDATE SET opened_at = excluded.opened_at;
    END IF;
    RETURN NULL;
END $$;
