//! Against a service that is played: what it says is given out, and what breaks the stream ends it.

use bytes::{Bytes, BytesMut};
use futures::{SinkExt, StreamExt};
use prost::Message as _;
use tidings_event::block::{BodyBuilder, crc32c};
use tidings_wire::framed;
use tidings_wire::v1;
use tidings_wire::v1::consume_request::Message as Ask;
use tidings_wire::v1::consume_response::Message as Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::Framed;
use crate::{ClientError, ConsumerOptions, Transport};

type Ws = WebSocketStream<TcpStream>;

/// A consumer's stream, and the service's end of it.
async fn opened(credit_events: u64) -> (Framed, Ws) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let accept = async {
        let (stream, _) = listener.accept().await.unwrap();
        #[expect(clippy::result_large_err, reason = "the library's own type")]
        let agree = |_: &Request, mut response: Response| {
            let protocol = framed::SUBPROTOCOL.parse().unwrap();
            response.headers_mut().insert("sec-websocket-protocol", protocol);
            Ok(response)
        };
        accept_hdr_async(stream, agree).await.unwrap()
    };
    let options = ConsumerOptions {
        credit_events,
        transport: Transport::Framed,
        ..ConsumerOptions::new("s", "c")
    };
    let (framed, ws) = tokio::join!(Framed::over(&url, &options), accept);
    (framed.unwrap(), ws)
}

fn delivery(first: u64) -> Bytes {
    let mut body = BodyBuilder::default();
    assert!(body.push(b"event"));
    let (body, count) = body.take();
    let offsets = vec![v1::OffsetRun { first, count }];
    let delivery = v1::Delivery { topic_id: 1, offsets, ..v1::Delivery::default() };
    let mut out = BytesMut::new();
    framed::put_head(&mut out, &delivery, Some(crc32c(&body)));
    out.extend_from_slice(&body);
    out.freeze()
}

async fn asked(ws: &mut Ws) -> Vec<Ask> {
    loop {
        match ws.next().await.unwrap().unwrap() {
            Message::Binary(bytes) => {
                let asked = v1::ConsumeRequests::decode(bytes).unwrap().requests;
                return asked.into_iter().filter_map(|request| request.message).collect();
            }
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_said_is_given_out_in_order_and_what_is_asked_arrives() {
    let (mut framed, mut ws) = opened(100).await;
    let mut asks = Vec::new();
    while asks.len() < 2 {
        asks.extend(asked(&mut ws).await);
    }
    assert!(matches!(&asks[0], Ask::Open(open) if open.subscription == "s"), "{asks:?}");
    assert!(matches!(&asks[1], Ask::Credit(credit) if credit.events == 100), "{asks:?}");
    let opened = Answer::Opened(v1::ConsumeOpened::default());
    let topic = Answer::Topic(v1::TopicName { topic_id: 1, name: "a/b".into() });
    let response = |message| v1::ConsumeResponse { message: Some(message), attachment: 0 };
    let responses = vec![response(opened.clone()), response(topic.clone())];
    let said = v1::ConsumeResponses { responses }.encode_to_vec();
    for bytes in [said.into(), delivery(0), delivery(1)] {
        ws.feed(Message::Binary(bytes)).await.unwrap();
    }
    ws.flush().await.unwrap();
    assert_eq!(framed.receive().await, Ok(Some(opened)));
    assert_eq!(framed.receive().await, Ok(Some(topic)));
    for first in 0..2 {
        let Ok(Some(Answer::Delivery(delivery))) = framed.receive().await else {
            panic!("no delivery")
        };
        assert_eq!(delivery.offsets[0].first, first);
        assert_eq!(delivery.body, b"\x0a\x05event"[..]);
    }
    framed.ask(Ask::Ack(v1::Ack::default())).await.unwrap();
    assert_eq!(asked(&mut ws).await, [Ask::Ack(v1::Ack::default())]);
}

#[tokio::test]
async fn a_service_that_asks_is_answered_while_nobody_takes_what_came() {
    let (_framed, mut ws) = opened(100).await;
    ws.send(Message::Binary(delivery(0))).await.unwrap();
    ws.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    loop {
        if let Message::Pong(bytes) = ws.next().await.unwrap().unwrap() {
            assert_eq!(bytes, b"there?"[..]);
            return;
        }
    }
}

#[tokio::test]
async fn what_is_damaged_or_no_message_ends_the_stream() {
    let mut damaged = delivery(0).to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    for message in [
        Message::Binary(damaged.into()),
        Message::Binary(Bytes::from_static(b"\xff")),
        Message::Text("{}".into()),
    ] {
        let (mut framed, mut ws) = opened(100).await;
        ws.send(message.clone()).await.unwrap();
        let ended = framed.receive().await;
        assert!(matches!(ended, Err(ClientError::Protocol(_))), "{message:?}: {ended:?}");
    }
}

#[tokio::test]
async fn an_end_is_told_after_what_came_before_it() {
    let (mut framed, mut ws) = opened(100).await;
    ws.send(Message::Binary(delivery(0))).await.unwrap();
    drop(ws);
    assert!(matches!(framed.receive().await, Ok(Some(Answer::Delivery(_)))));
    assert!(matches!(framed.receive().await, Err(ClientError::Lost(_))));
    assert!(matches!(
        framed.ask(Ask::Close(v1::Close {})).await,
        Ok(()) | Err(ClientError::Lost(_))
    ));
}

#[tokio::test]
async fn more_than_credit_allows_is_not_kept() {
    let (mut framed, mut ws) = opened(1).await;
    let heartbeat = Answer::Heartbeat(v1::Heartbeat::default());
    let response = v1::ConsumeResponse { message: Some(heartbeat), attachment: 0 };
    let said = v1::ConsumeResponses { responses: vec![response; 2_000] };
    ws.send(Message::Binary(said.encode_to_vec().into())).await.unwrap();
    let mut kept = 0;
    let ended = loop {
        match framed.receive().await {
            Ok(_) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((kept, ended), (1_025, ClientError::Lost("more came than credit allows".into())));
}

#[tokio::test]
async fn a_close_waits_until_the_service_has_let_go() {
    let (framed, mut ws) = opened(100).await;
    ws.send(Message::Binary(delivery(0))).await.unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(Ok(message)) = ws.next().await {
            if matches!(message, Message::Close(_)) {
                return;
            }
        }
        panic!("no close came");
    });
    framed.close().await;
    tasks.join_next().await.unwrap().unwrap();
}

#[tokio::test]
async fn who_speaks_no_websocket_is_no_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4_096];
        let read = stream.read(&mut request).await.unwrap();
        let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
        assert!(request.contains("sec-websocket-protocol: tidings.v1.framed"), "{request}");
        let body = br#"{"code":"SUBPROTOCOL_UNKNOWN","status":400}"#;
        let head = format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        stream
    };
    let options = ConsumerOptions::new("s", "c");
    let (refused, _stream) = tokio::join!(Framed::over(&url, &options), answer);
    let refused = refused.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, "SUBPROTOCOL_UNKNOWN");
    let nobody = Framed::over("http://127.0.0.1:1", &options).await.unwrap_err();
    assert!(matches!(nobody, ClientError::Unreachable { .. }), "{nobody:?}");
}
