CREATE TABLE session_links (
    seed_hash  bytea PRIMARY KEY CONSTRAINT session_links_hash_length CHECK (octet_length(seed_hash) = 32),
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    expires_at timestamptz NOT NULL
);
CREATE INDEX session_links_user ON session_links (user_id);
COMMENT ON TABLE session_links IS 'Links in emails about a new device. Each ends every session of its user, once.';
COMMENT ON COLUMN session_links.seed_hash IS 'SHA-256 of the seed in the email, whose signature makes the link.';
