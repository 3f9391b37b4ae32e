-- What differs from what the migrations made: one row each, in the order in which the statements of `mend` must run.
-- `concern` is ledger, isolation or service. `mend` is NULL where only a person can decide.
WITH ledger AS (
    SELECT oid, false AS is_partition FROM pg_class
    WHERE oid IN ('audit_events'::regclass, 'audit_leaves'::regclass, 'audit_checkpoints'::regclass)
    UNION ALL SELECT inhrelid, true FROM pg_inherits WHERE inhparent = 'audit_events'::regclass
),
owner AS (SELECT relowner AS oid, pg_get_userbyid(relowner) AS name FROM pg_class WHERE oid = 'audit_events'::regclass),
secured AS (SELECT name::regclass AS oid FROM unnest('{customers,bols,documents,bol_opens,bol_counts,audit_events}'::text[]) AS t (name)),
relation AS (
    SELECT oid, relname, relowner, relacl, relkind FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'S')
),
granted AS (
    SELECT r.oid, r.relname, r.relowner, r.relkind, NULL::name AS column, a.grantee, a.privilege_type AS privilege
    FROM relation r, aclexplode(coalesce(r.relacl, acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner))) a
    UNION ALL
    SELECT r.oid, r.relname, r.relowner, r.relkind, t.attname, a.grantee, a.privilege_type
    FROM relation r JOIN pg_attribute t ON t.attrelid = r.oid AND NOT t.attisdropped, aclexplode(t.attacl) a
),
-- The same, as text. Extensions and views of a site may have grants of their own; only tables with data matter here.
named AS (
    SELECT g.*, coalesce(quote_ident(r.rolname), 'PUBLIC') AS role,
        g.privilege || coalesce(' (' || quote_ident(g.column) || ')', '') AS right_, format('%s%I', CASE relkind WHEN 'S' THEN 'SEQUENCE ' END, g.relname) AS object
    FROM granted g LEFT JOIN pg_roles r ON r.oid = g.grantee
),
customer_may AS (
    SELECT name AS relname, NULL::name AS column, 'SELECT' AS privilege FROM unnest('{bols,documents,bol_opens,bol_counts}'::name[]) AS t (name)
    UNION ALL SELECT 'customers', c, 'SELECT' FROM unnest('{id,code,name}'::name[]) AS t (c)
    UNION ALL SELECT 'audit_events', c, 'SELECT' FROM unnest('{id,occurred_at,action,outcome,user_email,user_role,customer_id,
        bol_id,document_id,document_kind,file_name}'::name[]) AS t (c)
    UNION ALL SELECT 'audit_events', c, 'INSERT' FROM unnest('{action,outcome,user_id,user_email,user_role,customer_id,customer_code,
        bol_id,bol_number,document_id,document_kind,file_name,object_key,sha256,ip,user_agent,request_id,detail}'::name[]) AS t (c)
    UNION ALL VALUES ('audit_events_id_seq', NULL, 'USAGE')
),
owner_may AS (
    SELECT name AS relname, NULL::name AS column, privilege
    FROM unnest('{audit_events,audit_leaves,audit_checkpoints}'::name[]) AS t (name), unnest('{SELECT,INSERT}'::text[]) AS p (privilege)
    UNION ALL VALUES ('audit_checkpoints', 'publish_at'::name, 'UPDATE'), ('audit_checkpoints', 'is_published', 'UPDATE')
),
server_may AS (
    SELECT relname, NULL::name AS column, privilege FROM relation, unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) AS p (privilege)
    WHERE relkind IN ('r', 'p') AND oid NOT IN (SELECT oid FROM ledger) AND relname NOT IN ('scope_key', '__diesel_schema_migrations')
    UNION ALL SELECT relname, NULL, 'USAGE' FROM relation WHERE relkind = 'S'
    UNION ALL SELECT name, NULL, 'SELECT' FROM unnest('{audit_events,audit_leaves,audit_checkpoints,__diesel_schema_migrations}'::name[]) AS t (name)
    UNION ALL SELECT name, NULL, 'INSERT' FROM unnest('{audit_leaves,audit_checkpoints}'::name[]) AS t (name)
    UNION ALL SELECT relname, c.column, privilege FROM customer_may c WHERE relname = 'audit_events' AND privilege = 'INSERT'
    UNION ALL SELECT relname, o.column, privilege FROM owner_may o WHERE privilege = 'UPDATE'
),
may AS (
    SELECT to_regrole('portal_customer')::oid AS grantee, m.* FROM customer_may m
    UNION ALL SELECT to_regrole('portal_server')::oid, m.* FROM server_may m
    UNION ALL SELECT o.oid, m.* FROM owner o, owner_may m
),
wanted_trigger (relname, name, definition) AS (
    VALUES
    ('audit_events', 'audit_events_no_change', 'CREATE TRIGGER audit_events_no_change BEFORE DELETE OR UPDATE ON audit_events FOR EACH ROW EXECUTE FUNCTION audit_events_are_append_only()'),
    ('audit_events', 'audit_events_no_truncate', 'CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()'),
    ('audit_events', 'audit_events_opens', 'CREATE TRIGGER audit_events_opens AFTER INSERT ON audit_events FOR EACH ROW WHEN (new.bol_id IS NOT NULL AND new.user_id IS NOT NULL AND new.outcome = ''success''::text AND (new.action = ANY (ARRAY[''BOL_VIEWED''::text, ''BOL_PREVIEWED''::text, ''BOL_DOWNLOADED''::text, ''BOLS_ZIPPED''::text]))) EXECUTE FUNCTION audit_event_onto_bol_opens()'),
    ('audit_leaves', 'audit_leaves_no_change', 'CREATE TRIGGER audit_leaves_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON audit_leaves FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only()'),
    ('audit_checkpoints', 'audit_checkpoints_no_change', 'CREATE TRIGGER audit_checkpoints_no_change BEFORE DELETE OR UPDATE OF size, note, edge OR TRUNCATE ON audit_checkpoints FOR EACH STATEMENT EXECUTE FUNCTION audit_seals_are_append_only()'),
    ('bols', 'bols_counted_insert', 'CREATE TRIGGER bols_counted_insert AFTER INSERT ON bols REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION bols_counted()'),
    ('bols', 'bols_counted_update', 'CREATE TRIGGER bols_counted_update AFTER UPDATE OF customer_id ON bols FOR EACH ROW WHEN (old.customer_id IS DISTINCT FROM new.customer_id) EXECUTE FUNCTION bols_counted()'),
    ('bols', 'bols_counted_delete', 'CREATE TRIGGER bols_counted_delete AFTER DELETE ON bols FOR EACH ROW EXECUTE FUNCTION bols_counted()'),
    ('bols', 'bols_customer', 'CREATE TRIGGER bols_customer AFTER UPDATE OF customer_id ON bols FOR EACH ROW WHEN (old.customer_id IS DISTINCT FROM new.customer_id) EXECUTE FUNCTION bol_customer_onto_documents()'),
    ('documents', 'documents_customer', 'CREATE TRIGGER documents_customer BEFORE INSERT OR UPDATE OF bol_id, customer_id ON documents FOR EACH ROW EXECUTE FUNCTION document_takes_customer_of_bol()')
    UNION ALL
    SELECT c.relname, 'audit_events_no_truncate',
        format('CREATE TRIGGER audit_events_no_truncate BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION audit_events_are_append_only()', c.relname)
    FROM ledger l JOIN pg_class c ON c.oid = l.oid WHERE l.is_partition
),
wanted_policy (tablename, policyname, cmd, role, qual, with_check) AS (
    VALUES
    ('audit_events', 'own_company_events', 'SELECT', 'portal_customer', '((user_role = ''customer''::text) AND COALESCE((customer_id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[])), false))', NULL),
    ('audit_events', 'own_new_events', 'SELECT', 'portal_customer', '((xact_id = pg_current_xact_id_if_assigned()) AND (user_id = ( SELECT portal_user_id() AS portal_user_id)))', NULL),
    ('audit_events', 'record_own_access', 'INSERT', 'portal_customer', NULL, '((user_role = ( SELECT portal_user_role() AS portal_user_role)) AND (user_id = ( SELECT portal_user_id() AS portal_user_id)) AND (action = ANY (ARRAY[''BOL_VIEWED''::text, ''BOL_DOWNLOADED''::text, ''BOL_PREVIEWED''::text, ''BOLS_ZIPPED''::text, ''DOCUMENT_RESTORE_REQUESTED''::text, ''ACCESS_DENIED''::text, ''LOOKUPS_LIMITED''::text, ''BOLS_EXPORTED''::text])) AND ((customer_id IS NULL) OR (customer_id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[]))))'),
    ('audit_events', 'server_reads', 'SELECT', 'portal_server', 'true', NULL),
    ('audit_events', 'server_records', 'INSERT', 'portal_server', NULL, 'true'),
    ('bol_opens', 'server_all', 'ALL', 'portal_server', 'true', 'true'),
    ('bols', 'server_all', 'ALL', 'portal_server', 'true', 'true'),
    ('bol_counts', 'server_all', 'ALL', 'portal_server', 'true', 'true'),
    ('bol_counts', 'own_counts', 'SELECT', 'portal_customer', 'COALESCE((customer_id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[])), false)', NULL),
    ('customers', 'server_all', 'ALL', 'portal_server', 'true', 'true'),
    ('documents', 'server_all', 'ALL', 'portal_server', 'true', 'true'),
    ('bol_opens', 'own_opens', 'SELECT', 'portal_customer', '(user_id = ( SELECT portal_user_id() AS portal_user_id))', NULL),
    ('bols', 'own_bols', 'SELECT', 'portal_customer', 'COALESCE((customer_id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[])), false)', NULL),
    ('customers', 'own_company', 'SELECT', 'portal_customer', '(id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[]))', NULL),
    ('documents', 'own_documents', 'SELECT', 'portal_customer', '((state = ''stored''::text) AND COALESCE((customer_id = ANY (( SELECT portal_customer_ids() AS portal_customer_ids)::bigint[])), false))', NULL)
),
wanted_function (name, head, source) AS (
    VALUES
    ('audit_events_are_append_only', '() RETURNS trigger LANGUAGE plpgsql', 'BEGIN RAISE EXCEPTION ''audit_events is append-only: % refused'', TG_OP USING ERRCODE = ''insufficient_privilege''; END'),
    ('audit_seals_are_append_only', '() RETURNS trigger LANGUAGE plpgsql', 'BEGIN RAISE EXCEPTION ''% is append-only: % refused'', TG_TABLE_NAME, TG_OP USING ERRCODE = ''insufficient_privilege''; END'),
    ('portal_scope_mac', '(scope text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER', 'DECLARE secret bytea := (SELECT k.key FROM public.scope_key k); BEGIN RETURN encode(sha256(secret || sha256(secret || convert_to( pg_backend_pid() || '';'' || extract(epoch FROM transaction_timestamp()) || '';'' || scope, ''UTF8''))), ''hex''); END'),
    ('portal_enter', '(user_id bigint, user_role text, customers bigint[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER', 'DECLARE scope text := user_id || '';'' || user_role || '';'' || array_to_string(customers, '',''); BEGIN PERFORM set_config(''portal.scope'', public.portal_scope_mac(scope) || scope, true); END'),
    ('portal_scope', '() RETURNS text LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SECURITY DEFINER', 'DECLARE signed text := current_setting(''portal.scope'', true); BEGIN IF left(signed, 64) = public.portal_scope_mac(substr(signed, 65)) THEN RETURN substr(signed, 65); END IF; RETURN NULL; END'),
    ('portal_customer_ids', '() RETURNS bigint[] LANGUAGE sql STABLE PARALLEL RESTRICTED', 'SELECT string_to_array(nullif(split_part(public.portal_scope(), '';'', 3), ''''), '','')::bigint[]'),
    ('portal_user_id', '() RETURNS bigint LANGUAGE sql STABLE PARALLEL RESTRICTED', 'SELECT nullif(split_part(public.portal_scope(), '';'', 1), '''')::bigint'),
    ('portal_user_role', '() RETURNS text LANGUAGE sql STABLE PARALLEL RESTRICTED', 'SELECT split_part(public.portal_scope(), '';'', 2)'),
    ('portal_matching', '(patterns text[], numbers text[], or_patterns text[], marks text[], companies bigint[], most integer) RETURNS bigint[] LANGUAGE sql STABLE SECURITY DEFINER', 'SELECT public.bols_matching(patterns, numbers, or_patterns, marks, ARRAY(SELECT unnest(companies) INTERSECT SELECT unnest(public.portal_customer_ids())), most)')
),
found (step, concern, what, mend) AS (
    -- Roles.
    SELECT 10, 'isolation', format('the role %s is missing', name), format('CREATE ROLE %I NOLOGIN NOINHERIT', name)
    FROM unnest('{portal_customer,portal_server}'::name[]) AS t (name) WHERE to_regrole(quote_ident(name)) IS NULL
    UNION ALL
    SELECT 11, 'isolation', format('the role %s has %s', rolname, attribute), format('ALTER ROLE %I NO%s', rolname, attribute)
    FROM pg_roles, unnest(ARRAY['LOGIN', 'SUPERUSER', 'CREATEROLE', 'CREATEDB', 'BYPASSRLS', 'REPLICATION', 'INHERIT'],
        ARRAY[rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls, rolreplication, rolinherit]) AS t (attribute, is_set)
    WHERE rolname IN ('portal_customer', 'portal_server') AND is_set
    UNION ALL
    SELECT 12, 'isolation', format('the role %s is a member of %I', c.rolname, r.rolname), format('REVOKE %I FROM %I', r.rolname, c.rolname)
    FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles c ON c.oid = m.member
    WHERE c.rolname = 'portal_customer' OR c.rolname = 'portal_server' AND r.rolname <> 'portal_customer'
    UNION ALL
    SELECT 13, 'isolation', format('the role %s owns %I', pg_get_userbyid(relowner), relname), NULL
    FROM relation WHERE relowner IN (to_regrole('portal_customer'), to_regrole('portal_server'))
    UNION ALL
    -- Since Postgres 16 the creator of a role is a member, but can't become it.
    SELECT 14, 'service', format('%I can''t become portal_customer', name), format('GRANT portal_customer TO %I', name)
    FROM (SELECT name FROM owner UNION SELECT 'portal_server') AS t
    WHERE NOT EXISTS (SELECT FROM pg_roles r, pg_roles c WHERE r.rolname = name AND c.rolname = 'portal_customer'
        AND (r.rolsuper OR pg_has_role(r.oid, c.oid, CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)))
    UNION ALL
    -- Rights that change the ledger.
    SELECT 20, 'ledger', format('%s may %s %s', n.role, n.right_, n.relname), format('REVOKE %s ON %s FROM %s', n.right_, n.object, n.role)
    FROM named n JOIN ledger l USING (oid)
    WHERE n.privilege <> 'SELECT'
      AND (n.grantee <> n.relowner OR n.column IS NOT NULL OR NOT l.is_partition AND n.privilege IN ('UPDATE', 'DELETE', 'TRUNCATE'))
      AND NOT EXISTS (SELECT FROM may m WHERE (m.grantee, m.relname, m.privilege) = (n.grantee, n.relname, n.privilege) AND m.column IS NOT DISTINCT FROM n.column)
    UNION ALL
    -- Rights of customers, of the server, and of everybody.
    SELECT 22, 'isolation', format('%s may %s %s', n.role, n.right_, n.relname), format('REVOKE %s ON %s FROM %s', n.right_, n.object, n.role)
    FROM named n
    WHERE n.grantee IN (0, to_regrole('portal_customer'), to_regrole('portal_server'))
      AND NOT EXISTS (SELECT FROM ledger l WHERE l.oid = n.oid AND n.privilege <> 'SELECT')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = n.oid AND d.deptype = 'e')
      AND NOT EXISTS (SELECT FROM may m WHERE (m.grantee, m.relname, m.privilege) = (n.grantee, n.relname, n.privilege) AND m.column IS NOT DISTINCT FROM n.column)
    UNION ALL
    SELECT 30, 'service', format('%I may not %s%s %s', g.rolname, m.privilege, ' (' || quote_ident(m.column) || ')', m.relname),
        format('GRANT %s%s ON %s%I TO %I', m.privilege, ' (' || quote_ident(m.column) || ')', CASE r.relkind WHEN 'S' THEN 'SEQUENCE ' END, m.relname, g.rolname)
    FROM may m JOIN relation r USING (relname) JOIN pg_roles g ON g.oid = m.grantee
    WHERE NOT EXISTS (SELECT FROM granted a WHERE a.grantee = m.grantee AND a.oid = r.oid AND a.privilege = m.privilege AND a.column IS NOT DISTINCT FROM m.column)
    UNION ALL
    SELECT 32, 'service', format('%s may not use the schema', c.rolname), format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), c.rolname)
    FROM pg_roles c WHERE c.rolname IN ('portal_customer', 'portal_server') AND NOT has_schema_privilege(c.oid, current_schema(), 'USAGE')
    UNION ALL
    SELECT 33, 'service', format('%s may not call %s', c.rolname, p.proname), format('GRANT EXECUTE ON FUNCTION %s TO %I', p.oid::regprocedure, c.rolname)
    FROM (VALUES ('portal_customer', 'link_fetch'), ('portal_server', 'link_fetch'), ('portal_server', 'portal_enter'), ('portal_server', 'audit_prepare_months'),
                 ('portal_server', 'bols_matching'), ('portal_customer', 'portal_matching')) AS w (role, name)
        JOIN pg_roles c ON c.rolname = w.role JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = current_schema()::regnamespace
    WHERE NOT EXISTS (SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a WHERE a.grantee = c.oid)
    UNION ALL
    SELECT 34, 'isolation', format('PUBLIC has %s on the database', a.privilege_type), format('REVOKE %s ON DATABASE %I FROM PUBLIC', a.privilege_type, d.datname)
    FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
    WHERE d.datname = current_database() AND a.grantee = 0 AND a.privilege_type <> 'CONNECT'
    UNION ALL
    SELECT 35, 'isolation', 'PUBLIC may create objects in the schema', format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', n.nspname)
    FROM pg_namespace n, aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
    WHERE n.nspname = current_schema() AND a.grantee = 0 AND a.privilege_type = 'CREATE'
    UNION ALL
    -- Functions, triggers and rules.
    SELECT 40, CASE WHEN w.name LIKE 'audit%' THEN 'ledger' ELSE 'isolation' END, format('the function %s is not the one of the migrations', w.name),
        format('CREATE OR REPLACE FUNCTION %I%s AS $guard$%s$guard$', w.name, w.head, w.source)
    FROM wanted_function w LEFT JOIN pg_proc p ON p.proname = w.name AND p.pronamespace = current_schema()::regnamespace
    WHERE p.oid IS NULL OR btrim(regexp_replace(p.prosrc, '\s+', ' ', 'g'), ' ;') <> w.source OR p.proconfig IS NOT NULL
       OR p.prosecdef <> (w.head LIKE '% SECURITY DEFINER')
    UNION ALL
    SELECT 45, 'isolation', format('%s may call %s', coalesce(quote_ident(r.rolname), 'PUBLIC'), p.proname),
        format('REVOKE EXECUTE ON FUNCTION %s FROM %s', p.oid::regprocedure, coalesce(quote_ident(r.rolname), 'PUBLIC'))
    FROM pg_proc p CROSS JOIN aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a LEFT JOIN pg_roles r ON r.oid = a.grantee
    WHERE p.proname IN ('portal_scope_mac', 'portal_enter', 'audit_prepare_months', 'bols_matching') AND p.pronamespace = current_schema()::regnamespace
      AND (a.grantee = 0 OR a.grantee = to_regrole('portal_customer'))
    UNION ALL
    SELECT 41, CASE WHEN l.oid IS NULL THEN 'isolation' ELSE 'ledger' END,
        format('the trigger %s on %s is %s', w.name, w.relname, CASE WHEN t.oid IS NULL THEN 'missing' ELSE 'not the one of the migrations' END),
        format('DROP TRIGGER IF EXISTS %I ON %I; %s', w.name, w.relname, w.definition)
    FROM wanted_trigger w JOIN relation r USING (relname) LEFT JOIN ledger l USING (oid)
        LEFT JOIN pg_trigger t ON t.tgrelid = r.oid AND t.tgname = w.name
    WHERE t.oid IS NULL OR pg_get_triggerdef(t.oid, true) <> w.definition
    UNION ALL
    SELECT 42, CASE WHEN l.oid IS NULL THEN 'isolation' ELSE 'ledger' END, format('the trigger %s on %s is off', t.tgname, t.tgrelid::regclass),
        format('ALTER TABLE %s ENABLE TRIGGER %I', t.tgrelid::regclass, t.tgname)
    FROM pg_trigger t LEFT JOIN ledger l ON l.oid = t.tgrelid
    WHERE t.tgenabled <> 'O' AND NOT t.tgisinternal AND (l.oid IS NOT NULL OR t.tgrelid IN (SELECT oid FROM secured))
    UNION ALL
    SELECT 43, 'ledger', format('%s has a trigger that the migrations didn''t make: %s', t.tgrelid::regclass, t.tgname),
        format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
    FROM pg_trigger t JOIN ledger l ON l.oid = t.tgrelid JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND NOT EXISTS (SELECT FROM wanted_trigger w WHERE (w.relname, w.name) = (c.relname, t.tgname))
    UNION ALL
    SELECT 44, CASE WHEN l.oid IS NULL THEN 'isolation' ELSE 'ledger' END, format('%s has a rule: %s', w.ev_class::regclass, w.rulename),
        format('DROP RULE %I ON %s', w.rulename, w.ev_class::regclass)
    FROM pg_rewrite w LEFT JOIN ledger l ON l.oid = w.ev_class
    WHERE l.oid IS NOT NULL OR w.ev_class IN (SELECT oid FROM secured)
    UNION ALL
    -- Row security.
    SELECT 50, 'isolation', format('row security of %s is off', c.relname), format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', c.relname)
    FROM pg_class c JOIN secured USING (oid) WHERE NOT c.relrowsecurity
    UNION ALL
    SELECT 51, 'isolation', format('the policy %s on %s is %s', w.policyname, w.tablename, CASE WHEN p.policyname IS NULL THEN 'missing' ELSE 'not the one of the migrations' END),
        format('DROP POLICY IF EXISTS %1$I ON %2$I; CREATE POLICY %1$I ON %2$I FOR %3$s TO %4$I%5$s%6$s', w.policyname, w.tablename, w.cmd, w.role,
            ' USING (' || w.qual || ')', ' WITH CHECK (' || w.with_check || ')')
    FROM wanted_policy w LEFT JOIN pg_policies p ON p.schemaname = current_schema() AND (p.tablename, p.policyname) = (w.tablename, w.policyname)
    WHERE p.policyname IS NULL OR (p.cmd, p.permissive, p.roles) IS DISTINCT FROM (w.cmd, 'PERMISSIVE', ARRAY[w.role::name])
       OR p.qual IS DISTINCT FROM w.qual OR p.with_check IS DISTINCT FROM w.with_check
    UNION ALL
    SELECT 52, 'isolation', format('%s has a policy that the migrations didn''t make: %s', p.tablename, p.policyname),
        format('DROP POLICY %I ON %I', p.policyname, p.tablename)
    FROM pg_policies p WHERE p.schemaname = current_schema() AND to_regclass(quote_ident(p.tablename)) IN (SELECT oid FROM secured)
      AND NOT EXISTS (SELECT FROM wanted_policy w WHERE (p.tablename, p.policyname) = (w.tablename, w.policyname))
    UNION ALL
    -- Limits.
    SELECT 60, 'service', format('%I has no %s in this database', o.name, setting), format('ALTER ROLE %I IN DATABASE %I SET %s = %L', o.name, current_database(), setting, value)
    FROM (SELECT oid, name FROM owner UNION SELECT r.oid, r.rolname FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member
          WHERE m.roleid = to_regrole('portal_server') AND r.rolname IN (session_user, current_setting('portal.server_role', true))) AS o,
        (VALUES ('statement_timeout', '15s'), ('lock_timeout', '5s'), ('idle_in_transaction_session_timeout', '30s')) AS w (setting, value)
    WHERE NOT EXISTS (SELECT FROM pg_db_role_setting s, unnest(s.setconfig) AS c WHERE s.setrole = o.oid
        AND s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database()) AND c LIKE setting || '=%')
)
SELECT concern, what, mend FROM found ORDER BY step, what
