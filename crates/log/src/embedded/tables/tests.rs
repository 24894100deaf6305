//! Records are found where older versions wrote them, and of two that crossed the first one counts.

use super::*;

fn spec(partitions: u32, days: u64) -> TopicSpec {
    let age = Duration::from_secs(days * 86_400);
    TopicSpec { id: TopicId(7), partitions, retention: Retention { age, bytes: None } }
}

#[test]
fn records_are_where_older_versions_wrote_them() {
    let time = Timestamp(5);
    let now = Now { time, leap: Leap::default(), doubted: false };
    let numbers = [
        topic_change(&spec(2, 1), false).table,
        trim_change(TopicPartition::new(7, 0), 3).table,
        wall_change(&now).table,
        ends_change(Journal::Short, 4, &vec![]).table,
    ];
    assert_eq!(numbers, [1000, 1001, 1002, 1003].map(Table));
}

#[test]
fn of_records_of_a_topic_that_crossed_the_first_one_counts() {
    let first = spec(2, 1);
    let longer = TopicSpec { retention: Retention { bytes: Some(9), ..first.retention }, ..first };
    let (another_class, more_partitions) = (spec(2, 30), spec(3, 1));
    assert_ne!(another_class.retention.journal(), first.retention.journal());
    let tables = Tables::default();
    let mut at = 0;
    let mut record = |spec: &TopicSpec, dropped: bool| {
        at += 1;
        let mut changes = vec![topic_change(&first, false)];
        changes.extend(tables.topic(first.id).map(|t| topic_change(&t.spec, t.dropped)));
        changes.push(topic_change(spec, dropped));
        tables.load(at, Offset(at), changes);
        tables.topic(first.id).unwrap()
    };
    assert_eq!(record(&more_partitions, false), Topic { spec: first, dropped: false });
    assert_eq!(record(&another_class, false), Topic { spec: first, dropped: false });
    assert_eq!(record(&longer, false), Topic { spec: longer, dropped: false });
    assert_eq!(record(&longer, true), Topic { spec: longer, dropped: true });
    assert_eq!(record(&first, false), Topic { spec: longer, dropped: true }, "it is for ever");
}
