-- A customer's login that asks for many BOLs that aren't its own is slowed, on all instances together. The functions run
-- as the owner, because portal_customer reads no such table, and name its schema: a temporary one is searched first.
CREATE TABLE denied_lookups (
    user_id       bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    since         timestamptz NOT NULL,
    count         integer NOT NULL,
    blocked_until timestamptz
);
COMMENT ON TABLE denied_lookups IS 'BOLs and documents that a login asked for and didn''t get, counted from the first one of a window.';

CREATE FUNCTION count_denied_lookup(login bigint, most integer, within interval, blocked interval)
RETURNS boolean LANGUAGE sql SECURITY DEFINER AS $$
    INSERT INTO public.denied_lookups AS d (user_id, since, count) VALUES (login, clock_timestamp(), 1)
    ON CONFLICT (user_id) DO UPDATE SET
        since = CASE WHEN d.since > clock_timestamp() - within THEN d.since ELSE clock_timestamp() END,
        count = CASE WHEN d.since > clock_timestamp() - within THEN d.count + 1 ELSE 1 END,
        blocked_until = CASE WHEN d.since > clock_timestamp() - within AND d.count + 1 >= most
                             THEN clock_timestamp() + blocked ELSE d.blocked_until END
    RETURNING count = most;
$$;
COMMENT ON FUNCTION count_denied_lookup IS 'Returns true for the one that reaches the limit of its window.';

CREATE FUNCTION assert_lookups_allowed(login bigint) RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    IF EXISTS (SELECT FROM public.denied_lookups d WHERE d.user_id = login AND d.blocked_until > clock_timestamp()) THEN
        RAISE EXCEPTION 'too many denied lookups'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'lookups_allowed', TABLE = 'denied_lookups';
    END IF;
END $$;

-- A customer's transaction records that its login was limited.
ALTER POLICY record_own_access ON audit_events
    WITH CHECK (user_role = coalesce(nullif(current_setting('portal.user_role', true), ''), 'customer')
                AND user_id = (SELECT portal_user_id())
                AND action IN ('BOL_VIEWED', 'BOL_DOWNLOADED', 'BOL_PREVIEWED', 'BOLS_ZIPPED', 'DOCUMENT_RESTORE_REQUESTED',
                               'ACCESS_DENIED', 'LOOKUPS_LIMITED')
                AND (customer_id IS NULL OR customer_id = ANY ((SELECT portal_customer_ids())::bigint[])));
