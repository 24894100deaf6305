//! One list of cases that every engine passes: the contract of [`PartitionLog`], executable.
//!
//! An engine's tests say `tidings_log::conformance!(MyEngine::new())` in a module of their own;
//! each case becomes a test of its name there. What an engine needs may be missing: with
//! `conformance!(MyEngine::new(), if is_there())` no case runs without it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a case fails by panicking")]

pub mod append;
pub mod fixture;
pub mod leases;
pub mod lifetime;
pub mod read;
pub mod read_journal;
pub mod retention;
pub mod tables;
pub mod topics;

use std::sync::Arc;

use async_trait::async_trait;

use crate::PartitionLog;

/// Where a log lives, over its openings. Each case gets one of its own, empty at first.
///
/// Queues should be limited to a few MiB, and rings and segments be small, so that the cases reach
/// past them.
#[async_trait]
pub trait Engine: Send {
    /// Opens what is there. The log opened before was closed by the case, or is closed now.
    async fn open(&mut self) -> Arc<dyn PartitionLog>;

    /// Opens what a crash of the log opened before leaves; `None` when crashes cannot be made.
    async fn crash(&mut self) -> Option<Arc<dyn PartitionLog>>;

    /// Holds back durability of what is appended from now on; `false` when that cannot be done.
    fn hold(&mut self) -> bool;

    /// Lets it become durable.
    fn release(&mut self);
}

/// Makes a test of every case, on an engine given as an expression.
#[macro_export]
macro_rules! conformance {
    ($engine:expr) => {
        $crate::conformance!($engine, if true);
    };
    ($engine:expr, if $there:expr) => {
        $crate::conformance! {
            @cases $engine, $there;
            append {
                a_block_comes_back_as_it_was,
                pipelined_appends_keep_their_order,
                writers_that_share_a_partition_keep_their_own_order,
                a_block_off_the_tail_is_refused_and_nothing_stored,
                one_refused_block_refuses_the_whole_call,
                one_call_may_write_to_several_journals,
                blocks_of_one_partition_may_follow_each_other_in_one_call,
                the_largest_block_fits_and_one_byte_more_does_not,
                a_header_that_contradicts_its_body_is_refused,
                an_unknown_partition_is_refused,
                an_old_term_is_fenced,
                a_full_queue_refuses_until_it_drains,
                nothing_is_readable_before_it_is_durable,
            }
            read {
                reads_start_anywhere_up_to_the_tail,
                reads_are_bounded_by_bytes_and_resume,
                positions_keep_their_order_across_openings,
                times_resolve_to_the_first_block_at_or_after,
                old_and_new_bytes_are_the_same,
                the_durable_watch_tells_when_to_read,
            }
            read_journal {
                a_journal_is_read_in_the_order_it_was_stored,
                reading_a_journal_resumes_after_any_group,
                a_journal_reads_the_same_after_reopening,
            }
            retention {
                age_moves_trim_points,
                bytes_are_counted_over_the_whole_topic,
                a_pin_keeps_data_past_retention,
                the_lowest_pin_wins,
                nothing_else_goes_for_what_is_pinned,
                a_lagging_reader_is_told_what_was_trimmed,
                trim_points_survive_reopening,
            }
            tables {
                ten_thousand_commits_come_back,
                the_last_value_of_a_key_wins,
                a_table_is_sorted_and_stable,
                a_hundred_thousand_keys_open_again,
                a_commit_with_an_old_token_is_refused,
                a_commit_too_large_is_refused_whole,
                a_commit_is_visible_only_when_durable,
            }
            leases {
                a_lease_has_one_holder,
                tokens_grow_for_ever,
                a_former_holder_cannot_commit,
            }
            topics {
                ensuring_again_is_fine_and_a_mismatch_is_named,
                retention_may_change_within_its_class,
                thousands_of_topics_come_and_go,
                a_dropped_topic_is_forgotten_for_ever,
            }
            lifetime {
                the_tail_survives_reopening,
                the_term_grows_and_the_epoch_stays,
                closing_makes_everything_durable_and_refuses_more,
                what_was_resolved_survives_a_crash,
                appending_goes_on_after_a_crash,
            }
        }
    };
    (@cases $engine:expr, $there:expr; $($module:ident { $($case:ident,)+ })+) => {
        $($(
            #[tokio::test]
            async fn $case() {
                if !$there {
                    return;
                }
                $crate::conformance::$module::$case(&mut $engine).await;
            }
        )+)+
    };
}
