//! One suite, run on both databases: each function below becomes `sqlite::name` and `postgres::name`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::allow_attributes,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

mod suite {
    pub mod access_rules;
    pub mod api_key_search;
    pub mod change_search;
    pub mod enclosing;
    pub mod entities;
    pub mod entity_search;
    pub mod ip_access_control_search;
    pub mod key_search;
    pub mod loading;
    pub mod locks;
    #[cfg(feature = "postgres")]
    pub mod nodes;
    pub mod objects;
    #[cfg(feature = "postgres")]
    pub mod only_postgres;
    #[cfg(feature = "sqlite")]
    pub mod only_sqlite;
    pub mod references;
    pub mod rotation;
    pub mod round_trips;
    pub mod schema;
    pub mod tenant_search;
    pub mod token_clients;
    pub mod transactions;
    pub mod usage;
}
mod support;

macro_rules! suite {
    (
        both { $($module:ident: $($name:ident)*;)* }
        sqlite { $($sqlite:ident)* }
        postgres { $($only:ident: $($postgres:ident)*;)* }
    ) => {
        #[cfg(feature = "sqlite")]
        mod sqlite {
            $($(
                #[test]
                fn $name() {
                    crate::support::on_sqlite(crate::suite::$module::$name);
                }
            )*)*
            $(
                #[test]
                fn $sqlite() {
                    crate::support::on_sqlite(crate::suite::only_sqlite::$sqlite);
                }
            )*
        }

        #[cfg(feature = "postgres")]
        mod postgres {
            $($(
                #[test]
                fn $name() {
                    crate::support::on_postgres(stringify!($name), crate::suite::$module::$name);
                }
            )*)*
            $($(
                #[test]
                fn $postgres() {
                    crate::support::on_postgres(stringify!($postgres), crate::suite::$only::$postgres);
                }
            )*)*
        }
    };
}

