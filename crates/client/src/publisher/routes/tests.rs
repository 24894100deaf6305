//! Templates are filled from the envelope; topics that exist bring their own partition count.

use tidings_event::v1::{Event, Indicators, Kind, Value, event::Payload};
use tidings_event::{Code, encode, scan};
use tidings_wire::v1::{DescribeResponse, TopicInfo, TopicTemplate};

use super::Routes;

fn event() -> Vec<u8> {
    let value = Value { value: Some(32.7), ..Default::default() };
    let values = [("rsi_14".to_owned(), value)].into();
    encode(&Event {
        id: vec![1; 16].into(),
        source: "test".into(),
        kind: Kind::Indicators.into(),
        instrument: "AAPL".into(),
        venue: "XNAS".into(),
        timeframe: "5m".into(),
        interval_start: 1_000,
        interval_end: 2_000,
        produced_at: 2_000,
        payload: Some(Payload::Indicators(Indicators { values, ..Default::default() })),
        ..Default::default()
    })
}

fn described(topics: &[(&str, u32)]) -> DescribeResponse {
    let template = TopicTemplate {
        template: "analysis/indicators/{timeframe}".into(),
        kind: Kind::Indicators.into(),
        partitions: 16,
    };
    let topic = |&(name, partitions): &(&str, u32)| TopicInfo {
        name: name.to_owned(),
        topic_id: 1,
        partitions,
    };
    DescribeResponse {
        templates: vec![template],
        topics: topics.iter().map(topic).collect(),
        ..Default::default()
    }
}

fn check(routes: &Routes, expected: Result<(&str, u32), Code>) {
    let event = event();
    let envelope = scan(&event).unwrap();
    let mut topic = "left over".to_owned();
    let placed = routes.place(&envelope, &mut topic);
    match expected {
        Ok((name, partitions)) => {
            let partition = envelope.key_hash().partition(partitions).0;
            assert_eq!((topic.as_str(), placed), (name, Ok((partition, partitions))));
        }
        Err(code) => assert_eq!(placed.unwrap_err().code, code),
    }
}

#[test]
fn events_go_where_templates_and_topics_say() {
    let by_template = Routes::new(described(&[]), None);
    check(&by_template, Ok(("analysis/indicators/5m", 16)));
    let existing = Routes::new(described(&[("analysis/indicators/5m", 4)]), None);
    check(&existing, Ok(("analysis/indicators/5m", 4)));
    let pinned = Routes::new(described(&[("mine", 2)]), Some("mine".into()));
    check(&pinned, Ok(("mine", 2)));
    check(&Routes::new(described(&[]), Some("mine".into())), Err(Code::TopicUnknown));
    check(&Routes::default(), Err(Code::TopicUnknown));
}
