//! I-16: soon after the last fault is over, every producer is answered and every subscription that
//! waits for something gets something.

use std::collections::HashMap;

use crate::history::{Op, Phase};
use crate::model::{Model, Partition, Stream, Subscribed};
use crate::verdict::Violation;

/// Nanoseconds within which everything has to advance.
const WITHIN: u64 = 10_000_000_000;

pub(super) fn check(model: &Model<'_>) -> Vec<Violation> {
    let healed = model
        .records
        .iter()
        .rposition(|record| matches!(&record.op, Op::Fault(f) if f.phase == Phase::Healed));
    let fired = model
        .records
        .iter()
        .rposition(|record| matches!(&record.op, Op::Fault(f) if f.phase == Phase::Fired));
    let Some(healed) = healed.filter(|healed| fired.is_none_or(|fired| fired < *healed)) else {
        return Vec::new();
    };
    let mut violations = producers(model, healed);
    violations.extend(subscriptions(model, healed));
    violations
}

/// The first place that lies later than the time everything has from here on; `None` when the
/// history ends before.
fn deadline(model: &Model<'_>, from: usize) -> Option<usize> {
    let until = model.records[from].at.saturating_add(WITHIN);
    let passed = model.records.partition_point(|record| record.at <= until);
    (passed < model.records.len()).then_some(passed)
}

/// Producers that sent and heard nothing, neither of that event nor of another.
fn producers(model: &Model<'_>, healed: usize) -> Vec<Violation> {
    let mut waits: HashMap<&str, usize> = HashMap::new();
    let mut stuck: HashMap<&str, usize> = HashMap::new();
    for (at, record) in model.records.iter().enumerate().skip(healed) {
        let answered = match &record.op {
            Op::Invoke(invoke) => {
                waits.entry(&invoke.producer).or_insert(at);
                continue;
            }
            Op::Ok(placed) => &placed.event,
            Op::Fail { event, .. } => event,
            Op::Mark(mark) if mark.what.as_str() == "crash" => {
                // Who is cut off is not stuck, unless that had been so for long.
                let for_long = |asked: usize| record.at - model.records[asked].at > WITHIN;
                stuck.extend(waits.drain().filter(|&(_, asked)| for_long(asked)));
                continue;
            }
            _ => continue,
        };
        let event = model.events.get(answered.as_str());
        let Some(&(_, invoke)) = event.and_then(|event| event.invokes.first()) else { continue };
        let producer = invoke.producer.as_str();
        let asked = waits.remove(producer);
        let late = asked.filter(|&asked| record.at - model.records[asked].at > WITHIN);
        stuck.extend(late.map(|asked| (producer, asked)));
    }
    stuck.extend(waits.into_iter().filter(|&(_, asked)| deadline(model, asked).is_some()));
    let say = |(producer, asked)| Violation {
        invariant: "I-16",
        name: "stuck",
        detail: format!("{producer} heard nothing within 10 s after all faults were over"),
        slice: vec![healed, asked],
    };
    stuck.into_iter().map(say).collect()
}

fn subscriptions(model: &Model<'_>, healed: usize) -> Vec<Violation> {
    let Some(until) = deadline(model, healed) else { return Vec::new() };
    let mut violations = Vec::new();
    for (&name, subscribed) in &model.subscriptions {
        if is_away(model, name, healed, until) || advanced(subscribed, healed, until) {
            continue;
        }
        let waiting = model.places.keys().find_map(|&at| waits(model, subscribed, at, healed));
        violations.extend(waiting.map(|acked| Violation {
            invariant: "I-16",
            name: "stuck",
            detail: format!("{name} got nothing within 10 s after all faults were over"),
            slice: vec![healed, acked],
        }));
    }
    violations
}

/// Whether nobody was there to get anything for some of the time.
fn is_away(model: &Model<'_>, name: &str, healed: usize, until: usize) -> bool {
    let left = model.marks_of("away", name).into_iter().rfind(|&at| at < until);
    let came = model.marks_of("back", name).into_iter().rfind(|&at| at < healed);
    left.is_some_and(|left| came.is_none_or(|came| came < left))
}

fn advanced(subscribed: &Subscribed<'_>, healed: usize, until: usize) -> bool {
    let within = |at: usize| healed < at && at < until;
    subscribed.streams.values().any(|stream| {
        let mut deliveries = stream.deliveries.iter();
        deliveries.any(|&(at, _)| within(at)) || stream.gaps.named_within(healed, until)
    })
}

/// Where an event was acknowledged that it should have had, and had not.
fn waits(
    model: &Model<'_>,
    subscribed: &Subscribed<'_>,
    partition: Partition<'_>,
    healed: usize,
) -> Option<usize> {
    let nothing = Stream::default();
    let stream = subscribed.streams.get(&partition).unwrap_or(&nothing);
    let before = stream.deliveries.iter().filter(|&&(at, _)| at < healed);
    let had: std::collections::HashSet<u64> = before.map(|(_, d)| d.offset).collect();
    let dead = |offset| stream.dead.iter().any(|&(_, of)| of == offset);
    let mut selected = subscribed.selected(model, partition).filter(|&(_, at)| at < healed);
    let lacking = selected.find(|&(offset, _)| {
        !had.contains(&offset) && !stream.gaps.contains(offset) && !dead(offset)
    });
    lacking.map(|(_, at)| at)
}
