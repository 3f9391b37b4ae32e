DROP TABLE unusual_mails;
DROP TABLE unusual_looks;
ALTER TABLE settings
    DROP COLUMN unusual_documents,
    DROP COLUMN unusual_times,
    DROP COLUMN unusual_denied,
    DROP COLUMN night_from,
    DROP COLUMN night_until;
