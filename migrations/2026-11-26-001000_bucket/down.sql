DROP INDEX documents_arrived_order, documents_key_order;
