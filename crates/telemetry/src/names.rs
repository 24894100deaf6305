//! Every metric name, in one table: `tidings_<stage>_<thing>_<unit>[_total]`.

macro_rules! names {
    ($(#[$doc:meta])* $kind:ident { $($name:ident $text:literal $help:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind { $(#[doc = $help] $name,)+ }

        impl $kind {
            /// All of them, in table order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// One sentence for people.
            #[must_use]
            pub const fn help(self) -> &'static str {
                match self { $(Self::$name => $help,)+ }
            }
        }
    };
}

names! {
    /// Counts that only grow.
    Counter {
        AdmitEvents "tidings_admit_events_total" "Events stored for the first time.";
        AdmitRefused "tidings_admit_refused_events_total" "Events refused, with an answer that says why.";
        AdmitDuplicates "tidings_admit_duplicate_events_total" "Events recognised as repeats and not stored again.";
        AdmitErrors "tidings_admit_errors_total" "Admitted batches whose outcome became unknown.";
        AdmitDefinitionConflicts "tidings_admit_definition_conflicts_total" "Events whose indicator has another definition than the registered one.";
        AdmitKeyGaps "tidings_admit_key_gaps_total" "Events whose key_seq passed over numbers.";
        AdmitKeyMissing "tidings_admit_key_missing_events_total" "Numbers of key_seq that were passed over.";
        AdmitKeyLate "tidings_admit_key_late_total" "Events whose key_seq came after a higher one and filled a gap.";
        AdmitKeyRepeats "tidings_admit_key_repeats_total" "Events whose key_seq another event had.";
        AdmitKeyResets "tidings_admit_key_resets_total" "Times a producer began to count a key anew.";
        LogGroups "tidings_log_groups_total" "Groups written.";
        LogBytes "tidings_log_written_bytes_total" "Bytes written to journals.";
        LogSyncs "tidings_log_syncs_total" "Times a journal was synced.";
        LogErrors "tidings_log_errors_total" "I/O errors that made a journal read-only.";
        LogFenced "tidings_log_fenced_appends_total" "Appends that failed while they were under way because another owner took the log.";
        LogReads "tidings_log_reads_total" "Reads served from disk.";
        LogTrimmed "tidings_log_trimmed_events_total" "Events removed by retention.";
        LogDamaged "tidings_log_damaged_blocks_total" "Blocks found damaged.";
        MatchEvents "tidings_match_events_total" "Events offered to subscriptions.";
        DeliverEvents "tidings_deliver_events_total" "Events sent to consumers, repeats included.";
        DeliverRedelivered "tidings_deliver_redelivered_events_total" "Events sent again.";
        DeliverHeld "tidings_deliver_held_events_total" "Events held back because an earlier one of their key failed.";
        DeliverHealthChanges "tidings_deliver_health_changes_total" "Times a subscription came to do better or worse.";
        DeliverFenced "tidings_deliver_fenced_keys_total" "Shares of keys that a group member lost because it did not settle their events in time.";
        DeliverErrors "tidings_deliver_errors_total" "Consumers that ended with an error.";
        DeliverGaps "tidings_deliver_gaps_total" "Gap notices sent.";
        DeliverCatchUpReads "tidings_deliver_catch_up_reads_total" "Reads of the log for consumers behind the live ring.";
        DeliverCatchUpShared "tidings_deliver_catch_up_shared_total" "Times a subscription behind the live ring took its share of what another one had read.";
        SettleAcked "tidings_settle_acked_events_total" "Events acknowledged by consumers.";
        SettleNacked "tidings_settle_nacked_events_total" "Events given back by consumers.";
        SettleFolded "tidings_settle_folded_events_total" "Events settled because a digest told of them.";
        SettleOverdue "tidings_settle_overdue_events_total" "Events not settled before their ack deadline.";
        SettleStale "tidings_settle_stale_acks_total" "Acks that were not in flight.";
        SettleErrors "tidings_settle_errors_total" "Cursor saves that failed.";
        SettleDelivered "tidings_settle_delivered_events_total" "Deliveries that ended acknowledged.";
        SettleExpired "tidings_settle_expired_events_total" "Deliveries that ended because the event was too old to be of use.";
        SettleConflated "tidings_settle_conflated_events_total" "Deliveries that ended in a digest.";
        SettleDeadLettered "tidings_settle_dead_lettered_events_total" "Deliveries that failed and ended among the dead letters.";
        SettleDiscarded "tidings_settle_discarded_events_total" "Dead letters that were removed, on request or by age.";
        SettleSkipped "tidings_settle_skipped_events_total" "Deliveries that ended in a gap notice.";
        SettleRecordBytes "tidings_settle_record_bytes_total" "Bytes of settlements written, headers included.";
        SettleRecordsLost "tidings_settle_records_lost_total" "Settlements that a full disk left no room for; the events are not lost.";
        SettleRedriven "tidings_settle_redriven_events_total" "Dead letters that were sent on their way again.";
        ServeRequests "tidings_serve_requests_total" "Requests and streams taken.";
        ServeErrors "tidings_serve_errors_total" "Requests and streams answered with a problem.";
        ServeEncodings "tidings_serve_encodings_total" "Times that the events of a delivery were put into JSON for streams; who is sent the same events shares it.";
        ServeMemoryRefused "tidings_serve_memory_refused_total" "Publish requests refused, most of them unread, because memory ran short.";
        MemorySheds "tidings_memory_sheds_total" "Times that something was dropped because memory ran short.";
        MemoryShedBytes "tidings_memory_shed_bytes_total" "Bytes of buffers and caches dropped because memory ran short; what several share counts for each.";
        InsightMarks "tidings_insight_interval_marks_total" "Interval marks stored, revisions included.";
        InsightIncomplete "tidings_insight_incomplete_intervals_total" "Intervals that passed their deadline with instruments missing.";
        InsightMissing "tidings_insight_missing_instruments_total" "Instruments that were missing at a deadline.";
        InsightLate "tidings_insight_late_events_total" "First indicator events of an instrument in an interval that was settled.";
        InsightDropped "tidings_insight_dropped_intervals_total" "Intervals given up because too many were open.";
        InsightUntracked "tidings_insight_untracked_events_total" "Indicator events of forgotten intervals, or of one instrument too many.";
        InsightSummaries "tidings_insight_summaries_total" "Composed summaries stored.";
        InsightSummariesDropped "tidings_insight_dropped_summaries_total" "Bars that got no summary because too many were due.";
        InsightErrors "tidings_insight_errors_total" "Marks, summaries and checkpoints that were refused.";
        EdgeMessages "tidings_edge_messages_total" "Messages of edge topics that their brokers confirmed.";
        EdgeRepeats "tidings_edge_repeats_total" "Of these, repeats that the broker dropped.";
        EdgeResent "tidings_edge_resent_messages_total" "Messages that were under way when a connection or a topic was lost, and are sent again.";
        EdgeRefused "tidings_edge_refused_events_total" "Events that a broker does not take: they are tried again, and end among the dead letters.";
        EdgeGapEvents "tidings_edge_gap_events_total" "Events that edges could not mirror: retention, damage or age took them before.";
        EdgeErrors "tidings_edge_errors_total" "Times that an edge had no connection to its broker, or that this refused a topic.";
        ClusterTakeovers "tidings_cluster_takeovers_total" "Times that this node was granted the log and opened it.";
        ClusterOutdated "tidings_cluster_outdated_total" "Grants that were left alone because the log showed a later owner.";
        TraceSpans "tidings_trace_spans_total" "Spans sent to the collector.";
        TraceDropped "tidings_trace_dropped_spans_total" "Spans dropped: the queue was full, or the collector did not take them.";
        ConfigReloads "tidings_config_reloads_total" "Reloads of the configuration that were applied.";
        ConfigErrors "tidings_config_errors_total" "Reloads of the configuration that were refused.";
    }
}

