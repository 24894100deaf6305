//! What is written is WebSocket frames with the messages that were added, in order.

use bytes::{Bytes, BytesMut};
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_wire::framed::{self, Framed};
use tidings_wire::v1;
use tidings_wire::v1::consume_response::Message as Said;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::protocol::frame::FrameSocket;

use super::Pieces;

fn delivery(number: u64, bytes: usize) -> (v1::Delivery, Bytes) {
    let mut body = BodyBuilder::default();
    assert!(body.push(&vec![b'x'; bytes]));
    let offsets = vec![v1::OffsetRun { first: number, count: 1 }];
    (v1::Delivery { topic_id: number, offsets, ..v1::Delivery::default() }, body.take().0)
}

fn heartbeat(lag_events: u64) -> v1::ConsumeResponse {
    let message = Some(Said::Heartbeat(v1::Heartbeat { last_sent: Vec::new(), lag_events }));
    v1::ConsumeResponse { message, attachment: 0 }
}

/// All that is read of what is written.
async fn written(pieces: Pieces) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (reader, accepted) = tokio::join!(TcpStream::connect(addr), listener.accept());
    let (mut reader, mut writer) = (reader.unwrap(), accepted.unwrap().0);
    let write = async {
        pieces.write(&mut writer).await.unwrap();
        drop(writer);
    };
    let mut bytes = Vec::new();
    let (read, ()) = tokio::join!(reader.read_to_end(&mut bytes), write);
    read.unwrap();
    bytes
}

#[tokio::test]
async fn messages_of_any_length_are_frames_in_order() {
    // Around each spelling of a length, more than one write, and more pieces than one write takes.
    let sizes = [0, 1, 60, 100, 125, 126, 65_000, 65_535, 65_536, 1 << 20, 900_000, 800_000];
    let sizes: Vec<usize> = sizes.into_iter().chain(std::iter::repeat_n(40, 100)).collect();
    let mut pieces = Pieces::default();
    let (mut expected, mut counted) = (Vec::new(), 0);
    for (number, &size) in (1..).zip(&sizes) {
        let (head, body) = delivery(number, size.min((1 << 20) - 16));
        let checksum = (number % 2 == 0).then(|| crc32c(&body));
        counted += pieces.deliver(&head, body.clone(), checksum);
        expected.push(Framed::Delivery(v1::Delivery { body, ..head }));
        if number % 3 == 0 {
            // What is said together goes together.
            counted += pieces.say(heartbeat(number)) + pieces.say(heartbeat(1));
            let responses = vec![heartbeat(number), heartbeat(1)];
            expected.push(Framed::Said(v1::ConsumeResponses { responses }));
        }
    }
    assert!(!pieces.is_empty());
    let bytes = written(pieces).await;
    assert!(counted < bytes.len() && bytes.len() < counted + 20 * expected.len());
    let mut socket = FrameSocket::new(bytes.as_slice());
    let mut read = Vec::new();
    while let Some(frame) = socket.read(None).unwrap() {
        assert!(frame.header().is_final && frame.header().mask.is_none());
        read.push(framed::read(frame.into_payload()).unwrap());
    }
    assert_eq!(read.len(), expected.len());
    assert!(read == expected, "what was written is read, in order");
}

#[tokio::test]
async fn nothing_is_written_as_nothing() {
    assert!(Pieces::default().is_empty());
    assert_eq!(written(Pieces::default()).await, b"");
}

#[test]
fn a_body_is_not_copied() {
    let (head, body) = delivery(1, 1_000);
    let mut pieces = Pieces::default();
    pieces.deliver(&head, body.clone(), None);
    assert_eq!(pieces.list.len(), 2);
    assert_eq!(pieces.list[1].as_ptr(), body.as_ptr());
    let mut out = BytesMut::new();
    framed::put_head(&mut out, &head, None);
    assert!(pieces.list[0].ends_with(&out));
    assert_eq!(out.len(), framed::head_bytes(&head));
}