suite! {
    both {
    round_trips:
        api_keys_round_trip
        keys_round_trip
        tenants_round_trip
        ip_access_control_lists_round_trip
        roles_round_trip
        no_permission_is_not_every_permission
        instance_and_data_keys_round_trip;
    objects:
        conflicts_name_the_first_field
        missing_references_are_named
        scopes_hide_what_is_outside
        lists_are_sorted_by_bytes
        keys_in_use_stay
        tenants_are_deleted_in_batches
        old_revisions_are_stale
        updates_keep_what_is_fixed
        one_instance_wins
        corrupt_rows_are_reported
        changes_are_recorded_without_secrets;
    access_rules:
        names_repeat_only_where_they_may
        fusion_ids_find_keys
        api_keys_are_listed_by_age
        keys_with_roles_look_powerless_to_older_programs
        roles_in_use_stay
        lists_in_use_stay
        roles_are_found_by_parts_of_their_names
        corrupt_access_rules_grant_nothing
        corrupt_lists_are_reported
        changes_of_access_rules_are_heard_and_recorded;
    api_key_search:
        api_key_searches_agree_with_a_model
        pages_of_api_keys_make_up_the_whole
        api_key_searches_have_bounds
        special_characters_of_api_keys_are_literal
        renamed_api_keys_are_found_by_their_new_name
        corrupt_api_keys_are_reported_by_searches
        schema_folds_api_key_names
        schema_unfolded_api_key_names_are_noticed;
    change_search:
        change_searches_agree_with_a_model
        change_searches_have_bounds
        changes_are_put_into_words
        corrupt_changes_are_reported;
    enclosing:
        enclosed_writes_are_seen_at_the_end
        enclosed_writes_go_together
        enclosed_failures_undo_themselves_alone
        an_enclosed_store_does_one_thing_at_a_time;
    entities:
        entity_types_round_trip
        entities_round_trip
        grants_round_trip
        entity_conflicts_name_the_first_field
        entities_stay_in_their_tenant
        grants_join_entities_of_one_tenant
        secrets_are_replaced_and_end
        permissions_leave_grants_when_they_go
        types_in_use_stay
        entities_go_with_their_grants
        entities_go_with_their_tenant
        old_revisions_of_entities_are_stale
        corrupt_entities_are_reported
        changes_of_entities_are_recorded_without_secrets;
    entity_search:
        entity_searches_agree_with_a_model
        grant_searches_agree_with_a_model
        type_searches_agree_with_a_model;
    ip_access_control_search:
        list_searches_agree_with_a_model
        list_searches_have_bounds;
    key_search:
        searches_agree_with_a_model
        pages_make_up_the_whole
        searches_have_bounds
        special_characters_are_literal
        renamed_keys_are_found_by_their_new_name
        expirations_are_counted_and_listed
        keys_are_found_with_their_material_and_kids_are_told;
    loading:
        several_readers_pass_on_each_key_once
        one_transaction_is_read_by_itself;
    references:
        every_place_keeps_its_key
        all_places_at_once_keep_their_keys
        every_column_with_key_ids_is_a_place;
    rotation:
        a_rotated_key_keeps_all_but_its_value
        earlier_values_end_one_by_one
        the_oldest_of_too_many_values_ends
        a_value_is_one_keys_while_it_works
        earlier_values_go_with_their_key
        loading_finds_earlier_values
        values_change_hands_in_one_order;
    tenant_search:
        tenant_searches_agree_with_a_model
        tenant_searches_have_bounds
        tenants_pending_delete_are_listed
        unfolded_names_of_tenants_are_noticed;
    token_clients:
        token_clients_are_found_whatever_is_known
        clients_looked_up_together_are_found_each_for_itself
        one_row_that_makes_no_sense_is_nobody_elses_matter
        what_is_known_of_types_is_not_read_again
        only_quick_look_ups_are_made_at_once
        look_ups_see_every_write;
    transactions:
        an_abort_leaves_nothing
        the_listener_hears_commits_in_order
        the_listener_ends_with_the_state_of_the_database
        no_increment_is_lost
        stale_closures_run_again
        failing_writes_do_not_harm_others
        a_panic_is_an_error
        a_failed_statement_cannot_be_ignored
        writes_do_not_nest
        reads_see_one_snapshot
        loading_between_commits_misses_nothing
        a_store_can_be_opened_again;
    usage:
        usage_adds_up
        usage_is_no_change
        usage_goes_with_its_key
        usage_of_many_keys_at_once
        usage_survives_deletions_meanwhile
        usage_that_makes_no_sense_is_reported;
    schema:
        schema_six_migrators_at_once
        schema_goes_down_and_up
        schema_goes_down_without_giving_rights
        schema_folds_names_that_are_there
        schema_unfolded_names_are_noticed
        schema_is_what_diesel_expects
        schema_pending_is_noticed;
    locks:
        memory_is_loaded_again_after_a_listener_panics
        serving_reports_health;
    }
    sqlite {
        a_file_has_one_store
        files_are_for_their_owner
        another_writer_makes_it_busy
        look_ups_let_the_log_start_anew
    }
    postgres {
    only_postgres:
        dead_connections_are_replaced
        deadlocks_are_resolved
        a_list_that_goes_meanwhile_is_missing
        a_server_that_is_away_is_unavailable;
    nodes:
        nodes_hear_of_each_other
        nodes_end_with_the_state_of_the_database
        nodes_read_what_commits_late
        nodes_hear_once_of_what_they_make
        nodes_read_what_nobody_tells
        nodes_read_numbers_that_are_given_out_again
        nodes_follow_again_after_a_cut
        nodes_wait_for_one_that_stands_still
        nodes_do_not_wait_for_new_objects
        nodes_revive_nothing_that_another_one_deletes
        nodes_know_what_new_keys_refer_to
        nodes_come_and_go
        nodes_forget_what_another_database_counted
        nodes_without_lease_do_not_hold
        nodes_keep_out_who_wants_it_alone
        nodes_start_in_turn;
    }
}
