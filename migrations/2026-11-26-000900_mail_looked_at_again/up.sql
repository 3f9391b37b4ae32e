-- Emails record who caused them, and outlive a deleted login. The lists of the dashboard get indexes.
ALTER TABLE mails
    DROP CONSTRAINT mails_user_id_fkey,
    ADD CONSTRAINT mails_user_id_fkey FOREIGN KEY (user_id) REFERENCES users ON DELETE SET NULL,
    ADD COLUMN caused_by bigint REFERENCES users ON DELETE SET NULL;
COMMENT ON COLUMN mails.caused_by IS 'Whoever invited somebody; NULL: nobody in particular.';
CREATE INDEX mails_caused ON mails (caused_by, created_at) WHERE caused_by IS NOT NULL;
DROP INDEX mails_user;
CREATE INDEX mails_user ON mails (user_id, purpose, id) WHERE user_id IS NOT NULL;

-- A user has at most one of each purpose, so no index by age is needed.
DROP INDEX tokens_expired;

CREATE INDEX users_daily ON users (told_until) WHERE notify = 'daily';
CREATE INDEX bols_customer_visible ON bols (customer_id, visible_since) WHERE voided_at IS NULL;
CREATE INDEX bols_unsigned ON bols (bol_date, id) WHERE voided_at IS NULL AND NOT document_kinds @> '{signed-bol}';

COMMENT ON FUNCTION document_becomes_visible IS 'SET LOCAL portal.quiet = ''on'' brings documents in without telling anybody: sample data.';
