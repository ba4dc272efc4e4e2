//! What every backend has to do: functions over a [`Backend`], run by each of them.

pub(crate) mod accounts;
pub(crate) mod asked;
pub(crate) mod clients;
pub(crate) mod codes;
pub(crate) mod consents;
pub(crate) mod keys;
pub(crate) mod liveness;
pub(crate) mod logos;
pub(crate) mod logout_messages;
pub(crate) mod others;
pub(crate) mod parked;
pub(crate) mod pending;
pub(crate) mod pings;
pub(crate) mod refreshing;
pub(crate) mod registrations;
pub(crate) mod sessions;
pub(crate) mod sweeping;
pub(crate) mod used_once;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::{AccountId, SessionId};
use keystile_authority::ports::{Registry, SessionHandle, Store, Stored};
use keystile_authority::records::{Client, GrantType, Session};
use keystile_authority::sealed::Code;
use keystile_protocol::{Scope, Timestamp};
use keystile_store::{Swept, Work};

pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

pub(crate) fn later(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// A database of its own, empty.
pub(crate) trait Backend {
    type Memory: Memory;

    /// The store as a process has it open.
    fn store(&self) -> Arc<Self::Memory>;
    /// The same as another process opens it.
    async fn another_process(&self) -> Arc<Self::Memory>;
}

/// The ports, and what the operator's tools do beside them.
#[async_trait]
pub(crate) trait Memory: Store + Registry + 'static {
    async fn raise_epoch(&self, now: Timestamp) -> Stored<u64>;
    async fn sweep(&self, now: Timestamp, limit: u32) -> Stored<Swept>;
    async fn take_lease(
        &self,
        work: Work,
        holder: [u8; 16],
        now: Timestamp,
        ends_at: Timestamp,
    ) -> Stored<bool>;
}

/// A store with the client, the account and the session that the fixtures' codes are of.
pub(crate) struct World<M> {
    pub(crate) store: Arc<M>,
    pub(crate) client: Client,
    pub(crate) session: Session,
    pub(crate) account: AccountId,
}

pub(crate) const SECRET_DIGEST: [u8; 32] = [7; 32];

impl<M: Memory> World<M> {
    pub(crate) async fn new(backend: &impl Backend<Memory = M>) -> Self {
        let store = backend.store();
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        store.put_client(&client).await.expect("a client");
        let account = fixtures::account(1);
        store.add_account(&account, Some("$argon2id$")).await.expect("an account");
        let session = fixtures::signed_in(NOW).session;
        let opened = fixtures::session_opened(session.clone(), SECRET_DIGEST);
        store.open_session(opened).await.expect("a session");
        Self { store, client, session, account: account.id }
    }

    pub(crate) fn handle(&self) -> SessionHandle {
        SessionHandle { id: self.session.id, secret_digest: SECRET_DIGEST }
    }

    pub(crate) async fn redeem(&self, code: &Code, random: u8) -> Redeemed {
        let redemption = fixtures::redemption(code, &self.client, random);
        self.store.redeem_code(redemption).await.expect("the store is there")
    }

    pub(crate) async fn is_alive(&self, code: &Code, now: Timestamp) -> bool {
        let grant = self.store.grant(&code.grant, None, now).await.expect("the store is there");
        grant.expect("the row stays").alive
    }
}

/// A code of the grant that outlives its session.
pub(crate) fn offline_code(approved_at: Timestamp) -> Code {
    let mut code = fixtures::code(approved_at);
    code.scope = Scope::try_from("openid offline_access").expect("tokens");
    code
}

pub(crate) fn another_session(byte: u8, auth_time: Timestamp) -> Session {
    let mut session = fixtures::signed_in(auth_time).session;
    session.id = SessionId::from_bytes([byte; 16]);
    session
}

