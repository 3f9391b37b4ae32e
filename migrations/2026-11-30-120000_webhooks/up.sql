-- Webhooks: addresses that are sent events about BOLs.
CREATE TABLE webhooks (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id   bigint REFERENCES customers ON DELETE CASCADE,
    made_by       bigint REFERENCES users ON DELETE SET NULL,
    form_key      text NOT NULL CONSTRAINT webhooks_form_key_length CHECK (length(form_key) BETWEEN 1 AND 64),
    url           text NOT NULL CONSTRAINT webhooks_url_length CHECK (length(url) BETWEEN 1 AND 2000),
    events        text[] NOT NULL CONSTRAINT webhooks_events_known CHECK (cardinality(events) > 0 AND events <@
        '{bol.issued,bol.assigned,bol.voided,bol.weighed,document.added,document.fetched}'::text[]),
    key_salt      bytea NOT NULL CONSTRAINT webhooks_key_salt_length CHECK (octet_length(key_salt) = 32),
    public_key    bytea NOT NULL CONSTRAINT webhooks_public_key_length CHECK (octet_length(public_key) = 32),
    key_made_at   timestamptz NOT NULL,
    key_made_by   bigint REFERENCES users ON DELETE SET NULL,
    former_salt   bytea CONSTRAINT webhooks_former_salt_length CHECK (octet_length(former_salt) = 32),
    former_until  timestamptz,
    created_at    timestamptz NOT NULL,
    follows_from  timestamptz NOT NULL DEFAULT now(),
    stopped_at    timestamptz,
    stopped_for   text NOT NULL DEFAULT '' CONSTRAINT webhooks_stopped_for_known CHECK (stopped_for IN ('', 'user', 'gone', 'failures')),
    failures      integer NOT NULL DEFAULT 0,
    paused_until  timestamptz NOT NULL DEFAULT 'epoch',
    leased_until  timestamptz NOT NULL DEFAULT 'epoch',
    CONSTRAINT webhooks_form_key_once UNIQUE (made_by, form_key),
    CONSTRAINT webhooks_former_whole CHECK ((former_salt IS NULL) = (former_until IS NULL)),
    CONSTRAINT webhooks_stopped_whole CHECK ((stopped_at IS NULL) = (stopped_for = ''))
);
CREATE INDEX webhooks_customer ON webhooks (customer_id);
COMMENT ON COLUMN webhooks.customer_id IS 'The company whose BOLs it is about. Null: all BOLs, for the terminal.';
COMMENT ON COLUMN webhooks.form_key IS 'Of the form that made it, so that sending the form twice makes one webhook.';
COMMENT ON COLUMN webhooks.key_salt IS 'The signing keys are derived from it and SECRET_KEY.';
COMMENT ON COLUMN webhooks.public_key IS 'Ed25519, of the same salt. It tells whether SECRET_KEY is still the one of that time.';
COMMENT ON COLUMN webhooks.key_made_at IS 'For ten minutes from then on, the user who made the key is shown the secret.';
COMMENT ON COLUMN webhooks.former_salt IS 'The keys before the last change also sign, until former_until.';
COMMENT ON COLUMN webhooks.follows_from IS 'Earlier events are not sent.';
COMMENT ON COLUMN webhooks.stopped_for IS 'Why it is off: by a user, because its address answered 410, or after failures in a row.';
COMMENT ON COLUMN webhooks.failures IS 'Failed attempts in a row.';
COMMENT ON COLUMN webhooks.paused_until IS 'The next attempt after a failure, whichever event it is about.';
COMMENT ON COLUMN webhooks.leased_until IS 'One process sends to a webhook at a time. After this, another one may.';

CREATE TABLE webhook_deliveries (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id   bigint NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    message_id   text NOT NULL,
    event        text NOT NULL,
    event_id     bigint,
    bol_id       bigint,
    bol_number   text NOT NULL DEFAULT '',
    document_id  bigint,
    is_taken_away boolean NOT NULL DEFAULT false,
    body         text NOT NULL,
    created_at   timestamptz NOT NULL,
    due_at       timestamptz NOT NULL,
    give_up_at   timestamptz NOT NULL,
    asked_at     timestamptz,
    attempts     integer NOT NULL DEFAULT 0,
    state        text NOT NULL DEFAULT 'waiting' CONSTRAINT webhook_deliveries_state_known
        CHECK (state IN ('waiting', 'delivered', 'failed', 'withheld')),
    ended_at     timestamptz,
    CONSTRAINT webhook_deliveries_once UNIQUE (webhook_id, event_id),
    CONSTRAINT webhook_deliveries_ended_whole CHECK ((state = 'waiting') = (ended_at IS NULL))
);
CREATE INDEX webhook_deliveries_waiting ON webhook_deliveries (webhook_id, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_of_bol ON webhook_deliveries (webhook_id, bol_id, id) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_asked ON webhook_deliveries (webhook_id, asked_at) WHERE asked_at IS NOT NULL;
CREATE INDEX webhook_deliveries_list ON webhook_deliveries (webhook_id, id DESC);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
COMMENT ON TABLE webhook_deliveries IS 'What each webhook is sent. Ended ones are kept for 30 days.';
COMMENT ON COLUMN webhook_deliveries.message_id IS 'The webhook-id of every attempt: random, because a restored database gives events the same ids again.';
COMMENT ON COLUMN webhook_deliveries.asked_at IS 'When a user last asked for it: a test, or a message to be sent again. It is tried at once, and its failure counts for nothing.';
COMMENT ON COLUMN webhook_deliveries.event_id IS 'The event in the access log. Null: a test.';
COMMENT ON COLUMN webhook_deliveries.is_taken_away IS 'Says that the company no longer has the BOL.';
COMMENT ON COLUMN webhook_deliveries.state IS 'withheld: the company no longer had the BOL or the document when it was to be sent.';

CREATE TABLE webhook_attempts (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id  bigint NOT NULL REFERENCES webhook_deliveries ON DELETE CASCADE,
    at           timestamptz NOT NULL,
    milliseconds integer NOT NULL,
    url          text NOT NULL,
    signature    text NOT NULL,
    status       integer,
    answer       text NOT NULL,
    error        text NOT NULL
);
CREATE INDEX webhook_attempts_delivery ON webhook_attempts (delivery_id, id DESC);
COMMENT ON COLUMN webhook_attempts.at IS 'Also the webhook-timestamp.';
COMMENT ON COLUMN webhook_attempts.answer IS 'The body, up to 16 kB.';

-- How far the log was read for webhooks. One row.
CREATE TABLE webhook_cursor (
    id       integer PRIMARY KEY DEFAULT 1 CONSTRAINT webhook_cursor_single CHECK (id = 1),
    position bigint NOT NULL
);
INSERT INTO webhook_cursor (position) SELECT coalesce(max(position), -1) FROM audit_leaves;
COMMENT ON COLUMN webhook_cursor.position IS 'The position of the last sealed event that was read. It moves in the transaction that queues deliveries.';
