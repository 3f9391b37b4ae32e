DELETE FROM login_throttles WHERE scope = 'passkey';
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device', 'reset', 'factor', 'factor+device', 'sso'));
DROP TABLE passkey_ceremonies;
DROP TABLE passkeys;
ALTER TABLE users DROP COLUMN webauthn_id;
