-- A long answer looks up again whether its user may still read what it sends. The function runs as the owner, because
-- portal_customer reads neither sessions nor memberships. It names the schema of each table: a temporary one is searched
-- first.
CREATE FUNCTION assert_access(login bigint, session bigint, own_role text, seen_as bigint, companies bigint[],
                              begun_after timestamptz, seen_after timestamptz)
RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    ended text := (
        SELECT CASE
            WHEN u.id IS NULL OR NOT u.active THEN 'the login is disabled'
            WHEN s.id IS NULL THEN 'the session has ended'
            WHEN u.role <> own_role THEN 'the role was changed'
            WHEN s.seeing_as IS DISTINCT FROM seen_as THEN 'viewing as the customer has ended'
            WHEN seen_as IS NULL AND NOT companies <@ ARRAY(
                SELECT m.customer_id FROM public.memberships m JOIN public.customers c ON c.id = m.customer_id
                WHERE m.user_id = u.id AND c.active) THEN 'a company was taken away'
        END
        FROM (SELECT login AS id) asked
        LEFT JOIN public.users u ON u.id = asked.id
        LEFT JOIN public.sessions s ON s.user_id = u.id AND s.id = session
                                   AND s.created_at > begun_after AND s.last_seen_at > seen_after);
BEGIN
    IF ended IS NOT NULL THEN
        RAISE EXCEPTION '%', ended USING ERRCODE = 'check_violation', CONSTRAINT = 'access_stands', TABLE = 'sessions';
    END IF;
END $$;
COMMENT ON FUNCTION assert_access IS 'Raises unless the session, the login, its role, its companies and the customer that it views as are still as given.';
