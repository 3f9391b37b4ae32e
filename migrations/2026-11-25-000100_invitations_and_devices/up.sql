CREATE TABLE tokens (
    token_hash bytea PRIMARY KEY CONSTRAINT tokens_token_hash_length CHECK (octet_length(token_hash) = 32),
    purpose    text NOT NULL CONSTRAINT tokens_purpose_known CHECK (purpose IN ('invitation')),
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT tokens_one_of_a_kind UNIQUE (user_id, purpose)
);
COMMENT ON TABLE tokens IS 'Links that work once. Using one deletes it; a new one of the same purpose replaces it.';
COMMENT ON COLUMN tokens.token_hash IS 'SHA-256 of the token in the link; the token itself is stored nowhere.';

ALTER TABLE login_throttles DROP CONSTRAINT login_throttles_scope_known;
ALTER TABLE login_throttles ADD CONSTRAINT login_throttles_scope_known
    CHECK (scope IN ('account', 'address', 'account+address', 'device'));
