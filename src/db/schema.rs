// As `diesel print-schema` prints it; tests/it/house/schema.rs compares it with the migrated database.

diesel::table! {
    api_tokens (id) {
        id -> Int8,
        user_id -> Int8,
        made_by -> Nullable<Int8>,
        form_key -> Text,
        name -> Text,
        scopes -> Array<Text>,
        token_hash -> Bytea,
        networks -> Array<Cidr>,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        last_ip -> Nullable<Inet>,
        last_agent -> Text,
        reminded_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    api_token_rates (token_id) {
        token_id -> Int8,
        minute -> Timestamptz,
        requests -> Int4,
    }
}

diesel::table! {
    audit_checkpoints (size) {
        size -> Int8,
        note -> Text,
        edge -> Bytea,
        publish_at -> Nullable<Timestamptz>,
        is_published -> Bool,
    }
}

diesel::table! {
    audit_events (id, occurred_at) {
        id -> Int8,
        occurred_at -> Timestamptz,
        action -> Text,
        outcome -> Text,
        user_id -> Nullable<Int8>,
        user_email -> Nullable<Text>,
        user_role -> Nullable<Text>,
        customer_id -> Nullable<Int8>,
        customer_code -> Nullable<Text>,
        bol_id -> Nullable<Int8>,
        bol_number -> Nullable<Text>,
        document_id -> Nullable<Int8>,
        document_kind -> Nullable<Text>,
        file_name -> Nullable<Text>,
        object_key -> Nullable<Text>,
        sha256 -> Nullable<Bytea>,
        ip -> Nullable<Inet>,
        user_agent -> Nullable<Text>,
        request_id -> Nullable<Text>,
        detail -> Jsonb,
    }
}

diesel::table! {
    audit_leaves (position) {
        position -> Int8,
        event_id -> Int8,
        hash -> Bytea,
    }
}

diesel::table! {
    bol_counts (id) {
        id -> Int8,
        customer_id -> Nullable<Int8>,
        bols -> Int4,
    }
}

diesel::table! {
    bol_opens (user_id, bol_id) {
        user_id -> Int8,
        bol_id -> Int8,
        opened_at -> Timestamptz,
        fetched_for -> Nullable<Int8>,
    }
}

diesel::table! {
    bol_counters (year) {
        year -> Int4,
        last_seq -> Int4,
    }
}

diesel::table! {
    bol_requests (user_id, key) {
        user_id -> Int8,
        key -> Text,
        digest -> Bytea,
        bol_id -> Nullable<Int8>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    bols (id) {
        id -> Int8,
        number -> Text,
        number_year -> Int4,
        number_seq -> Int4,
        customer_id -> Nullable<Int8>,
        customer_name -> Text,
        bol_date -> Date,
        product -> Text,
        lot -> Text,
        chemistry -> Text,
        customer_po -> Text,
        release_number -> Text,
        carrier -> Text,
        carrier_scac -> Text,
        truck_number -> Text,
        trailer_number -> Text,
        seal_numbers -> Text,
        driver_name -> Text,
        ship_from -> Text,
        care_of -> Text,
        ship_to -> Text,
        freight_terms -> Text,
        pieces -> Nullable<Int4>,
        package_type -> Text,
        gross_lb -> Nullable<Int4>,
        tare_lb -> Nullable<Int4>,
        net_lb -> Int4,
        official_weight_lb -> Nullable<Int4>,
        scale_ticket -> Text,
        special_instructions -> Text,
        trailer_loaded_by -> Text,
        freight_counted_by -> Text,
        voided_at -> Nullable<Timestamptz>,
        void_reason -> Text,
        document_kinds -> Array<Text>,
        changed_at -> Timestamptz,
        created_at -> Timestamptz,
        search_text -> Text,
        company_name -> Text,
        company_address -> Text,
        company_phone -> Text,
        company_email -> Text,
        bill_to -> Text,
        issued_by -> Text,
        voided_by -> Text,
        weighed_at -> Nullable<Timestamptz>,
        weighed_by -> Text,
        reissue_of -> Nullable<Int8>,
        visible_since -> Timestamptz,
    }
}

diesel::table! {
    carriers (id) {
        id -> Int8,
        name -> Text,
        scac -> Text,
        active -> Bool,
    }
}

diesel::table! {
    customers (id) {
        id -> Int8,
        code -> Text,
        name -> Text,
        address -> Text,
        active -> Bool,
        created_at -> Timestamptz,
        remind -> Bool,
        reminded_at -> Nullable<Timestamptz>,
        factor_required -> Bool,
    }
}

diesel::table! {
    denied_lookups (user_id) {
        user_id -> Int8,
        since -> Timestamptz,
        count -> Int4,
        blocked_until -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    documents (id) {
        id -> Int8,
        bol_id -> Nullable<Int8>,
        customer_id -> Nullable<Int8>,
        kind -> Text,
        version -> Int4,
        object_key -> Text,
        file_name -> Text,
        content_type -> Text,
        sha256 -> Bytea,
        size_bytes -> Int8,
        state -> Text,
        uploaded_by -> Nullable<Int8>,
        created_at -> Timestamptz,
        stored_at -> Nullable<Timestamptz>,
        arrived_as -> Text,
        arrived_key -> Nullable<Text>,
        pages -> Nullable<Int4>,
        found -> Jsonb,
        waits_for -> Text,
        stored_by -> Text,
        pending_at -> Nullable<Timestamptz>,
        pending_by -> Nullable<Int8>,
        pending_token -> Nullable<Int8>,
        pending_customer -> Nullable<Int8>,
        discarded_at -> Nullable<Timestamptz>,
        discarded_by -> Text,
        pending_tried_at -> Nullable<Timestamptz>,
        quarantine -> Text,
        original_id -> Nullable<Int8>,
        cleaned_at -> Nullable<Timestamptz>,
        released_by -> Text,
    }
}

diesel::table! {
    link_fetches (s3_request) {
        s3_request -> Text,
        fetched_at -> Timestamptz,
    }
}

diesel::table! {
    link_refusals (refusal) {
        refusal -> Bytea,
        recorded_at -> Timestamptz,
    }
}

diesel::table! {
    login_throttles (scope, key) {
        scope -> Text,
        key -> Bytea,
        failures -> Int4,
        last_failed_at -> Timestamptz,
        refused_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    lots (id) {
        id -> Int8,
        number -> Text,
        product_id -> Nullable<Int8>,
        chemistry -> Text,
        active -> Bool,
    }
}

diesel::table! {
    mails (id) {
        id -> Int8,
        to_address -> Text,
        user_id -> Nullable<Int8>,
        purpose -> Text,
        letter -> Jsonb,
        created_at -> Timestamptz,
        due_at -> Timestamptz,
        attempts -> Int4,
        last_error -> Text,
        sent_at -> Nullable<Timestamptz>,
        failed_at -> Nullable<Timestamptz>,
        caused_by -> Nullable<Int8>,
    }
}

diesel::table! {
    memberships (user_id, customer_id) {
        user_id -> Int8,
        customer_id -> Int8,
        is_admin -> Bool,
    }
}

diesel::table! {
    notice_addresses (id) {
        id -> Int8,
        customer_id -> Int8,
        email -> Text,
    }
}

diesel::table! {
    notices (id) {
        id -> Int8,
        customer_id -> Int8,
        bol_id -> Int8,
        document_id -> Int8,
        kind -> Text,
        visible_at -> Timestamptz,
        told_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    passkey_ceremonies (id_hash) {
        id_hash -> Bytea,
        purpose -> Text,
        session_id -> Nullable<Int8>,
        browser_hash -> Nullable<Bytea>,
        network -> Nullable<Inet>,
        state -> Jsonb,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    passkeys (id) {
        id -> Int8,
        user_id -> Int8,
        credential_id -> Bytea,
        credential -> Jsonb,
        name -> Text,
        created_at -> Timestamptz,
        last_used_at -> Nullable<Timestamptz>,
        sign_count -> Int8,
        backup_eligible -> Bool,
        backed_up -> Bool,
    }
}

diesel::table! {
    products (id) {
        id -> Int8,
        name -> Text,
        active -> Bool,
    }
}

diesel::table! {
    recovery_codes (user_id, code_hash) {
        user_id -> Int8,
        code_hash -> Bytea,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    remembered_devices (token_hash) {
        id -> Int8,
        token_hash -> Bytea,
        user_id -> Int8,
        created_at -> Timestamptz,
        last_used_at -> Timestamptz,
        ip -> Nullable<Inet>,
        user_agent -> Text,
    }
}

diesel::table! {
    response_slots (holder, slot) {
        holder -> Text,
        slot -> Int4,
        taken_by -> Text,
        renewed_at -> Timestamptz,
    }
}

diesel::table! {
    scope_key (id) {
        id -> Bool,
        key -> Bytea,
    }
}

diesel::table! {
    session_links (seed_hash) {
        seed_hash -> Bytea,
        user_id -> Int8,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (token_hash) {
        id -> Int8,
        token_hash -> Bytea,
        user_id -> Int8,
        created_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        ip -> Nullable<Inet>,
        user_agent -> Text,
        seeing_as -> Nullable<Int8>,
        method -> Text,
        waits_for -> Nullable<Text>,
        proven_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    settings (only_one) {
        only_one -> Bool,
        company_name -> Text,
        company_address -> Text,
        company_phone -> Text,
        company_email -> Text,
        unsigned_days -> Int4,
        collect_days -> Int4,
        releases_originals -> Bool,
        security_contact -> Text,
        unusual_documents -> Int4,
        unusual_times -> Int4,
        unusual_denied -> Int4,
        night_from -> Int4,
        night_until -> Int4,
    }
}

diesel::table! {
    ship_tos (id) {
        id -> Int8,
        customer_id -> Int8,
        address -> Text,
        active -> Bool,
    }
}

diesel::table! {
    sso_identities (issuer_id, subject) {
        issuer_id -> Int8,
        subject -> Text,
        user_id -> Int8,
        linked_at -> Timestamptz,
        last_used_at -> Timestamptz,
    }
}

diesel::table! {
    sso_issuers (id) {
        id -> Int8,
        issuer -> Text,
        label -> Text,
    }
}

diesel::table! {
    sso_logins (state_hash) {
        state_hash -> Bytea,
        browser_hash -> Bytea,
        nonce -> Text,
        verifier -> Text,
        confirms -> Nullable<Int8>,
        next -> Text,
        created_at -> Timestamptz,
        network -> Nullable<Inet>,
    }
}

diesel::table! {
    storage_days (day) {
        day -> Date,
        uploads -> Int8,
        bytes -> Int8,
        links -> Int8,
        link_bytes -> Int8,
    }
}

diesel::table! {
    storage_prices (id) {
        id -> Int4,
        storage_gb_month -> Int8,
        put_thousand -> Int8,
        get_thousand -> Int8,
        egress_gb -> Int8,
    }
}

diesel::table! {
    told (address, bol_id, kind) {
        address -> Text,
        bol_id -> Int8,
        kind -> Text,
        told_at -> Timestamptz,
    }
}

diesel::table! {
    tokens (token_hash) {
        token_hash -> Bytea,
        purpose -> Text,
        user_id -> Int8,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    totp_secrets (user_id, is_confirmed) {
        user_id -> Int8,
        is_confirmed -> Bool,
        secret -> Bytea,
        last_step -> Int8,
        created_at -> Timestamptz,
        session_id -> Nullable<Int8>,
    }
}

diesel::table! {
    trucks (id) {
        id -> Int8,
        carrier_id -> Int8,
        truck_number -> Text,
        trailer_number -> Text,
        active -> Bool,
    }
}

diesel::table! {
    unusual_looks (only_one) {
        only_one -> Bool,
        looked_until -> Timestamptz,
    }
}

diesel::table! {
    unusual_mails (user_id, subject, reason) {
        user_id -> Int8,
        subject -> Text,
        reason -> Text,
        mailed_at -> Timestamptz,
    }
}

diesel::table! {
    uploads (id) {
        id -> Int8,
        batch -> Text,
        user_id -> Int8,
        file_name -> Text,
        size_bytes -> Int8,
        outcome -> Text,
        reason -> Text,
        bol_number -> Text,
        document_id -> Nullable<Int8>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    users (id) {
        id -> Int8,
        email -> Text,
        name -> Text,
        role -> Text,
        password_hash -> Nullable<Text>,
        active -> Bool,
        created_at -> Timestamptz,
        password_changed_at -> Nullable<Timestamptz>,
        notify -> Text,
        told_until -> Timestamptz,
        read_until -> Nullable<Timestamptz>,
        factor_due_at -> Nullable<Timestamptz>,
        webauthn_id -> Bytea,
        is_service -> Bool,
    }
}

diesel::table! {
    webhook_attempts (id) {
        id -> Int8,
        delivery_id -> Int8,
        at -> Timestamptz,
        milliseconds -> Int4,
        url -> Text,
        signature -> Text,
        status -> Nullable<Int4>,
        answer -> Text,
        error -> Text,
    }
}

diesel::table! {
    webhook_cursor (id) {
        id -> Int4,
        position -> Int8,
    }
}

diesel::table! {
    webhook_deliveries (id) {
        id -> Int8,
        webhook_id -> Int8,
        message_id -> Text,
        event -> Text,
        event_id -> Nullable<Int8>,
        bol_id -> Nullable<Int8>,
        bol_number -> Text,
        document_id -> Nullable<Int8>,
        is_taken_away -> Bool,
        body -> Text,
        created_at -> Timestamptz,
        due_at -> Timestamptz,
        give_up_at -> Timestamptz,
        asked_at -> Nullable<Timestamptz>,
        attempts -> Int4,
        state -> Text,
        ended_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    webhooks (id) {
        id -> Int8,
        customer_id -> Nullable<Int8>,
        made_by -> Nullable<Int8>,
        form_key -> Text,
        url -> Text,
        events -> Array<Text>,
        key_salt -> Bytea,
        public_key -> Bytea,
        key_made_at -> Timestamptz,
        key_made_by -> Nullable<Int8>,
        former_salt -> Nullable<Bytea>,
        former_until -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        follows_from -> Timestamptz,
        stopped_at -> Nullable<Timestamptz>,
        stopped_for -> Text,
        failures -> Int4,
        paused_until -> Timestamptz,
        leased_until -> Timestamptz,
    }
}

diesel::joinable!(documents -> bols (bol_id));
diesel::joinable!(bols -> customers (customer_id));
diesel::joinable!(lots -> products (product_id));
diesel::joinable!(trucks -> carriers (carrier_id));
diesel::joinable!(ship_tos -> customers (customer_id));
diesel::joinable!(notice_addresses -> customers (customer_id));
diesel::joinable!(notices -> bols (bol_id));
diesel::joinable!(memberships -> customers (customer_id));
diesel::joinable!(memberships -> users (user_id));
diesel::joinable!(passkeys -> users (user_id));
diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(sso_identities -> sso_issuers (issuer_id));
diesel::joinable!(sso_identities -> users (user_id));
diesel::joinable!(tokens -> users (user_id));
/// Lets all tables appear in one query, and lists their names.
macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        diesel::allow_tables_to_appear_in_same_query!($($table),*);

        /// The names of all tables.
        pub const TABLES: &[&str] = &[$(stringify!($table)),*];
    };
}

tables!(
    api_token_rates,
    api_tokens,
    audit_checkpoints,
    audit_events,
    audit_leaves,
    bol_counters,
    bol_counts,
    bol_opens,
    bol_requests,
    bols,
    carriers,
    customers,
    denied_lookups,
    documents,
    link_fetches,
    link_refusals,
    login_throttles,
    lots,
    mails,
    memberships,
    notice_addresses,
    notices,
    passkey_ceremonies,
    passkeys,
    products,
    recovery_codes,
    remembered_devices,
    response_slots,
    scope_key,
    session_links,
    sessions,
    settings,
    ship_tos,
    sso_identities,
    sso_issuers,
    sso_logins,
    storage_days,
    storage_prices,
    tokens,
    told,
    totp_secrets,
    trucks,
    unusual_looks,
    unusual_mails,
    uploads,
    users,
    webhook_attempts,
    webhook_cursor,
    webhook_deliveries,
    webhooks,
);
