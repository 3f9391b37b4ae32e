-- INSERT … RETURNING shows that an event was stored: without its row there is no link. Postgres applies the policies for
-- SELECT to a row that it returns, and the events of a refusal or of an office user are not among a customer's own. So a
-- transaction may read the events that it has written itself.
CREATE POLICY own_new_events ON audit_events FOR SELECT TO portal_customer
    USING (xact_id = pg_current_xact_id_if_assigned() AND user_id = (SELECT portal_user_id()));
