DELETE FROM login_throttles WHERE scope LIKE 'factor%' OR scope = 'sso';
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device', 'reset'));
DROP TABLE remembered_devices;
DROP TABLE recovery_codes;
DROP TABLE totp_secrets;
ALTER TABLE customers DROP COLUMN factor_required;
ALTER TABLE users DROP COLUMN factor_due_at;
-- A session that waits for its second factor would become one that does everything.
DELETE FROM sessions WHERE waits_for IS NOT NULL;
ALTER TABLE sessions DROP COLUMN proven_at, DROP COLUMN waits_for, DROP COLUMN method;
