//! Items come back in order from where the writer said, however large, and time never goes back.

use tidings_event::block::{BODY_BYTES_MAX, events};
use tidings_event::{Clock, ManualClock};
use tidings_log::MemoryLog;

use super::*;

#[tokio::test]
async fn items_lie_in_order_where_the_writer_said_and_times_never_go_back() {
    let clock = Arc::new(ManualClock::at(Timestamp(1_000)));
    let log = MemoryLog::new(Arc::clone(&clock) as Arc<dyn Clock>);
    let topic = InternalTopic::SETTLEMENTS;
    log.ensure_topic(&topic.spec()).await.unwrap();
    let shared = Arc::clone(&log) as Arc<dyn PartitionLog>;
    let writer = InternalWriter::new(shared, topic);
    let large = vec![7; BODY_BYTES_MAX - 16];
    let item = |about, item: &'static [u8]| (PartitionId(about), Bytes::from_static(item));
    writer.append(&[item(3, b"a")]).unwrap().pending.await.unwrap();
    clock.set_wall(Timestamp(500));
    let second = (PartitionId(19), Bytes::from(large.clone()));
    let items = [item(19, b"b"), second, item(19, b"c"), item(0, b"d")];
    let written = writer.append(&items).unwrap();
    assert_eq!(written.firsts[&PartitionId(3)], Offset(1));
    assert_eq!(written.firsts[&PartitionId(0)], Offset(0));
    written.pending.await.unwrap();
    let place = topic.about(PartitionId(3));
    let blocks = log.read(place, Offset(0), 8 << 20).await.unwrap();
    assert!(blocks.iter().all(|block| block.block.header.ingested_at == Timestamp(1_000)));
    let read: Vec<Vec<u8>> = blocks
        .iter()
        .flat_map(|block| events(&block.block.body).map(|item| item.unwrap().to_vec()))
        .collect();
    assert_eq!(read, [b"a".to_vec(), b"b".to_vec(), large, b"c".to_vec()]);
}
