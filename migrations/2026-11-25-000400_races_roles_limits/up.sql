-- A document inserted while its BOL is being assigned to another customer must not keep the previous customer. Of two
-- documents stored at once, neither may drop the other's kind. Both functions first lock the BOL's row, in a statement
-- of its own, so that the next statement sees what the other transaction did.
CREATE OR REPLACE FUNCTION document_takes_customer_of_bol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bols WHERE id = NEW.bol_id FOR NO KEY UPDATE;
    NEW.customer_id := (SELECT customer_id FROM bols WHERE id = NEW.bol_id);
    RETURN NEW;
END $$;

CREATE OR REPLACE FUNCTION document_onto_bol() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM bols WHERE id = NEW.bol_id OR (TG_OP = 'UPDATE' AND id = OLD.bol_id) ORDER BY id FOR NO KEY UPDATE;
    UPDATE bols SET changed_at = greatest(changed_at, NEW.stored_at),
                    document_kinds = (SELECT coalesce(array_agg(DISTINCT d.kind ORDER BY d.kind), '{}')
                                      FROM documents d WHERE d.bol_id = bols.id AND d.state = 'stored')
    WHERE id = NEW.bol_id OR (TG_OP = 'UPDATE' AND id = OLD.bol_id);
    RETURN NULL;
END $$;

DO $$
BEGIN
    -- Since Postgres 16 whoever creates a role may grant it, but not become it, before it has granted it to itself.
    BEGIN
        SET LOCAL ROLE portal_customer;
        RESET ROLE;
    EXCEPTION WHEN insufficient_privilege THEN
        EXECUTE format('GRANT portal_customer TO %I', current_user);
    END;
    -- A handler whose client has gone keeps running in actix, and must not run for ever. As settings of the role, they
    -- hold on every connection, behind PgBouncer too.
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET statement_timeout = ''15s''', current_user, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET lock_timeout = ''5s''', current_user, current_database());
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET idle_in_transaction_session_timeout = ''30s''', current_user, current_database());
END $$;

-- Finds expired sessions without another index: a session that has reached its maximum age is no longer seen either.
CREATE INDEX sessions_last_seen ON sessions (last_seen_at);
