//! Answers go to their places, a place that does not read ends alone, and asks come before a close.

use futures::StreamExt;

use super::*;

fn said(attachment: u32, answer: Answer) -> v1::ConsumeResponse {
    v1::ConsumeResponse { message: Some(answer), attachment }
}

fn confirmed() -> Answer {
    Answer::Confirmed(v1::AckConfirmed::default())
}

#[tokio::test]
async fn a_place_that_does_not_read_ends_alone() {
    let mut state = State::default();
    let (slow, mut slowly) = mpsc::channel(2);
    let (quick, mut quickly) = mpsc::channel(8);
    let (slow, quick) = (state.add(slow).unwrap(), state.add(quick).unwrap());
    for _ in 0..3 {
        assert!(state.take(said(slow, confirmed())).is_none());
        assert!(state.take(said(quick, confirmed())).is_none());
    }
    let mut read = 0;
    while slowly.recv().await.is_some() {
        read += 1;
    }
    assert_eq!(read, 2, "what waits is read, then it has ended");
    assert!(state.take(said(quick, confirmed())).is_none());
    assert_eq!(quickly.len(), 4);
    assert!(quickly.recv().await.is_some());
}

#[tokio::test]
async fn what_ends_the_stream_ends_every_place() {
    let mut state = State::default();
    let (sender, mut answers) = mpsc::channel(8);
    state.add(sender).unwrap();
    assert!(state.take(said(0, Answer::Heartbeat(v1::Heartbeat::default()))).is_none());
    let problem = v1::Problem { code: "SHUTTING_DOWN".to_owned(), ..Default::default() };
    let ended = state.take(said(0, Answer::Error(problem))).unwrap();
    state.end(ended.clone());
    assert!(answers.recv().await.is_none());
    let (sender, _answers) = mpsc::channel(8);
    assert_eq!(state.add(sender), Err(ended));
}

#[tokio::test]
async fn those_that_leave_are_closed_after_what_they_asked() {
    let (asks, asked) = mpsc::channel(8);
    let places = Arc::new(Places::default());
    let mut requests = std::pin::pin!(requests(asked, Arc::clone(&places)));
    places.lock().leaving.extend([3, 4]);
    places.left.notify_one();
    let ask = v1::ConsumeRequest { message: Some(Ask::Ack(v1::Ack::default())), attachment: 3 };
    asks.send(ask).await.unwrap();
    let first = requests.next().await.unwrap().requests;
    assert_eq!((first.len(), first[0].attachment), (1, 3));
    let closes = requests.next().await.unwrap().requests;
    let numbers: Vec<_> = closes.iter().map(|request| request.attachment).collect();
    assert_eq!(numbers, [3, 4]);
    assert!(closes.iter().all(|close| matches!(close.message, Some(Ask::Close(_)))));
    drop(asks);
    assert!(requests.next().await.is_none());
}
