ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action IN ('BOL_VIEWED', 'BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED', 'DOCUMENT_RESTORE_REQUESTED',
                               'ACCESS_DENIED', 'LOOKUPS_LIMITED')
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
CREATE OR REPLACE FUNCTION portal_customer_ids() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL SAFE
    RETURN string_to_array(nullif(current_setting('portal.customer_ids', true), ''), ',')::bigint[];
CREATE OR REPLACE FUNCTION portal_user_id() RETURNS bigint LANGUAGE sql STABLE PARALLEL SAFE
    RETURN nullif(current_setting('portal.user_id', true), '')::bigint;
DROP FUNCTION portal_user_role();
DROP FUNCTION portal_scope();
DROP FUNCTION portal_enter(bigint, text, bigint[]);
DROP FUNCTION portal_scope_mac(text);
DROP TABLE scope_key;
