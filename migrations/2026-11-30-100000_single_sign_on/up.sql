-- Single sign-on with OpenID Connect.
CREATE TABLE sso_issuers (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    issuer text NOT NULL CONSTRAINT sso_issuers_issuer_length CHECK (length(issuer) BETWEEN 1 AND 2000),
    label  text NOT NULL CONSTRAINT sso_issuers_label_length CHECK (length(label) BETWEEN 1 AND 40),
    CONSTRAINT sso_issuers_unique UNIQUE (issuer)
);
COMMENT ON TABLE sso_issuers IS 'Issuers whose ID tokens have opened sessions. OIDC_ISSUER names the one that may now.';

CREATE TABLE sso_identities (
    issuer_id    bigint NOT NULL REFERENCES sso_issuers ON DELETE RESTRICT,
    subject      text NOT NULL CONSTRAINT sso_identities_subject_length CHECK (length(subject) BETWEEN 1 AND 255),
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    linked_at    timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    PRIMARY KEY (issuer_id, subject),
    CONSTRAINT sso_identities_one_for_each_user UNIQUE (user_id, issuer_id)
);
COMMENT ON TABLE sso_identities IS 'Whom a subject of an issuer logs in. Linked once, by a verified email address.';

CREATE TABLE sso_logins (
    state_hash   bytea PRIMARY KEY CONSTRAINT sso_logins_state_length CHECK (octet_length(state_hash) = 32),
    browser_hash bytea NOT NULL CONSTRAINT sso_logins_browser_length CHECK (octet_length(browser_hash) = 32),
    nonce        text NOT NULL,
    verifier     text NOT NULL,
    confirms     bigint REFERENCES users ON DELETE CASCADE,
    next         text NOT NULL CONSTRAINT sso_logins_next_length CHECK (length(next) <= 2000),
    created_at   timestamptz NOT NULL,
    network      inet
);
CREATE INDEX sso_logins_created ON sso_logins (created_at);
COMMENT ON TABLE sso_logins IS 'Logins that the issuer has not answered yet. Each is removed by its answer, or after ten minutes.';
COMMENT ON COLUMN sso_logins.browser_hash IS 'SHA-256 of a cookie, so that only the browser that began can finish.';
COMMENT ON COLUMN sso_logins.confirms IS 'The logged-in user who confirms who they are. NULL: a login.';
COMMENT ON COLUMN sso_logins.verifier IS 'The code verifier of PKCE (RFC 7636).';
