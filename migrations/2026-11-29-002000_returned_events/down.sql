DROP POLICY own_new_events ON audit_events;
