//! The version before this one and this one serve one store at once, as in a rolling upgrade: what
//! one of them writes or seals, the other reads, in either direction.

mod flows;
mod store;

macro_rules! on_both_backends {
    ($($subject:ident { $($case:ident),* $(,)? })*) => {
        mod sqlite {
            $(on_both_backends!(@cases Sqlite $subject $($case)*);)*
        }
        mod postgres {
            $(on_both_backends!(@cases Postgres $subject $($case)*);)*
        }
    };
    (@cases $on:ident $subject:ident $($case:ident)*) => {$(
        #[tokio::test]
        async fn $case() {
            super::$subject::$case(crate::harness::Backend::$on).await;
        }
    )*};
}

on_both_backends! {
    flows {
        finding_30_a_code_flow_may_change_its_node_with_each_request,
        finding_30_a_code_counts_once_for_both_versions,
        finding_30_rotated_refresh_tokens_go_on_at_the_other_version,
        finding_30_a_pushed_request_large_or_small_is_good_at_the_other_version,
        finding_30_a_device_polls_the_one_while_its_user_answers_at_the_other_rfc_8628,
        finding_30_a_user_answers_at_the_one_what_was_asked_at_the_other_ciba,
        finding_30_what_a_token_is_bound_to_counts_at_the_other_version_rfc_9449,
        finding_30_a_client_that_registered_at_the_one_works_and_is_managed_at_the_other,
    }
    store {
        finding_30_migrations_say_what_they_do_and_are_additive_for_one_version,
        finding_30_the_version_before_goes_on_with_what_this_one_left,
        a_version_that_is_too_old_for_the_store_is_refused_in_words,
    }
}
