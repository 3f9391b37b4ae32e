DROP TABLE documents;
DROP TABLE bols;
DROP FUNCTION document_onto_bol();
DROP FUNCTION bol_changes();
DROP FUNCTION bol_customer_onto_documents();
DROP FUNCTION document_takes_customer_of_bol();
DROP EXTENSION pg_trgm;
