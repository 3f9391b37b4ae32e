-- How a session was opened, and what it still waits for.
ALTER TABLE sessions
    ADD COLUMN method text NOT NULL DEFAULT 'pwd' CONSTRAINT sessions_method_length CHECK (length(method) BETWEEN 1 AND 40),
    ADD COLUMN waits_for text CONSTRAINT sessions_waits_for_known CHECK (waits_for IN ('factor', 'enrollment')),
    ADD COLUMN proven_at timestamptz;
COMMENT ON COLUMN sessions.method IS 'How the user has logged in: pwd, pwd+otp, pwd+recovery, pwd+passkey, pwd+device, passkey or sso.';
COMMENT ON COLUMN sessions.waits_for IS 'The session can do nothing until its user has given a second factor, or has set one up. NULL: it can.';
COMMENT ON COLUMN sessions.proven_at IS 'When the user last proved who they are, by logging in or by confirming. NULL: not in this session.';
UPDATE sessions SET proven_at = created_at;

ALTER TABLE users ADD COLUMN factor_due_at timestamptz;
COMMENT ON COLUMN users.factor_due_at IS
    'When the user must have a second factor, if one is required. Begins with the first login under that rule. NULL: not asked yet, or has one.';

ALTER TABLE customers ADD COLUMN factor_required boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN customers.factor_required IS 'The logins of this customer must have a second factor.';

CREATE TABLE totp_secrets (
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    is_confirmed boolean NOT NULL,
    secret       bytea NOT NULL,
    last_step    bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL,
    session_id   bigint,
    PRIMARY KEY (user_id, is_confirmed)
);
COMMENT ON TABLE totp_secrets IS 'Secrets of authenticator apps (RFC 6238). An unconfirmed one replaces the confirmed one with its first code.';
COMMENT ON COLUMN totp_secrets.secret IS 'AES-256-GCM with a key derived from SECRET_KEY: 12 bytes nonce, then ciphertext and tag.';
COMMENT ON COLUMN totp_secrets.session_id IS 'The session to which an unconfirmed secret was shown. No other one can confirm it.';
COMMENT ON COLUMN totp_secrets.last_step IS 'The 30-second step of the last accepted code. Codes of this step and before are refused.';

CREATE TABLE recovery_codes (
    user_id   bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    code_hash bytea NOT NULL CONSTRAINT recovery_codes_hash_length CHECK (octet_length(code_hash) = 32),
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);
COMMENT ON COLUMN recovery_codes.code_hash IS 'HMAC-SHA256 of the code, with a key derived from SECRET_KEY. The code itself is shown once and stored nowhere.';

CREATE TABLE remembered_devices (
    id           bigint GENERATED ALWAYS AS IDENTITY,
    token_hash   bytea PRIMARY KEY CONSTRAINT remembered_devices_hash_length CHECK (octet_length(token_hash) = 32),
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    ip           inet,
    user_agent   text NOT NULL DEFAULT ''
);
CREATE INDEX remembered_devices_user ON remembered_devices (user_id);
COMMENT ON TABLE remembered_devices IS 'Browsers that need no second factor for 30 days.';

-- Wrong codes are counted for themselves, so that they never delay a password.
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device', 'reset', 'factor', 'factor+device', 'sso'));
