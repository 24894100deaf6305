//! What is said is read by a WebSocket library as it was meant.

use bytes::Bytes;
use prost::Message as _;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocket};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::{Say, frames};

fn credit(events: u64) -> v1::ConsumeRequest {
    let message = Some(Ask::Credit(v1::Credit { events, bytes: 1 }));
    v1::ConsumeRequest { message, attachment: 0 }
}

fn nack(bytes: usize) -> v1::ConsumeRequest {
    let nack = v1::Nack { detail: "x".repeat(bytes), ..v1::Nack::default() };
    v1::ConsumeRequest { message: Some(Ask::Nack(nack)), attachment: 0 }
}

/// What a service hears, whose own answers go nowhere.
fn heard(says: Vec<Say>) -> Vec<Message> {
    struct Stream(std::io::Cursor<Vec<u8>>);
    impl std::io::Read for Stream {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }
    impl std::io::Write for Stream {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let bytes = frames(says.into_iter(), rand::random).to_vec();
    let stream = Stream(std::io::Cursor::new(bytes));
    let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
    let mut heard = Vec::new();
    loop {
        match socket.read() {
            Ok(message) => heard.push(message),
            Err(Error::Io(_) | Error::ConnectionClosed | Error::Protocol(_)) => return heard,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn what_is_asked_goes_together_and_in_order() {
    let asked =
        |requests: Vec<_>| Message::Binary(v1::ConsumeRequests { requests }.encode_to_vec().into());
    let pong = Bytes::from_static(b"yes");
    let says = vec![
        Say::Ask(credit(1)),
        Say::Ask(credit(2)),
        Say::Pong(pong.clone()),
        Say::Ask(nack(300)),
        Say::Ask(nack(70_000)),
        Say::Ask(credit(3)),
        Say::Ping,
        Say::Close,
    ];
    let heard = heard(says);
    assert_eq!(heard.len(), 6);
    assert_eq!(heard[0], asked(vec![credit(1), credit(2)]));
    assert_eq!(heard[1], Message::Pong(pong));
    assert_eq!(heard[2], asked(vec![nack(300), nack(70_000)]));
    assert_eq!(heard[3], asked(vec![credit(3)]));
    assert_eq!(heard[4], Message::Ping(Bytes::new()));
    assert!(matches!(&heard[5], Message::Close(Some(frame)) if u16::from(frame.code) == 1_000));
    assert_eq!(heard_nothing(), Vec::new());
}

fn heard_nothing() -> Vec<Message> {
    heard(Vec::new())
}
