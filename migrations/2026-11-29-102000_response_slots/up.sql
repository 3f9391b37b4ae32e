-- Long responses that run at a time, on all instances together. A row that isn't renewed belongs to an instance that
-- crashed, and counts as free.
CREATE TABLE response_slots (
    holder     text NOT NULL CONSTRAINT response_slots_holder_length CHECK (length(holder) <= 100),
    slot       integer NOT NULL,
    taken_by   text NOT NULL,
    renewed_at timestamptz NOT NULL,
    PRIMARY KEY (holder, slot)
);
CREATE INDEX response_slots_taken_by ON response_slots (taken_by);
COMMENT ON COLUMN response_slots.holder IS 'What is limited: a kind of response, for a login or for a company.';
COMMENT ON COLUMN response_slots.taken_by IS 'The response that holds the slot.';
