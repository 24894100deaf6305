//! What is recorded shows in the text, in the form that scrapers read.

use super::*;

#[test]
fn recorded_values_show_in_the_text() {
    let recorder = Recorder::new();
    recorder.count(Counter::AdmitEvents, 2);
    recorder.count(Counter::AdmitEvents, 3);
    recorder.set(Gauge::DeliverConsumers, 4);
    recorder.shift(Gauge::DeliverConsumers, -1);
    recorder.time(Latency::LogSync, Duration::from_micros(300));
    recorder.time(Latency::LogSync, Duration::from_secs(100));
    let text = recorder.encode();
    for line in [
        "# TYPE tidings_admit_events counter",
        "tidings_admit_events_total 5",
        "tidings_deliver_consumers 3",
        "tidings_log_sync_seconds_bucket{le=\"0.00025\"} 0",
        "tidings_log_sync_seconds_bucket{le=\"0.0005\"} 1",
        "tidings_log_sync_seconds_bucket{le=\"+Inf\"} 2",
        "tidings_log_sync_seconds_count 2",
    ] {
        assert!(text.lines().any(|l| l == line), "{line}\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert_eq!((recorder.counted(Counter::AdmitEvents), recorder.timed(Latency::LogSync)), (5, 2));
    assert_eq!(recorder.gauge(Gauge::DeliverConsumers), 3);
}
