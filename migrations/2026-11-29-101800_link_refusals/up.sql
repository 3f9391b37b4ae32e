-- The access log takes one refusal of a link a minute, whichever instance refuses it.
CREATE TABLE link_refusals (
    refusal     bytea PRIMARY KEY CONSTRAINT link_refusals_refusal_length CHECK (octet_length(refusal) = 32),
    recorded_at timestamptz NOT NULL
);
CREATE INDEX link_refusals_age ON link_refusals (recorded_at);
COMMENT ON TABLE link_refusals IS 'When the refusal of a link was last recorded. Rows are removed after a day.';
COMMENT ON COLUMN link_refusals.refusal IS 'SHA-256 of the link and the status of the answer.';
