//! Trying a selection over history, as messages of `Admin`.

use tidings_deliver::MatchedEvent;
use tidings_event::Timestamp;
use tidings_wire::v1;
use tidings_wire::v1::test_subscription_response as of;

use crate::consuming::proto::position_message;
use crate::subscribing::trial::{Asked, Found};

/// What is asked; what is not said is left to the service.
pub(crate) fn asked(asked: v1::TestSubscriptionRequest) -> Asked {
    let time = |nanos: u64| Some(Timestamp(nanos)).filter(|time| time.0 > 0);
    Asked {
        name: Some(asked.name).filter(|name| !name.is_empty()),
        topics: asked.topics,
        filter: asked.filter,
        from: time(asked.from),
        to: time(asked.to),
        samples: asked.samples,
    }
}

pub(crate) fn answer(found: &Found) -> v1::TestSubscriptionResponse {
    let report = &found.report;
    let position = |event: &MatchedEvent| position_message(&event.position);
    let topics = found.counts().into_iter().map(|(topic, count)| of::TopicCount {
        topic,
        looked: count.looked,
        matched: count.matched,
    });
    let samples = report.samples.iter().map(|sample| of::Sample {
        topic: found.path(sample.position.topic),
        position: Some(position(sample)),
        ingested_at: sample.ingested_at.0,
        event: sample.event.clone(),
    });
    v1::TestSubscriptionResponse {
        from: found.from.0,
        to: found.to.0,
        looked_events: report.looked.events,
        looked_bytes: report.looked.bytes,
        matched_events: report.matched.events,
        matched_bytes: report.matched.bytes,
        peak_at: report.peak.map_or(0, |peak| peak.at.0),
        peak_events: report.peak.map_or(0, |peak| peak.events),
        first: report.first.as_ref().map(position),
        last: report.last.as_ref().map(position),
        topics: topics.collect(),
        compared: report.compared.map(|compared| of::Compared {
            both: compared.both,
            only_old: compared.only_old,
            only_new: compared.only_new,
        }),
        unreadable: report.unreadable,
        samples: samples.collect(),
        next: report.next.map_or(0, |next| next.0),
        notes: found.notes.clone(),
    }
}
