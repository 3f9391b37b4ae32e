-- Keys in the order in which a bucket lists them, for comparing the two from one end to the other.
CREATE INDEX documents_key_order ON documents (object_key COLLATE "C", id);
CREATE INDEX documents_arrived_order ON documents (arrived_key COLLATE "C", id) WHERE arrived_key IS NOT NULL;
