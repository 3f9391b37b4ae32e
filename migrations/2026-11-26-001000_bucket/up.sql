-- Keys in the order in which a bucket lists them, so that both can be compared in one pass.
CREATE INDEX documents_key_order ON documents (object_key COLLATE "C", id);
CREATE INDEX documents_arrived_order ON documents (arrived_key COLLATE "C", id) WHERE arrived_key IS NOT NULL;

-- Storage costs: prices that an administrator can change, and past months, counted once.
CREATE INDEX documents_created ON documents (created_at) INCLUDE (size_bytes);
CREATE TABLE storage_prices (
    id               integer PRIMARY KEY DEFAULT 1 CONSTRAINT storage_prices_one_row CHECK (id = 1),
    storage_gb_month bigint NOT NULL CONSTRAINT storage_prices_storage_range CHECK (storage_gb_month BETWEEN 0 AND 1000000000),
    put_thousand     bigint NOT NULL CONSTRAINT storage_prices_put_range CHECK (put_thousand BETWEEN 0 AND 1000000000),
    get_thousand     bigint NOT NULL CONSTRAINT storage_prices_get_range CHECK (get_thousand BETWEEN 0 AND 1000000000),
    egress_gb        bigint NOT NULL CONSTRAINT storage_prices_egress_range CHECK (egress_gb BETWEEN 0 AND 1000000000)
);
COMMENT ON TABLE storage_prices IS 'Millionths of a US dollar: for a GB (2^30 bytes) kept a month, a thousand PUTs, a thousand GETs or HEADs, and a GB sent out. To begin with: S3 Standard in us-east-2, 2026.';
INSERT INTO storage_prices VALUES (1, 23000, 5000, 400, 90000);

CREATE TABLE storage_months (
    month      date PRIMARY KEY,
    uploads    bigint NOT NULL,
    bytes      bigint NOT NULL,
    links      bigint NOT NULL,
    link_bytes bigint NOT NULL
);
COMMENT ON TABLE storage_months IS 'Months (UTC) that are over: documents stored, links issued. Counted when somebody first looks.';

ALTER TABLE documents ADD COLUMN pending_tried_at timestamptz;
COMMENT ON COLUMN documents.pending_tried_at IS 'When the sweeper last tried to settle it: one that can''t be settled now comes behind the others.';
-- Objects that were created when a document was filed from the inbox.
CREATE INDEX documents_filed ON documents (stored_at) INCLUDE (size_bytes) WHERE arrived_key IS NOT NULL;
