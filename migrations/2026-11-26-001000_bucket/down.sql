DROP INDEX documents_filed;
ALTER TABLE documents DROP COLUMN pending_tried_at;
DROP TABLE storage_months, storage_prices;
DROP INDEX documents_created;
DROP INDEX documents_arrived_order, documents_key_order;
