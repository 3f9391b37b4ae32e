-- The program recognizes the refusal by the name of a constraint, not by the text of the message.
CREATE OR REPLACE FUNCTION assert_document_within(document bigint, companies bigint[]) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.documents d WHERE d.id = document AND d.state = 'stored'
                   AND (companies IS NULL OR d.customer_id = ANY (companies))) THEN
        RAISE EXCEPTION 'the document is not within reach'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'document_within_scope', TABLE = 'documents';
    END IF;
END $$;