/// All cases, for the macro that makes tests of them on a backend.
macro_rules! cases {
    ($run:ident) => {
        $run! {
            codes {
                rfc_6749_4_1_2_of_parallel_redemptions_one_is_done_and_the_grant_is_revoked,
                idea_4_a_redemption_sent_again_after_a_commit_in_doubt_is_done,
                rfc_6749_4_1_2_a_replay_revokes_the_grant,
                idea_4_a_replay_of_an_ended_grant_revokes_it_for_good,
                idea_6_a_code_of_an_epoch_that_is_over_gives_nothing,
                row_1_4_a_late_code_revokes_what_it_once_gave,
                idea_4_the_row_says_what_was_approved,
                rfc_9126_4_of_two_approvals_of_a_pushed_request_one_gives_the_grant,
            }
            liveness {
                idea_5_logout_between_code_and_redemption,
                idea_5_a_session_that_ran_out_between_code_and_redemption,
                idea_5_a_changed_password_between_code_and_redemption,
                idea_5_sign_out_everywhere_between_code_and_redemption,
                idea_5_a_withdrawn_consent_between_code_and_redemption,
                idea_5_a_disabled_account_between_code_and_redemption,
                idea_5_a_removed_account_between_code_and_redemption,
                idea_5_a_disabled_client_between_code_and_redemption,
                idea_5_a_removed_client_between_code_and_redemption,
                idea_5_each_of_these_ends_a_grant_that_was_redeemed_before,
                back_channel_logout_2_7_offline_grants_outlive_their_session,
                idea_5_what_is_approved_afterwards_lives,
                idea_5_grants_of_a_removed_client_stay_dead_when_its_name_returns,
            }
            registrations {
                rfc_7591_3_a_client_that_registers_is_there_with_its_registration,
                rfc_7591_3_of_parallel_uses_of_one_initial_access_token_as_many_count_as_it_has,
                rfc_7591_3_an_initial_access_token_ends_by_time_and_by_the_operators_word,
                open_registrations_have_a_cap_for_each_network_and_in_all,
                rfc_7592_2_2_a_change_is_of_client_and_registration_and_only_while_both_are_there,
                rfc_7592_2_3_of_two_removals_at_once_one_removes_and_nothing_stays,
                open_registrations_that_nobody_used_go_after_a_day_and_used_ones_stay,
                a_client_of_a_document_is_kept_as_it_is_now_and_takes_nobodys_name,
            }
            logos {
                a_clients_logo_is_kept_with_its_record_and_goes_with_it,
                a_logo_is_that_of_the_address_that_the_client_still_names,
                a_registrations_logo_comes_changes_and_goes_with_it,
            }
            refreshing {
                idea_7_of_parallel_rotations_one_moves_the_counter,
                idea_7_the_token_that_brought_the_newest_is_known,
                idea_7_a_store_that_went_back_takes_the_tokens_counter,
                idea_7_a_revoked_grants_counter_does_not_move,
                idea_7_the_last_use_is_noted,
                rfc_7009_2_1_one_access_token_ends_alone,
            }
            sessions {
                idea_3_a_session_is_found_by_its_handle_alone,
                idea_3_a_new_session_ends_the_one_before,
                idea_3_a_session_ends_by_itself_and_use_moves_its_end,
                idea_5_a_session_is_ended_by_its_own_account_alone,
                idea_5_a_session_says_nothing_when_its_account_is_off_or_older_than_valid_from,
                idea_5_a_session_lists_the_clients_that_got_tokens_in_it,
                a_users_live_sessions_the_latest_first,
            }
            logout_messages {
                back_channel_logout_2_5_each_way_to_end_a_session_writes_one_message,
                who_wants_no_message_or_got_no_tokens_gets_none,
                a_session_of_the_same_account_goes_on_under_its_sid_and_tells_nobody,
                finding_21_a_message_is_taken_by_one_and_goes_on_when_that_one_dies,
                the_delivery_log_says_what_became_of_messages_and_forgets,
                an_account_that_is_off_is_told_of_once,
            }
            asked {
                ciba_8_a_user_finds_what_waits_the_newest_first,
                ciba_8_nobody_answers_for_the_user_who_was_asked,
                ciba_a_client_a_user_and_both_have_a_cap_and_a_no_counts,
            }
            pings {
                ciba_10_2_a_word_makes_the_ping_due_and_so_does_the_end,
                ciba_10_2_of_parallel_claims_one_gets_the_ping_until_its_lease_is_over,
                ciba_10_2_a_ping_that_failed_is_due_again_and_a_delivered_one_is_forgotten,
                ciba_10_2_a_restore_forgets_pings,
            }
            pending {
                rfc_8628_what_waits_is_found_by_its_key_and_by_its_user_code,
                rfc_8628_5_1_a_network_and_all_of_them_have_a_cap,
                rfc_8628_3_3_of_parallel_words_the_first_counts_and_brings_its_consent,
                rfc_8628_3_5_of_parallel_polls_one_gets_the_grant_and_it_lives,
                rfc_8628_3_5_of_parallel_polls_one_sets_the_pace,
                idea_5_what_ends_between_word_and_poll_ends_the_authorization,
                idea_4_a_poll_sent_again_after_a_commit_in_doubt_is_done,
                what_has_ended_is_forgotten_after_a_while_and_at_a_restore_at_once,
            }
            consents {
                a_consent_is_remembered_and_replaced,
                idea_5_a_withdrawn_consent_is_empty_and_keeps_its_date,
                a_users_apps_and_since_when,
            }
            accounts {
                an_account_is_added_once,
                of_two_people_who_want_one_name_at_once_one_gets_it,
                a_changed_password_ends_all_sessions,
                a_stronger_hash_ends_nothing,
                claims_are_replaced,
                a_removed_account_leaves_nothing_that_says_who_it_was,
                what_is_not_there_cannot_be_changed,
            }
            clients {
                a_client_is_kept_as_it_was_given,
                finding_31_a_client_that_was_unknown_is_found_as_soon_as_it_is_there,
                finding_31_another_processes_change_is_seen_within_two_seconds,
                finding_31_a_fresh_read_sees_another_processes_change_at_once,
            }
            keys {
                core_10_1_1_a_key_is_used_from_its_time_on_and_goes_when_it_is_over,
                the_last_key_of_an_algorithm_is_never_taken_away,
                of_parallel_retirements_one_key_is_left,
                a_compromised_key_goes_with_its_successor_in_use_or_not_at_all,
                keys_at_rest_are_encrypted_anew_all_or_none,
                one_process_at_a_time_looks_after_the_keys,
                finding_5_two_keys_of_one_id_are_noticed_and_times_never_go_back,
                what_is_kept_is_what_came_first,
                finding_6_grants_of_before_are_counted_while_they_live,
            }
            others {
                finding_2_a_raised_epoch_is_seen_by_all_and_never_begins_twice,
                finding_2_in_a_new_epoch_browsers_sign_in_again_and_grants_live,
                finding_31_of_two_nodes_that_make_a_key_one_keeps_it,
                keys_that_decrypt_are_kept_apart_and_one_nodes_key_counts,
                incidents_are_found_by_their_reference_in_a_table_of_fixed_size,
                the_readiness_check_asks_the_store,
            }
            parked {
                what_is_parked_is_found_until_it_expires,
                finding_13_the_room_is_bounded_for_one_and_in_all,
                finding_13_of_parallel_ones_no_two_take_the_last_place,
                rfc_9396_6_a_grant_keeps_its_authorization_details,
            }
            sweeping {
                finding_2_a_grants_row_stays_until_keep_until_whatever_ended_it,
                ended_sessions_and_expired_tokens_go_and_live_ones_stay,
                small_steps_walk_over_everything,
                revoked_and_idle_grants_go_when_no_code_of_theirs_can_come,
                of_nodes_that_want_a_lease_at_once_one_has_it_until_it_ends,
            }
            used_once {
                rfc_9449_11_1_of_parallel_uses_of_one_jti_one_is_the_first,
                idea_4_a_use_sent_again_after_a_commit_in_doubt_is_the_first,
                finding_13_a_redemption_with_a_used_jti_leaves_the_grant_as_it_is,
                rfc_9449_5_and_rfc_8705_7_1_a_grant_keeps_what_it_is_bound_to,
                what_is_refused_for_its_age_is_forgotten,
            }
        }
    };
}
pub(crate) use cases;
