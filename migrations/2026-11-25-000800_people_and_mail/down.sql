ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = 'customer' AND user_id = (SELECT portal_user_id())
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
DROP TRIGGER documents_notice_insert ON documents;
DROP TRIGGER documents_notice_update ON documents;
DROP FUNCTION document_becomes_visible;
DROP TABLE told, notices, mails, notice_addresses;
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
ALTER TABLE bol_opens DROP COLUMN fetched_for;
CREATE OR REPLACE FUNCTION bol_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$;
ALTER TABLE bols DROP COLUMN visible_since;
ALTER TABLE sessions DROP COLUMN seeing_as;
ALTER TABLE settings DROP COLUMN unsigned_days, DROP COLUMN collect_days;
ALTER TABLE customers DROP COLUMN remind, DROP COLUMN reminded_at;
DROP INDEX users_role_email;
ALTER TABLE users DROP COLUMN notify, DROP COLUMN told_until;
DELETE FROM login_throttles WHERE scope = 'reset';
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device'));
DROP INDEX tokens_expired;
DELETE FROM tokens WHERE purpose = 'reset';
ALTER TABLE tokens DROP CONSTRAINT tokens_purpose_known;
ALTER TABLE tokens ADD CONSTRAINT tokens_purpose_known CHECK (purpose IN ('invitation'));
