//! What a group repeats names all of a hole, however wide, and is no more than it has to be.

use std::sync::Arc;

use tidings_event::ManualClock;

use super::*;
use crate::conformance::fixture;
use crate::memory::MemoryLog;

fn partition(number: u64) -> TopicPartition {
    TopicPartition::new(number, 1)
}

/// A journal in which every group had one partition, each another.
fn echo_of(groups: u64) -> Echo {
    let mut echo = Echo::default();
    for seq in 1..=groups {
        echo.note(seq, partition(seq), Offset(seq * 10));
    }
    echo
}

/// The sequences of the groups whose partitions are repeated.
fn groups(ends: &Ends) -> Vec<u64> {
    let mut groups: Vec<u64> = ends.iter().map(|(partition, _)| partition.topic.0).collect();
    groups.sort_unstable();
    groups
}

#[test]
fn a_group_repeats_the_groups_before_it_and_some_many_more() {
    let echo = |seq: u64| groups(&echo_of(seq - 1).before(seq, false));
    assert_eq!(echo(1), Vec::<u64>::new());
    assert_eq!(echo(9), (1..9).collect::<Vec<_>>());
    assert_eq!(echo(101), (85..101).collect::<Vec<_>>());
    assert_eq!(echo(96), (32..96).collect::<Vec<_>>());
    assert_eq!(echo(1024), (1..1024).collect::<Vec<_>>());
    assert_eq!(groups(&echo_of(100).before(101, true)), (1..101).collect::<Vec<_>>());
}

/// For every hole of up to 300 groups there is a group that knows all of it, near behind it.
#[test]
fn a_hole_is_known_before_twice_as_many_groups_have_followed() {
    let reach = |seq: u64| {
        let repeated = groups(&echo_of(seq - 1).before(seq, false));
        repeated.first().copied().unwrap_or(seq)
    };
    let reaches: Vec<u64> = (1..=2000).map(reach).collect();
    for wide in 1..=300u64 {
        for first in [1, 2, 3, 64, 65, 500, 511, 512, 513, 1000, 1023, 1024, 1025] {
            let behind = first + wide;
            let known = (behind..).find(|seq| reaches[(seq - 1) as usize] <= first).unwrap();
            let followed = known - behind + 1;
            let most = if wide <= NEAR { 1 } else { wide.next_power_of_two() };
            assert!(followed <= most, "{wide} from {first}: {followed} groups on");
        }
    }
}

#[test]
fn a_mark_repeats_what_was_written_since_the_one_before() {
    let mut echo = echo_of(100);
    assert_eq!(groups(&echo.at_mark(100)), (1..=100).collect::<Vec<_>>());
    echo.note(101, partition(101), Offset(1010));
    assert_eq!(groups(&echo.at_mark(101)), (85..=101).collect::<Vec<_>>());
    for seq in 102..=140 {
        echo.note(seq, partition(seq), Offset(seq * 10));
    }
    assert_eq!(groups(&echo.at_mark(140)), (102..=140).collect::<Vec<_>>());
}

#[test]
fn a_partition_is_repeated_once_with_its_last_end() {
    let mut echo = Echo::new((7, vec![(partition(1), Offset(5)), (partition(2), Offset(6))]));
    echo.note(8, partition(2), Offset(9));
    echo.note(8, partition(2), Offset(11));
    assert_eq!(echo.before(9, false), [(partition(2), Offset(11)), (partition(1), Offset(5))]);
}

#[test]
fn all_of_the_group_before_is_repeated_and_of_older_ones_a_thousand() {
    let mut echo = Echo::default();
    for number in 0..1500 {
        echo.note(1, partition(number), Offset(1));
    }
    assert_eq!(echo.before(2, false).len(), 1500);
    echo.note(2, partition(5000), Offset(1));
    let repeated = echo.before(3, false);
    assert_eq!((repeated.len(), repeated[0].0), (1024, partition(5000)));
    assert_eq!(echo.before(1024, false).len(), 1501);
}

#[test]
fn those_written_longest_ago_are_forgotten() {
    let mut echo = Echo::default();
    for number in 0..ECHO_MAX as u64 + 3 {
        echo.note(number + 1, partition(number), Offset(1));
    }
    let all = echo.before(2048, true);
    assert_eq!((all.len(), all.last().unwrap().0), (ECHO_MAX, partition(3)));
    assert_eq!(echo.seqs.len(), ECHO_MAX);
}

#[tokio::test]
async fn blocks_are_noted_with_where_they_end() {
    let log = MemoryLog::new(Arc::new(ManualClock::at(fixture::NOW)));
    let id = fixture::partition(&*log, 1).await;
    let blocks = [fixture::block(&*log, id, 0, (3, 10)), fixture::block(&*log, id, 3, (2, 10))];
    let mut echo = Echo::default();
    echo.take_in(4, &blocks);
    assert_eq!(echo.before(5, false), [(id, Offset(5))]);
}
