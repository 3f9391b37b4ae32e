-- What an hourly look at the access log calls unusual.
ALTER TABLE settings
    ADD COLUMN unusual_documents integer NOT NULL DEFAULT 200 CONSTRAINT settings_unusual_documents_range CHECK (unusual_documents BETWEEN 1 AND 100000),
    ADD COLUMN unusual_times     integer NOT NULL DEFAULT 10  CONSTRAINT settings_unusual_times_range CHECK (unusual_times BETWEEN 2 AND 1000),
    ADD COLUMN unusual_denied    integer NOT NULL DEFAULT 10  CONSTRAINT settings_unusual_denied_range CHECK (unusual_denied BETWEEN 2 AND 1000),
    ADD COLUMN night_from        integer NOT NULL DEFAULT 22  CONSTRAINT settings_night_from_range CHECK (night_from BETWEEN 0 AND 23),
    ADD COLUMN night_until       integer NOT NULL DEFAULT 5   CONSTRAINT settings_night_until_range CHECK (night_until BETWEEN 0 AND 23);
COMMENT ON COLUMN settings.unusual_documents IS 'More documents than this, fetched by one login in an hour, are unusual.';
COMMENT ON COLUMN settings.unusual_times IS 'So is this many times the mean of the login''s hours with fetches in the 28 days before.';
COMMENT ON COLUMN settings.unusual_denied IS 'So are this many denied events of a login in a row within an hour.';
COMMENT ON COLUMN settings.night_from IS 'The first hour of the night in DISPLAY_TIMEZONE. Documents that a person fetches at night are unusual.';
COMMENT ON COLUMN settings.night_until IS 'The hour at which the night ends. The same as night_from: there is no night.';

CREATE TABLE unusual_looks (
    only_one     boolean PRIMARY KEY DEFAULT true CONSTRAINT unusual_looks_only_one CHECK (only_one),
    looked_until timestamptz NOT NULL
);
COMMENT ON TABLE unusual_looks IS 'How far the looks for unusual activity have come. One row, from the first look on.';
COMMENT ON COLUMN unusual_looks.looked_until IS 'The end of the last hour that was looked at. Moves in the transaction that records what was found.';

CREATE TABLE unusual_mails (
    user_id   bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    subject   text NOT NULL,
    reason    text NOT NULL,
    mailed_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, subject, reason)
);
COMMENT ON TABLE unusual_mails IS 'What administrators got an email about in the last 24 hours, so that the same thing is mailed once a day.';
COMMENT ON COLUMN unusual_mails.user_id IS 'The administrator.';
COMMENT ON COLUMN unusual_mails.subject IS 'The login, the token or the address that was unusual.';
