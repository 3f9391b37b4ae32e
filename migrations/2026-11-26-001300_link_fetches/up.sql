-- An issued link is not a fetched document. The server that sends the bytes records fetches in separate events.
CREATE TABLE link_fetches (
    s3_request text PRIMARY KEY,
    fetched_at timestamptz NOT NULL
);
COMMENT ON TABLE link_fetches IS 'Requests of the bucket''s access log that have become events (LINK_FETCHED), so that importing a file again adds nothing.';
COMMENT ON COLUMN link_fetches.s3_request IS 'The id that S3 gave the request.';

-- Finds the link of a fetch.
CREATE INDEX audit_events_links ON audit_events (object_key, occurred_at)
    WHERE action IN ('BOL_DOWNLOADED', 'BOL_PREVIEWED') AND outcome = 'success';

-- What the page of a BOL shows of a fetch. A customer may not read an event's details, only these columns of its own events.
CREATE FUNCTION link_fetch(event bigint, at timestamptz) RETURNS jsonb LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT jsonb_build_object('fetched_at', e.detail->'fetched_at', 'bytes', e.detail->'bytes', 'size', e.detail->'size',
                              'status', e.detail->'status')
    FROM public.audit_events e
    WHERE e.id = event AND e.occurred_at = at AND e.action = 'LINK_FETCHED'
      AND (current_setting('role') <> 'portal_customer'
           OR e.user_role = 'customer' AND e.customer_id = ANY (public.portal_customer_ids()))
$$;
COMMENT ON FUNCTION link_fetch IS 'When, how many bytes of how many, and with which status, of an event LINK_FETCHED; NULL: not within reach.';
REVOKE EXECUTE ON FUNCTION link_fetch FROM PUBLIC;
GRANT EXECUTE ON FUNCTION link_fetch TO portal_customer;
