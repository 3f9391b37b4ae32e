-- Tokens with which programs act for a user, without a session.
CREATE TABLE api_tokens (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    made_by      bigint REFERENCES users ON DELETE SET NULL,
    form_key     text NOT NULL CONSTRAINT api_tokens_form_key_length CHECK (length(form_key) BETWEEN 1 AND 64),
    name         text NOT NULL CONSTRAINT api_tokens_name_length CHECK (length(name) BETWEEN 1 AND 100),
    scopes       text[] NOT NULL CONSTRAINT api_tokens_scopes_known CHECK (cardinality(scopes) > 0
        AND scopes <@ '{bols:read,documents:read,bols:issue,documents:upload,log:read}'::text[]),
    token_hash   bytea NOT NULL CONSTRAINT api_tokens_hash_length CHECK (octet_length(token_hash) = 32),
    networks     cidr[] NOT NULL DEFAULT '{}' CONSTRAINT api_tokens_networks_count CHECK (cardinality(networks) <= 20),
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    last_ip      inet,
    last_agent   text NOT NULL DEFAULT '',
    reminded_at  timestamptz,
    CONSTRAINT api_tokens_hash_key UNIQUE (token_hash),
    CONSTRAINT api_tokens_form_key_once UNIQUE (user_id, form_key),
    CONSTRAINT api_tokens_life CHECK (expires_at > created_at AND expires_at <= created_at + interval '366 days')
);
CREATE INDEX api_tokens_ends ON api_tokens (expires_at) WHERE revoked_at IS NULL AND reminded_at IS NULL;
COMMENT ON TABLE api_tokens IS 'API tokens. Rows stay after their end, so that the list says when a token was last used.';
COMMENT ON COLUMN api_tokens.user_id IS 'The owner, whose rights of the moment limit what the token may do.';
COMMENT ON COLUMN api_tokens.made_by IS 'Who made it: the owner, or the administrator of a service account.';
COMMENT ON COLUMN api_tokens.form_key IS 'Of the form that made it, so that sending the form twice makes one token.';
COMMENT ON COLUMN api_tokens.token_hash IS 'SHA-256 of the whole token. The token itself is shown once and stored nowhere.';
COMMENT ON COLUMN api_tokens.networks IS 'The networks from which it may be used. Empty: from anywhere.';
COMMENT ON COLUMN api_tokens.last_used_at IS 'Updated at most once a minute, with address and agent.';
COMMENT ON COLUMN api_tokens.reminded_at IS 'When an email said that it ends soon.';

-- Requests of each token in the current minute, on all instances together. Losing them in a crash does no harm.
CREATE UNLOGGED TABLE api_token_rates (
    token_id bigint PRIMARY KEY REFERENCES api_tokens ON DELETE CASCADE,
    minute   timestamptz NOT NULL,
    requests integer NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE api_token_rates IS 'Limits the requests of each token.';

-- Like assert_access, for a long answer to a token.
CREATE FUNCTION assert_token_access(login bigint, token bigint, own_role text, companies bigint[], at timestamptz)
RETURNS void LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    ended text := (
        SELECT CASE
            WHEN u.id IS NULL OR NOT u.active THEN 'the login is disabled'
            WHEN t.id IS NULL OR t.revoked_at IS NOT NULL THEN 'the token was revoked'
            WHEN t.expires_at <= at THEN 'the token has expired'
            WHEN u.role <> own_role THEN 'the role was changed'
            WHEN NOT companies <@ ARRAY(
                SELECT m.customer_id FROM public.memberships m JOIN public.customers c ON c.id = m.customer_id
                WHERE m.user_id = u.id AND c.active) THEN 'a company was taken away'
        END
        FROM (SELECT login AS id) asked
        LEFT JOIN public.users u ON u.id = asked.id
        LEFT JOIN public.api_tokens t ON t.user_id = u.id AND t.id = token);
BEGIN
    IF ended IS NOT NULL THEN
        RAISE EXCEPTION '%', ended USING ERRCODE = 'check_violation', CONSTRAINT = 'access_stands', TABLE = 'api_tokens';
    END IF;
END $$;
COMMENT ON FUNCTION assert_token_access IS 'Raises unless the token, the login, its role and its companies are still as given.';

ALTER TABLE users ADD COLUMN is_service boolean NOT NULL DEFAULT false
    CONSTRAINT users_service_has_no_password CHECK (NOT is_service OR password_hash IS NULL);
COMMENT ON COLUMN users.is_service IS 'A service account: it has tokens, and no way to log in.';

ALTER TABLE documents ADD COLUMN pending_token bigint;
COMMENT ON COLUMN documents.pending_token IS 'The API token with which the upload began, for the event if another process ends it.';

-- Refused tokens are counted for themselves, so that they never delay a login.
ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known CHECK (scope IN
    ('account', 'address', 'account+address', 'device', 'reset', 'factor', 'factor+device', 'sso', 'passkey', 'token'));
