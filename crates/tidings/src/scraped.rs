//! What `/metrics` of a service says, read as the numbers that commands show.

use std::time::Duration;

/// A metric's value; 0 where it is not there.
pub(crate) fn value(metrics: &str, name: &str) -> f64 {
    let mut lines = metrics.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(key, _)| *key == name).and_then(|(_, v)| v.parse().ok()).unwrap_or_default()
}

/// What a counter gained from one text to a later one.
pub(crate) fn gained(before: &str, after: &str, name: &str) -> f64 {
    (value(after, name) - value(before, name)).max(0.0)
}

/// The bound within which this share of what a histogram counted between two texts lies: `None` when
/// nothing was counted, or it lies above all bounds.
pub(crate) fn within(before: &str, after: &str, name: &str, share: f64) -> Option<Duration> {
    let prefix = format!("{name}_bucket{{le=\"");
    let bounds: Vec<&str> = after
        .lines()
        .filter_map(|line| line.strip_prefix(&prefix)?.split_once('"').map(|(bound, _)| bound))
        .collect();
    let counted = |bound: &str| gained(before, after, &format!("{prefix}{bound}\"}}"));
    let all = counted("+Inf");
    if all == 0.0 {
        return None;
    }
    let bound = bounds.into_iter().find(|bound| counted(bound) >= all * share)?;
    bound.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

#[cfg(test)]
mod tests {
    use tidings_telemetry::{Counter, Latency, Recorder};

    use super::*;

    #[test]
    fn what_a_recorder_counted_between_two_texts_is_read_back() {
        let recorder = Recorder::new();
        recorder.count(Counter::AdmitEvents, 5);
        recorder.time(Latency::LogSync, Duration::from_secs(2));
        let before = recorder.encode();
        recorder.count(Counter::AdmitEvents, 7);
        (0..99).for_each(|_| recorder.time(Latency::LogSync, Duration::from_micros(300)));
        recorder.time(Latency::LogSync, Duration::from_millis(40));
        let after = recorder.encode();
        let events = Counter::AdmitEvents.name();
        assert_eq!((value(&after, events), gained(&before, &after, events)), (12.0, 7.0));
        assert_eq!(value(&after, "no_such_metric"), 0.0);
        let within = |share| within(&before, &after, Latency::LogSync.name(), share);
        assert_eq!(within(0.99), Some(Duration::from_micros(500)));
        assert_eq!(within(1.0), Some(Duration::from_millis(50)));
    }

    #[test]
    fn nothing_is_said_of_what_was_not_counted_or_took_too_long() {
        let recorder = Recorder::new();
        let before = recorder.encode();
        assert_eq!(within(&before, &before, Latency::LogSync.name(), 0.5), None);
        recorder.time(Latency::LogSync, Duration::from_secs(100));
        assert_eq!(within(&before, &recorder.encode(), Latency::LogSync.name(), 0.5), None);
    }
}
