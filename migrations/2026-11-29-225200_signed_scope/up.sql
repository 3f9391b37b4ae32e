-- The scope of a customer's transaction was two settings that the role itself could change with injected SQL. Now it is
-- one setting with a message authentication code, whose key no role but the owner can read. The code also covers the
-- connection and the begin of the transaction, so a scope can't be replayed in another one. The portal enters the scope
-- before it becomes portal_customer, which may not call portal_enter.
CREATE TABLE scope_key (
    id  boolean PRIMARY KEY DEFAULT true CONSTRAINT scope_key_single CHECK (id),
    key bytea NOT NULL CONSTRAINT scope_key_length CHECK (octet_length(key) = 32)
);
COMMENT ON TABLE scope_key IS 'Signs the scopes of customers'' transactions. No role but the owner reads it.';
INSERT INTO scope_key (key)
    VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())));

-- Hashed twice with the key in front, as a single hash could be extended.
CREATE FUNCTION portal_scope_mac(scope text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER AS $$
DECLARE secret bytea := (SELECT k.key FROM public.scope_key k);
BEGIN
    RETURN encode(sha256(secret || sha256(secret || convert_to(
        pg_backend_pid() || ';' || extract(epoch FROM transaction_timestamp()) || ';' || scope, 'UTF8'))), 'hex');
END $$;

CREATE FUNCTION portal_enter(user_id bigint, user_role text, customers bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE scope text := user_id || ';' || user_role || ';' || array_to_string(customers, ',');
BEGIN
    PERFORM set_config('portal.scope', public.portal_scope_mac(scope) || scope, true);
END $$;
COMMENT ON FUNCTION portal_enter IS 'Sets the user, role and companies of this transaction. SET LOCAL ROLE portal_customer follows.';

-- 64 is the length of the code.
CREATE FUNCTION portal_scope() RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER AS $$
DECLARE signed text := current_setting('portal.scope', true);
BEGIN
    IF left(signed, 64) = public.portal_scope_mac(substr(signed, 65)) THEN
        RETURN substr(signed, 65);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION portal_scope IS 'The scope of this transaction: user, role and companies; NULL, which matches no row, without a valid code.';

REVOKE EXECUTE ON FUNCTION portal_scope_mac, portal_enter FROM PUBLIC;

CREATE OR REPLACE FUNCTION portal_customer_ids() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
    SELECT string_to_array(nullif(split_part(public.portal_scope(), ';', 3), ''), ',')::bigint[]
$$;
CREATE OR REPLACE FUNCTION portal_user_id() RETURNS bigint LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
    SELECT nullif(split_part(public.portal_scope(), ';', 1), '')::bigint
$$;
CREATE FUNCTION portal_user_role() RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED AS $$
    SELECT split_part(public.portal_scope(), ';', 2)
$$;

ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = (SELECT portal_user_role())
                AND user_id = (SELECT portal_user_id())
                AND action IN ('BOL_VIEWED', 'BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED', 'DOCUMENT_RESTORE_REQUESTED',
                               'ACCESS_DENIED', 'LOOKUPS_LIMITED')
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
