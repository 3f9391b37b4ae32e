-- The storage page counted the current month anew each time: all its documents and links.
CREATE TABLE storage_days (
    day        date PRIMARY KEY,
    uploads    bigint NOT NULL,
    bytes      bigint NOT NULL,
    links      bigint NOT NULL,
    link_bytes bigint NOT NULL
);
COMMENT ON TABLE storage_days IS 'Days (UTC) that are over: documents stored, links issued. Counted when the storage page is shown. A month from before this table is counted on its last day.';
INSERT INTO storage_days
SELECT (month + interval '1 month' - interval '1 day')::date, uploads, bytes, links, link_bytes FROM storage_months;
DROP TABLE storage_months;