names! {
    /// Values that rise and fall.
    Gauge {
        AdmitCapacity "tidings_admit_capacity_events_per_second" "Events a second that this machine was measured to take; 0 while it was not measured.";
        AdmitCapacityUsed "tidings_admit_capacity_used_percent" "Events stored in the last ten seconds, in hundredths of the measured capacity.";
        LogQueuedBytes "tidings_log_queued_bytes" "Bytes appended and not yet durable, all journals.";
        LogReadOnly "tidings_log_read_only_journals" "Journals that an I/O error made read-only.";
        LogWallDoubted "tidings_log_wall_doubted" "1 while retention counts by the monotonic clock because the wall clock jumped.";
        DeliverConsumers "tidings_deliver_consumers" "Consumers attached.";
        DeliverGone "tidings_deliver_gone_subscriptions" "Subscriptions that nobody consumes.";
        DeliverConnected "tidings_deliver_connected_subscriptions" "Subscriptions whose consumer has settled nothing yet.";
        DeliverIdle "tidings_deliver_idle_subscriptions" "Subscriptions whose consumer has nothing to do.";
        DeliverActive "tidings_deliver_active_subscriptions" "Subscriptions whose consumer settles what it is sent.";
        DeliverLagging "tidings_deliver_lagging_subscriptions" "Subscriptions whose consumer settles too little or too late.";
        DeliverStalled "tidings_deliver_stalled_subscriptions" "Subscriptions whose consumer has something to do and settles nothing.";
        SettleDeadLetters "tidings_settle_dead_letters" "Dead letters kept, redriven ones included until they are settled.";
        SettleDeadLetterBytes "tidings_settle_dead_letter_bytes" "Bytes of the events among the dead letters.";
        SettleFullSubscriptions "tidings_settle_full_subscriptions" "Subscriptions that send nothing because their dead letters are full.";
        DeliverInFlight "tidings_deliver_in_flight_events" "Events sent and not yet settled.";
        EdgeStopped "tidings_edge_stopped_edges" "Edges that wait: for their broker, for a topic that it refuses, or for their subscription.";
        EdgeWaiting "tidings_edge_waiting_events" "Events that edges have and no broker has confirmed.";
        ServeConnections "tidings_serve_connections" "Open connections.";
        MemoryBudget "tidings_memory_budget_bytes" "Bytes that the service keeps within.";
        MemoryUsed "tidings_memory_used_bytes" "Bytes that the process holds of the machine's memory.";
        MemoryLevel "tidings_memory_level" "0; 1 while buffers and caches are dropped because memory runs short; 2 while publishing is refused, too.";
        ClusterNodes "tidings_cluster_nodes" "Nodes that this one takes for alive, itself included; 0 where it is no node.";
        ClusterOwned "tidings_cluster_owned" "Partition groups that this node owns.";
        ClusterCoordinator "tidings_cluster_coordinator" "1 while this node gives the grants.";
        ClusterTerm "tidings_cluster_term" "Term of the grant of the log, as far as this node knows.";
        ConfigWaiting "tidings_config_waiting_keys" "Changed keys that wait for a restart.";
    }
}

names! {
    /// Times, as histograms in seconds.
    Latency {
        AdmitPublish "tidings_admit_publish_seconds" "From a batch's arrival to its durable answer.";
        LogSync "tidings_log_sync_seconds" "One fdatasync of a journal.";
        LogAppend "tidings_log_append_seconds" "From append to durable.";
        MatchBatch "tidings_match_batch_seconds" "Matching one block against its subscriptions.";
        DeliverEvent "tidings_deliver_event_seconds" "From a block's ingest to its first delivery.";
        SettleCursor "tidings_settle_cursor_seconds" "From an ack to its durable cursor.";
        InsightMark "tidings_insight_mark_seconds" "From the ingest of an interval's last event to its durable mark.";
        EdgeMessage "tidings_edge_message_seconds" "From an event's ingest to its broker's receipt.";
        ClusterTakeover "tidings_cluster_takeover_seconds" "From a grant to the open log and its stages.";
        ServeRequest "tidings_serve_request_seconds" "From a request's first byte to its answer.";
    }
}
