//! Records of the members' topic: what nodes of a cluster say of themselves.

use tidings_cluster::{
    Address, Assignment, Beat, CallKey, CoordinatorTerm, Entry, Gone, Held, HeldState, Holder,
    Life, NodeId, NodeName, Pace, PartitionGroup, PartitionGroups, RECORD_BYTES_MAX, View,
};
use tidings_event::Term;
use tidings_event::block::crc32c;

/// Magic and checksum.
const HEAD: usize = 8;

/// A record that is read is written the same again within the bound, and whoever takes it in stands.
pub(super) fn run(input: &[u8]) {
    // A bent record has a checksum that fits only when somebody made it so: that is the point.
    let mut mended = input.to_vec();
    if let Some(rest) = input.get(HEAD..) {
        mended[4..HEAD].copy_from_slice(&crc32c(rest).to_le_bytes());
    }
    for bytes in [input, &mended] {
        let Ok(beat) = Beat::decode(bytes) else { continue };
        let again = beat.encode();
        assert!(again.len() <= RECORD_BYTES_MAX);
        assert_eq!(Beat::decode(&again).as_ref(), Ok(&beat));
        for reads_all in [true, false] {
            let groups = PartitionGroups::new(2).expect("2 is one of them");
            let mut view = View::new(groups, &Pace::default(), reads_all);
            view.watch(&seed(1));
            view.watch(&beat);
            let entries = view.assignment().map(|assignment| assignment.entries.len());
            assert!(entries.is_none_or(|entries| entries == groups.count()));
        }
    }
}

fn node(name: &str, life: u64) -> NodeId {
    NodeId { name: NodeName::new(name).expect("a name"), life: Life(life) }
}

fn seed(number: u64) -> Beat {
    let (a, b) = (node("a", 1), node("b", 2));
    let held = |group, state| Held { group: PartitionGroup(group), term: Term(4), state };
    let holder = |node: &NodeId| Some(Holder { node: node.clone(), is_closing: number > 1 });
    Beat {
        node: a.clone(),
        number,
        pace: 1,
        address: Address::new("10.0.0.1:8080").expect("an address"),
        call_key: CallKey([7; 32]),
        is_joining: number == 0,
        after: (number == 0).then_some(Life(9)),
        is_leaving: number > 2,
        claim: (number < 2).then_some(CoordinatorTerm(3)),
        held: vec![held(0, HeldState::Serving), held(1, HeldState::Outdated { newest: Term(9) })],
        assignment: (number > 0).then(|| Assignment {
            by: CoordinatorTerm(3),
            version: number,
            entries: [&a, &b].map(|node| Entry { term: Term(4), holder: holder(node) }).into(),
            gone: vec![Gone { node: node("c", 3), number: 5 }],
            members: vec![a, b],
        }),
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    (0..4).map(|number| seed(number).encode()).collect()
}
