DROP INDEX sessions_last_seen;
DO $$
BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET statement_timeout', current_user, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET lock_timeout', current_user, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET idle_in_transaction_session_timeout', current_user, current_database());
END $$;
CREATE OR REPLACE FUNCTION document_takes_customer_of_bol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.customer_id := (SELECT customer_id FROM bols WHERE id = NEW.bol_id);
    RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION document_onto_bol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE bols SET changed_at = greatest(changed_at, NEW.stored_at),
                    document_kinds = (SELECT coalesce(array_agg(DISTINCT d.kind ORDER BY d.kind), '{}')
                                      FROM documents d WHERE d.bol_id = bols.id AND d.state = 'stored')
    WHERE id = NEW.bol_id OR (TG_OP = 'UPDATE' AND id = OLD.bol_id);
    RETURN NULL;
END $$;
