CREATE TABLE storage_months (
    month      date PRIMARY KEY,
    uploads    bigint NOT NULL,
    bytes      bigint NOT NULL,
    links      bigint NOT NULL,
    link_bytes bigint NOT NULL
);
COMMENT ON TABLE storage_months IS 'Months (UTC) that are over: documents stored, links issued. Counted when somebody first looks.';
INSERT INTO storage_months
SELECT date_trunc('month', day)::date, sum(uploads), sum(bytes), sum(links), sum(link_bytes) FROM storage_days
GROUP BY 1
-- A month without its last day is not counted to its end.
HAVING max(day) = (date_trunc('month', max(day)) + interval '1 month' - interval '1 day')::date;
DROP TABLE storage_days;
