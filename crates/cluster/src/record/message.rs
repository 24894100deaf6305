//! A beat as a Protobuf message, both ways: the one place that knows its fields' numbers.

use prost::Message;
use tidings_event::Term;

use super::{Beat, Held, HeldState, RecordError};
use crate::assignment::{Assignment, CoordinatorTerm, Entry, Gone, Holder};
use crate::node_id::{Address, CallKey, Life, NodeId, NodeName};
use crate::partition_group::{PartitionGroup, PartitionGroups};
use crate::view::MEMBERS_MAX;

/// As many partition groups as a log can have.
const GROUPS_MAX: usize = 16;

#[derive(Clone, PartialEq, Message)]
struct NodeMessage {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(fixed64, tag = "2")]
    life: u64,
}

#[derive(Clone, PartialEq, Message)]
struct BeatMessage {
    #[prost(message, optional, tag = "1")]
    node: Option<NodeMessage>,
    #[prost(uint64, tag = "2")]
    number: u64,
    #[prost(uint64, tag = "3")]
    pace: u64,
    #[prost(string, tag = "4")]
    address: String,
    #[prost(bytes = "vec", tag = "5")]
    call_key: Vec<u8>,
    #[prost(bool, tag = "6")]
    is_leaving: bool,
    #[prost(uint64, tag = "7")]
    claim: u64,
    #[prost(message, repeated, tag = "8")]
    held: Vec<HeldMessage>,
    #[prost(message, optional, tag = "9")]
    assignment: Option<AssignmentMessage>,
    #[prost(bool, tag = "10")]
    is_joining: bool,
    #[prost(fixed64, optional, tag = "11")]
    after: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct HeldMessage {
    #[prost(uint32, tag = "1")]
    group: u32,
    #[prost(uint64, tag = "2")]
    term: u64,
    #[prost(uint32, tag = "3")]
    state: u32,
    #[prost(uint64, tag = "4")]
    newest: u64,
}

#[derive(Clone, PartialEq, Message)]
struct AssignmentMessage {
    #[prost(uint64, tag = "1")]
    by: u64,
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(message, repeated, tag = "3")]
    members: Vec<NodeMessage>,
    #[prost(message, repeated, tag = "4")]
    gone: Vec<GoneMessage>,
    #[prost(message, repeated, tag = "5")]
    entries: Vec<EntryMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct GoneMessage {
    #[prost(message, optional, tag = "1")]
    node: Option<NodeMessage>,
    #[prost(uint64, tag = "2")]
    number: u64,
}

#[derive(Clone, PartialEq, Message)]
struct EntryMessage {
    #[prost(uint64, tag = "1")]
    term: u64,
    /// Place among the members, from 1; 0 for nobody.
    #[prost(uint32, tag = "2")]
    holder: u32,
    #[prost(bool, tag = "3")]
    is_closing: bool,
}

/// Appends the message of a beat.
pub(super) fn write(beat: &Beat, out: &mut Vec<u8>) {
    let held = beat.held.iter().map(|held| {
        let (state, newest) = number_of(held.state);
        HeldMessage { group: held.group.0.into(), term: held.term.0, state, newest }
    });
    let message = BeatMessage {
        node: Some(node_message(&beat.node)),
        number: beat.number,
        pace: beat.pace,
        address: beat.address.as_str().to_owned(),
        call_key: beat.call_key.0.to_vec(),
        is_joining: beat.is_joining,
        after: beat.after.map(|life| life.0),
        is_leaving: beat.is_leaving,
        claim: beat.claim.unwrap_or_default().0,
        held: held.collect(),
        assignment: beat.assignment.as_ref().map(assignment_message),
    };
    out.extend_from_slice(&message.encode_to_vec());
}

/// Reads a message, and checks all that it says.
pub(super) fn read(bytes: &[u8]) -> Result<Beat, RecordError> {
    let message = BeatMessage::decode(bytes)
        .map_err(|_| wrong("message", "is none of Protobuf, or of other fields"))?;
    let key = message.call_key.try_into().map_err(|_| wrong("call_key", "has not 32 bytes"))?;
    if message.pace > message.number.saturating_add(1) {
        return Err(wrong("pace", "counts more beats than there were"));
    }
    if message.held.len() > GROUPS_MAX {
        return Err(wrong("held", "has more than 16 entries"));
    }
    let held: Vec<Held> = message.held.iter().map(held).collect::<Result<_, _>>()?;
    if !held.is_sorted_by(|a, b| a.group < b.group) {
        return Err(wrong("held", "names a partition group twice, or out of order"));
    }
    Ok(Beat {
        node: node(message.node.ok_or(wrong("node", "is missing"))?)?,
        number: message.number,
        pace: message.pace,
        address: Address::new(&message.address)?,
        call_key: CallKey(key),
        is_joining: message.is_joining,
        after: message.after.map(Life),
        is_leaving: message.is_leaving,
        claim: (message.claim > 0).then_some(CoordinatorTerm(message.claim)),
        held,
        assignment: message.assignment.map(assignment).transpose()?,
    })
}

const fn wrong(field: &'static str, reason: &'static str) -> RecordError {
    RecordError::Field { field, reason }
}

fn node_message(node: &NodeId) -> NodeMessage {
    NodeMessage { name: node.name.as_str().to_owned(), life: node.life.0 }
}

fn node(message: NodeMessage) -> Result<NodeId, RecordError> {
    Ok(NodeId { name: NodeName::new(&message.name)?, life: Life(message.life) })
}

const fn number_of(state: HeldState) -> (u32, u64) {
    match state {
        HeldState::Opening => (1, 0),
        HeldState::Serving => (2, 0),
        HeldState::Closing => (3, 0),
        HeldState::Ended => (4, 0),
        HeldState::Failed => (5, 0),
        HeldState::Outdated { newest } => (6, newest.0),
    }
}

fn held(message: &HeldMessage) -> Result<Held, RecordError> {
    let group = u8::try_from(message.group).ok().filter(|group| usize::from(*group) < GROUPS_MAX);
    let state = match (message.state, message.newest) {
        (1, 0) => HeldState::Opening,
        (2, 0) => HeldState::Serving,
        (3, 0) => HeldState::Closing,
        (4, 0) => HeldState::Ended,
        (5, 0) => HeldState::Failed,
        (6, newest) if newest >= message.term => HeldState::Outdated { newest: Term(newest) },
        _ => {
            return Err(wrong(
                "held.state",
                "is none of the six, or has a term that it cannot have",
            ));
        }
    };
    Ok(Held {
        group: PartitionGroup(group.ok_or(wrong("held.group", "is above 15"))?),
        term: term(message.term, "held.term")?,
        state,
    })
}

/// A term that was granted.
const fn term(number: u64, field: &'static str) -> Result<Term, RecordError> {
    if number == 0 { Err(wrong(field, "is 0, which nobody is granted")) } else { Ok(Term(number)) }
}

fn assignment_message(assignment: &Assignment) -> AssignmentMessage {
    let place = |node: &NodeId| assignment.members.iter().position(|member| member == node);
    let entries = assignment.entries.iter().map(|entry| {
        let holder = entry.holder.as_ref();
        EntryMessage {
            term: entry.term.0,
            // At most 64 members.
            holder: holder
                .and_then(|holder| u32::try_from(place(&holder.node)? + 1).ok())
                .unwrap_or_default(),
            is_closing: holder.is_some_and(|holder| holder.is_closing),
        }
    });
    let gone = assignment.gone.iter();
    AssignmentMessage {
        by: assignment.by.0,
        version: assignment.version,
        members: assignment.members.iter().map(node_message).collect(),
        gone: gone
            .map(|gone| GoneMessage { node: Some(node_message(&gone.node)), number: gone.number })
            .collect(),
        entries: entries.collect(),
    }
}

fn assignment(message: AssignmentMessage) -> Result<Assignment, RecordError> {
    if message.by == 0 || message.version == 0 {
        return Err(wrong("assignment", "is of no coordinator, or has no version"));
    }
    if message.members.len() > MEMBERS_MAX || message.gone.len() > GROUPS_MAX {
        return Err(wrong("assignment", "has more than 64 members, or more than 16 that are gone"));
    }
    let groups = u32::try_from(message.entries.len()).unwrap_or(u32::MAX);
    if PartitionGroups::new(groups).is_err() {
        return Err(wrong("assignment.entries", "are not 1, 2, 4, 8 or 16"));
    }
    let members: Vec<NodeId> = message.members.into_iter().map(node).collect::<Result<_, _>>()?;
    if !members.is_sorted_by(|a, b| a.name < b.name) {
        return Err(wrong("assignment.members", "names a node twice, or out of order"));
    }
    let entries = message.entries.iter().map(|message| entry(message, &members));
    let gone = message.gone.into_iter().map(|gone| {
        let of = gone.node.ok_or(wrong("assignment.gone", "names nobody"))?;
        Ok(Gone { node: node(of)?, number: gone.number })
    });
    Ok(Assignment {
        by: CoordinatorTerm(message.by),
        version: message.version,
        entries: entries.collect::<Result<_, _>>()?,
        gone: gone.collect::<Result<_, RecordError>>()?,
        members,
    })
}

fn entry(message: &EntryMessage, members: &[NodeId]) -> Result<Entry, RecordError> {
    let Some(place) = message.holder.checked_sub(1) else {
        if message.is_closing {
            return Err(wrong("assignment.entries", "have one closing that nobody holds"));
        }
        return Ok(Entry { term: Term(message.term), holder: None });
    };
    let held_by = usize::try_from(place).ok().and_then(|place| members.get(place));
    let node = held_by.ok_or(wrong("assignment.entries", "have a holder that is no member"))?;
    Ok(Entry {
        term: term(message.term, "assignment.entries.term")?,
        holder: Some(Holder { node: node.clone(), is_closing: message.is_closing }),
    })
}
