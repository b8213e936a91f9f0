//! The tables as diesel sees them. `migrations/` makes them; both databases have the same columns.

diesel::table! {
    tenant (id) {
        id -> Text,
        revision -> BigInt,
        name -> Text,
        issuer -> Text,
        access_token_key_id -> Nullable<Text>,
        id_token_key_id -> Nullable<Text>,
        access_token_verification_key_ids -> Text,
        id_token_verification_key_ids -> Text,
        time_to_live_in_seconds -> BigInt,
        refresh_token_time_to_live_in_minutes -> BigInt,
        document -> Text,
        state -> Text,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
        name_folded -> Text,
    }
}

diesel::table! {
    key (id) {
        id -> Text,
        revision -> BigInt,
        name -> Text,
        kid -> Text,
        key_type -> Text,
        algorithm -> Nullable<Text>,
        length -> Nullable<BigInt>,
        issuer -> Nullable<Text>,
        public_key -> Nullable<Text>,
        certificate -> Nullable<Text>,
        sealed_material -> Nullable<Binary>,
        has_private_key -> Bool,
        shadow -> Bool,
        expiration_instant -> Nullable<BigInt>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
        name_folded -> Text,
    }
}

diesel::table! {
    key_reference (owner, owner_id, property, key_id) {
        owner -> Text,
        owner_id -> Text,
        property -> Text,
        key_id -> Text,
    }
}

diesel::table! {
    api_key (id) {
        id -> Text,
        revision -> BigInt,
        digest -> Binary,
        sealed_value -> Nullable<Binary>,
        name -> Nullable<Text>,
        permissions -> Nullable<Text>,
        key_manager -> Bool,
        tenant_id -> Nullable<Text>,
        retrievable -> Bool,
        expiration_instant -> Nullable<BigInt>,
        attributes -> Text,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
        fusion_id -> Nullable<Text>,
        repeating_name -> Nullable<Text>,
        roles -> Nullable<Text>,
        ip_access_control_list_id -> Nullable<Text>,
        disabled -> Bool,
        name_folded -> Nullable<Text>,
    }
}

diesel::table! {
    api_key_previous_digest (digest) {
        digest -> Binary,
        api_key_id -> Text,
        revision -> BigInt,
        valid_until -> BigInt,
    }
}

diesel::table! {
    api_key_usage (api_key_id, earlier_value) {
        api_key_id -> Text,
        earlier_value -> Bool,
        uses -> BigInt,
        last_used_instant -> BigInt,
        last_address -> Nullable<Text>,
    }
}

diesel::table! {
    api_key_role (api_key_id, role_name) {
        api_key_id -> Text,
        role_name -> Text,
    }
}

diesel::table! {
    ip_access_control_list (id) {
        id -> Text,
        revision -> BigInt,
        name -> Text,
        name_folded -> Text,
        entries -> Text,
        data -> Nullable<Text>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    role (id) {
        id -> Text,
        revision -> BigInt,
        name -> Text,
        description -> Nullable<Text>,
        permissions -> Text,
        ui_permissions -> Text,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    instance (singleton) {
        singleton -> BigInt,
        id -> Text,
        default_tenant_id -> Text,
        sealed_digest_key -> Binary,
        insert_instant -> BigInt,
    }
}

diesel::table! {
    data_key (version) {
        version -> BigInt,
        sealed -> Binary,
        insert_instant -> BigInt,
    }
}

diesel::table! {
    entity_type (id) {
        id -> Text,
        revision -> BigInt,
        name -> Text,
        name_folded -> Text,
        jwt_enabled -> Bool,
        access_token_key_id -> Nullable<Text>,
        access_token_verification_key_ids -> Text,
        time_to_live_in_seconds -> Nullable<BigInt>,
        data -> Nullable<Text>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    entity_type_permission (id) {
        id -> Text,
        revision -> BigInt,
        entity_type_id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        is_default -> Bool,
        data -> Nullable<Text>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    entity (id) {
        id -> Text,
        revision -> BigInt,
        tenant_id -> Text,
        entity_type_id -> Text,
        name -> Text,
        name_folded -> Text,
        client_id -> Text,
        client_id_folded -> Text,
        sealed_client_secret -> Binary,
        sealed_previous_client_secret -> Nullable<Binary>,
        previous_client_secret_valid_until -> Nullable<BigInt>,
        parent_id -> Nullable<Text>,
        data -> Nullable<Text>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    entity_grant (id) {
        id -> Text,
        revision -> BigInt,
        tenant_id -> Text,
        entity_id -> Text,
        recipient_entity_id -> Text,
        data -> Nullable<Text>,
        insert_instant -> BigInt,
        last_update_instant -> BigInt,
    }
}

diesel::table! {
    entity_grant_permission (entity_grant_id, permission_id) {
        entity_grant_id -> Text,
        permission_id -> Text,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    entity,
    entity_grant,
    entity_grant_permission,
    entity_type,
    entity_type_permission,
);

diesel::table! {
    change (id) {
        id -> BigInt,
        instant -> BigInt,
        actor_kind -> Text,
        actor_id -> Nullable<Text>,
        address -> Nullable<Text>,
        entity -> Text,
        entity_id -> Text,
        tenant_id -> Nullable<Text>,
        action -> Text,
        before -> Nullable<Text>,
        after -> Nullable<Text>,
        ended_digests -> Nullable<Binary>,
        /// On PostgreSQL alone.
        transaction_id -> Nullable<BigInt>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(api_key, api_key_role, api_key_usage);
diesel::allow_tables_to_appear_in_same_query!(change, api_key_previous_digest);
