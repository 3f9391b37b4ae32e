ALTER TABLE users
    ADD COLUMN webauthn_id bytea NOT NULL DEFAULT uuid_send(gen_random_uuid())
        CONSTRAINT users_webauthn_id_key UNIQUE
        CONSTRAINT users_webauthn_id_length CHECK (octet_length(webauthn_id) = 16);
COMMENT ON COLUMN users.webauthn_id IS 'The user handle that passkeys keep. Random, so that a passkey on a lost device says nothing about its user.';

CREATE TABLE passkeys (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id         bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    credential_id   bytea NOT NULL CONSTRAINT passkeys_credential_id_key UNIQUE
        CONSTRAINT passkeys_credential_id_length CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    credential      jsonb NOT NULL,
    name            text NOT NULL CONSTRAINT passkeys_name_length CHECK (length(name) BETWEEN 1 AND 100),
    created_at      timestamptz NOT NULL,
    last_used_at    timestamptz,
    sign_count      bigint NOT NULL,
    backup_eligible boolean NOT NULL,
    backed_up       boolean NOT NULL
);
CREATE INDEX passkeys_user ON passkeys (user_id);
COMMENT ON TABLE passkeys IS 'Public keys of passkeys (WebAuthn). The private keys never leave their authenticators.';
COMMENT ON COLUMN passkeys.credential IS 'As webauthn-rs stores it: the public key, the last sign count, the backup flags and the transports.';
COMMENT ON COLUMN passkeys.sign_count IS 'Of the last answer. One that is not higher comes from a copy. 0: the authenticator does not count.';
COMMENT ON COLUMN passkeys.backup_eligible IS 'The passkey may be synced between devices. Never changes.';
COMMENT ON COLUMN passkeys.backed_up IS 'The passkey was synced when it was last used.';

CREATE TABLE passkey_ceremonies (
    id_hash      bytea PRIMARY KEY CONSTRAINT passkey_ceremonies_hash_length CHECK (octet_length(id_hash) = 32),
    purpose      text NOT NULL CONSTRAINT passkey_ceremonies_purpose_known CHECK (purpose IN ('register', 'login', 'factor', 'confirm')),
    session_id   bigint,
    browser_hash bytea,
    network      inet,
    state        jsonb NOT NULL,
    expires_at   timestamptz NOT NULL,
    CONSTRAINT passkey_ceremonies_bound CHECK (CASE purpose
        WHEN 'login' THEN session_id IS NULL AND browser_hash IS NOT NULL
        ELSE session_id IS NOT NULL AND browser_hash IS NULL AND network IS NULL END)
);
CREATE INDEX passkey_ceremonies_session ON passkey_ceremonies (session_id);
CREATE INDEX passkey_ceremonies_network ON passkey_ceremonies (network);
CREATE INDEX passkey_ceremonies_expiry ON passkey_ceremonies (expires_at);
COMMENT ON TABLE passkey_ceremonies IS 'Challenges that wait for an answer, for two minutes. The answer deletes its row, so each challenge is good once.';
COMMENT ON COLUMN passkey_ceremonies.session_id IS 'The session that may answer. NULL before the login.';
COMMENT ON COLUMN passkey_ceremonies.browser_hash IS 'SHA-256 of the cookie of the browser that may answer, before the login.';
COMMENT ON COLUMN passkey_ceremonies.network IS 'The address that asked before the login, whose open challenges are limited. NULL if unknown.';

-- Wrong answers are counted for themselves, so that they never delay a password or a code.
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device', 'reset', 'factor', 'factor+device', 'sso', 'passkey'));
