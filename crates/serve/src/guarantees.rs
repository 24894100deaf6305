//! The guarantee sheet: what the running configuration really promises for one topic, and why.
//!
//! Every value comes from the running catalog, log and admission; nothing is repeated here.

use tidings_admit::{AdmitSettings, SEQUENCES_REMEMBERED};
use tidings_catalog::{Durability, Topic};
use tidings_log::Caps;
use tidings_wire::spelling::format_duration;

use crate::doors::Parts;

/// One promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guarantee {
    /// What it is about.
    pub(crate) name: &'static str,
    /// How far it goes, in one stable word.
    pub(crate) level: &'static str,
    /// The promise, for people.
    pub(crate) detail: String,
    /// The settings and facts it follows from.
    pub(crate) reason: String,
}

/// The sheet of a topic.
pub(crate) fn of(topic: &Topic, parts: &Parts) -> Vec<Guarantee> {
    sheet(topic, &parts.log.caps(), parts.admission.settings())
}

fn sheet(topic: &Topic, caps: &Caps, admission: &AdmitSettings) -> Vec<Guarantee> {
    vec![
        order(topic),
        durability(topic, caps),
        delivery(),
        deduplication(admission),
        retention(topic, caps),
        loss(topic, caps),
        replay(topic),
    ]
}

fn order(topic: &Topic) -> Guarantee {
    let partitions = topic.partitions;
    let (level, detail) = if partitions == 1 {
        ("total", "all events of the topic have one order, the order of their offsets".to_owned())
    } else {
        let detail = "each partition has one order, the order of its offsets; events of one key \
                      (venue and instrument, or the matrix) are in one partition and keep the \
                      order in which a producer sent them; there is no order across partitions \
                      or topics";
        ("per_key", detail.to_owned())
    };
    let reason = format!(
        "partitions = {partitions}, fixed at birth; partition = xxh3-64(key) mod {partitions}"
    );
    Guarantee { name: "order", level, detail, reason }
}

fn durability(topic: &Topic, caps: &Caps) -> Guarantee {
    let (level, detail) = match topic.durability {
        _ if !caps.durable => {
            ("memory", "an acknowledged event is in memory only: the end of the process loses it")
        }
        Durability::Memory => (
            "memory",
            "a publish that asks for `memory` is acknowledged before its events are on disk: a \
             crash may lose them; every other acknowledgement is given after write and sync",
        ),
        Durability::Durable if caps.replicated => (
            "replicated",
            "an event is acknowledged once a quorum has it: losing one machine loses nothing",
        ),
        Durability::Durable => (
            "durable",
            "an event is acknowledged once it is checksummed, written and synced: a crash or a \
             power cut loses nothing acknowledged, the loss of the disk does",
        ),
    };
    let reason = format!(
        "durability = {} (topic); engine = {}, durable = {}, replicated = {} (log)",
        topic.durability.name(),
        caps.engine,
        caps.durable,
        caps.replicated
    );
    Guarantee { name: "durability", level, detail: detail.to_owned(), reason }
}

fn delivery() -> Guarantee {
    Guarantee {
        name: "delivery",
        level: "at_least_once",
        detail: "every durable event reaches every subscription that covers the topic at least \
                 once, or a gap notice says why not; what may be a repeat is marked `redelivered`"
            .to_owned(),
        reason: "cursors are saved before an ack is confirmed; what is not confirmed comes again"
            .to_owned(),
    }
}

fn deduplication(admission: &AdmitSettings) -> Guarantee {
    let idle = format_duration(admission.producer_idle);
    let age = format_duration(admission.window_age);
    let (ids, producers) = (admission.window_ids, admission.producers_max);
    Guarantee {
        name: "deduplication",
        level: "window",
        detail: format!(
            "a producer with an id may repeat any sequence safely, with exact offsets for its last \
             {SEQUENCES_REMEMBERED} in each partition; without one, a repeat of (source, id) is \
             recognised among the last {ids} ids for {age}; later repeats are new events"
        ),
        reason: format!(
            "window_ids = {ids}, window_age = {age}, producers_max = {producers} a partition, \
             producer_idle = {idle} (admission); kept through crashes"
        ),
    }
}

fn retention(topic: &Topic, caps: &Caps) -> Guarantee {
    let age = format_duration(topic.retention.age);
    let journal = topic.retention.journal().name();
    let mut detail = format!("events are kept for {age} after they were taken in");
    let level = if let Some(bytes) = topic.retention.bytes {
        detail += &format!(", but at most {bytes} bytes of the topic");
        "age_and_bytes"
    } else {
        "age"
    };
    if let Some(cap) = caps.journal_bytes_max {
        detail += &format!(
            "; above {cap} bytes on disk journal `{journal}`, shared by all topics of its class, \
             lets its oldest events go earlier"
        );
    }
    let of = |limit: Option<u64>| limit.map_or_else(|| "none".to_owned(), |n| n.to_string());
    let reason = format!(
        "retention.seconds = {}, retention.bytes = {} (topic); log.journal_bytes_max = {}",
        topic.retention.age.as_secs(),
        of(topic.retention.bytes),
        of(caps.journal_bytes_max)
    );
    Guarantee { name: "retention", level, detail, reason }
}

fn loss(topic: &Topic, caps: &Caps) -> Guarantee {
    let disk = if caps.replicated { "of one disk loses nothing" } else { "of the disk loses all" };
    let memory = if topic.durability == Durability::Memory || !caps.durable {
        "; a crash loses what was acknowledged from memory"
    } else {
        ""
    };
    Guarantee {
        name: "loss",
        level: "told",
        detail: format!(
            "no consumer loses events silently: what retention took before a slow consumer had it, \
             what the disk gave back damaged, what expired before it was sent, and what was deleted \
             with its topic is told as a gap with its offsets; loss {disk}{memory}"
        ),
        reason: format!(
            "gap reasons RETENTION, DATA_LOSS, EXPIRED, TOPIC_DELETED; replicated = {} (log)",
            caps.replicated
        ),
    }
}

fn replay(topic: &Topic) -> Guarantee {
    Guarantee {
        name: "replay",
        level: "offset_and_time",
        detail: "everything that is kept can be read again, byte for byte: a new subscription \
                 starts at `earliest`, a time, positions or the last value of every key, an existing \
                 one is moved by a seek, and browsing takes an offset or a time"
            .to_owned(),
        reason: format!(
            "retention.seconds = {} (topic); replays of their own are not served yet",
            topic.retention.age.as_secs()
        ),
    }
}

#[cfg(test)]
mod tests;
