COMMENT ON FUNCTION document_becomes_visible IS 'SET LOCAL portal.quiet = ''on'' brings documents in without telling anybody: sample data, the move from an old system.';

DROP INDEX bols_unsigned, bols_customer_visible, users_daily;

CREATE INDEX tokens_expired ON tokens (expires_at);

DROP INDEX mails_user;
CREATE INDEX mails_user ON mails (user_id, purpose) WHERE user_id IS NOT NULL;
DROP INDEX mails_caused;
ALTER TABLE mails
    DROP COLUMN caused_by,
    DROP CONSTRAINT mails_user_id_fkey,
    ADD CONSTRAINT mails_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE CASCADE;
