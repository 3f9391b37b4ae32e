-- "New" begins at a login's first log-in, and moves on when its user marks all BOLs as read.
ALTER TABLE users ADD COLUMN read_until timestamptz;
COMMENT ON COLUMN users.read_until IS
    'BOLs that last changed before are not new to this user: the first log-in, or when the user marked all as read. NULL: has never logged in.';
UPDATE users SET read_until = coalesce(
    (SELECT min(e.occurred_at) FROM audit_events e
     WHERE lower(e.user_email) = lower(users.email) AND e.user_id = users.id AND e.action = 'LOGIN_SUCCEEDED'),
    (SELECT min(s.created_at) FROM sessions s WHERE s.user_id = users.id));

-- Serves the filter "New only".
CREATE INDEX bols_customer_changed ON bols (customer_id, changed_at) WHERE customer_id IS NOT NULL;
