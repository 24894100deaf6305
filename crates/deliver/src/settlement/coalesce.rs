//! Fewer and longer runs: adjacent ones that ended alike become one.

use super::Settled;

/// Joins what touches and ended alike, in order of place.
pub(crate) fn coalesce(mut runs: Vec<Settled>) -> Vec<Settled> {
    runs.sort_by_key(|run| (run.partition, run.first));
    runs.dedup_by(|next, before| {
        let joins = before.partition == next.partition
            && before.end == next.first
            && before.outcome == next.outcome
            && before.consumer == next.consumer;
        if joins {
            before.end = next.end;
            before.count += next.count;
            before.attempts = before.attempts.max(next.attempts);
            before.first_sent = match (before.first_sent.0, next.first_sent.0) {
                (0, _) => next.first_sent,
                (_, 0) => before.first_sent,
                _ => before.first_sent.min(next.first_sent),
            };
        }
        joins
    });
    runs
}

#[cfg(test)]
mod tests;
