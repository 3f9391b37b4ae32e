DELETE FROM login_throttles WHERE scope = 'token';
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device', 'reset', 'factor', 'factor+device', 'sso', 'passkey'));
ALTER TABLE documents DROP COLUMN pending_token;
ALTER TABLE users DROP COLUMN is_service;
DROP FUNCTION assert_token_access;
DROP TABLE api_token_rates;
DROP TABLE api_tokens;
