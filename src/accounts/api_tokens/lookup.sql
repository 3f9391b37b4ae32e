found AS (
    SELECT t.id, t.user_id, t.name, t.scopes, t.created_at, t.last_used_at,
        u.email, u.name AS user_name, u.role, u.read_until,
        CASE
            WHEN t.revoked_at IS NOT NULL THEN 'revoked'
            WHEN t.expires_at <= a.now THEN 'expired'
            WHEN NOT u.active THEN 'disabled'
            WHEN u.role = a.member_role AND NOT EXISTS (SELECT FROM memberships m WHERE m.user_id = u.id) THEN 'no_company'
            WHEN u.factor_due_at <= a.now AND (u.role = ANY (a.factor_roles) OR EXISTS (
                SELECT FROM memberships m JOIN customers c ON c.id = m.customer_id
                WHERE m.user_id = u.id AND c.active AND c.factor_required)) THEN 'factor_overdue'
            WHEN cardinality(t.networks) > 0 AND NOT coalesce(a.ip <<= ANY (t.networks), false) THEN 'network'
        END AS refusal
    FROM asked a JOIN api_tokens t ON t.token_hash = a.hash JOIN users u ON u.id = t.user_id
),
counted AS (
    INSERT INTO api_token_rates AS r (token_id, minute, requests)
    SELECT f.id, a.minute, 1 FROM found f, asked a WHERE f.refusal IS NULL
    -- A minute that is far off comes from a clock that was wrong. That of another instance may differ by seconds.
    ON CONFLICT (token_id) DO UPDATE SET
        requests = CASE WHEN excluded.minute > r.minute OR excluded.minute < r.minute - interval '1 minute' THEN 1
            ELSE least(r.requests, 1000000) + 1 END,
        minute = CASE WHEN excluded.minute > r.minute OR excluded.minute < r.minute - interval '1 minute' THEN excluded.minute
            ELSE r.minute END
    RETURNING requests
),
used AS (
    UPDATE api_tokens t SET last_used_at = a.now, last_ip = a.ip, last_agent = a.agent FROM asked a, found f
    WHERE t.id = f.id AND f.refusal IS NULL AND (f.last_used_at IS NULL OR f.last_used_at < a.used_before)
)
SELECT f.id, f.user_id, f.name, f.scopes, f.created_at, f.email, f.user_name, f.role, f.read_until, f.refusal,
    (SELECT requests FROM counted), c.ids, c.codes, c.names, c.admins, c.factors
FROM found f, LATERAL (
    SELECT coalesce(array_agg(c.id ORDER BY c.id), '{}') AS ids, coalesce(array_agg(c.code ORDER BY c.id), '{}') AS codes,
        coalesce(array_agg(c.name ORDER BY c.id), '{}') AS names, coalesce(array_agg(m.is_admin ORDER BY c.id), '{}') AS admins,
        coalesce(array_agg(c.factor_required ORDER BY c.id), '{}') AS factors
    FROM memberships m JOIN customers c ON c.id = m.customer_id AND c.active WHERE m.user_id = f.user_id
) c
