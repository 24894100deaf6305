//! The publisher's task: keeps a stream open, sends when a slot is free, takes answers, reconnects.

use std::sync::Arc;
use std::time::Duration;

use tidings_event::block::crc32c;
use tidings_wire::v1;
use tidings_wire::v1::publish_stream_request::Message as Ask;
use tidings_wire::v1::publish_stream_response::Message as Answer;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use super::Shared;
use super::queue::{Answered, Pause};
use super::routes::Routes;
use crate::backoff::{Attempts, wait};
use crate::{Client, ClientError};

/// Blocks handed to the transport and not yet taken by it: few, so that the next one fills up.
const SLOTS: usize = 4;

/// An open stream.
#[derive(Debug)]
pub(super) struct Open {
    asks: mpsc::Sender<v1::PublishStreamRequest>,
    answers: Streaming<v1::PublishStreamResponse>,
}

/// Opens a stream, with the epoch granted before when there is one.
pub(super) async fn connect(client: &Client, shared: &Shared) -> Result<Open, ClientError> {
    let (asks, requests) = mpsc::channel(SLOTS);
    let open = v1::PublishOpen {
        producer_id: shared.options.producer_id.clone().unwrap_or_default(),
        producer_epoch: shared.state().epoch,
    };
    let first = v1::PublishStreamRequest { message: Some(Ask::Open(open)) };
    asks.send(first).await.map_err(|_| ClientError::Closed)?;
    let response = client.publish_calls().publish_stream(ReceiverStream::new(requests)).await?;
    let mut answers = response.into_inner();
    match next(&mut answers).await? {
        Answer::Opened(opened) => {
            let mut state = shared.state();
            if shared.options.producer_id.is_some() {
                state.epoch = Some(opened.producer_epoch);
            }
            state.queue.opened(&opened, shared.options.max_in_flight_bytes);
            Ok(Open { asks, answers })
        }
        Answer::Ack(_) => Err(ClientError::Protocol("an answer before the stream was open".into())),
    }
}

async fn next(answers: &mut Streaming<v1::PublishStreamResponse>) -> Result<Answer, ClientError> {
    let message = answers.message().await?;
    let ended = || ClientError::Lost("the service ended the stream".to_owned());
    message.ok_or_else(ended)?.message.ok_or_else(|| ClientError::Protocol("empty answer".into()))
}

/// Runs until it is dropped or fails for good.
pub(super) async fn drive(client: Client, shared: Arc<Shared>, first: Open) {
    let mut attempts = Attempts::new(shared.options.backoff);
    let mut open = Some(first);
    loop {
        let asked = client.servers().asked();
        let connected = match open.take() {
            Some(open) => Ok(open),
            None => connect(&client, &shared).await,
        };
        let error = match connected {
            Ok(stream) => run(&client, &shared, stream, &mut attempts).await,
            Err(error) => error,
        };
        client.servers().failed(asked, &error);
        shared.state().queue.lost();
        let delay =
            if error.is_retryable() { attempts.next_delay(retry_after(&error)) } else { None };
        let Some(delay) = delay else {
            fail(&shared, error);
            return;
        };
        wait(delay).await;
    }
}

fn retry_after(error: &ClientError) -> Option<Duration> {
    error.problem()?.retry_after_ms.map(Duration::from_millis)
}

fn fail(shared: &Shared, error: ClientError) {
    shared.room.close();
    let mut state = shared.state();
    state.queue.fail(&error);
    state.failed = Some(error);
    drop(state);
    shared.idle.notify_waiters();
}

/// Serves one stream until it ends; says why it did.
async fn run(
    client: &Client,
    shared: &Shared,
    mut stream: Open,
    attempts: &mut Attempts,
) -> ClientError {
    loop {
        if shared.state().queue.needs_routes() {
            match regroup(client, shared, attempts).await {
                Ok(()) => continue,
                Err(error) => return error,
            }
        }
        let sendable = shared.state().queue.is_sendable();
        let answered = tokio::select! {
            answer = next(&mut stream.answers) => answer,
            slot = stream.asks.reserve(), if sendable => {
                let Ok(slot) = slot else {
                    // The transport dropped the requests: the answers say why.
                    let ended = next(&mut stream.answers).await;
                    return ended.err().unwrap_or(ClientError::Lost("stream ended".to_owned()));
                };
                if let Some(message) = next_message(shared) {
                    slot.send(message);
                }
                continue;
            }
            () = shared.work.notified(), if !sendable => continue,
        };
        let answered = match answered {
            Ok(Answer::Ack(ack)) => take_answer(shared, ack),
            Ok(Answer::Opened(_)) => Err(ClientError::Protocol("the stream is open".to_owned())),
            Err(error) => Err(error),
        };
        match answered {
            Err(error) => return error,
            Ok(Answered { pause: Some(Pause { asked, error }), .. }) => {
                let Some(delay) = attempts.next_delay(asked) else { return error };
                wait(delay).await;
            }
            Ok(Answered { stale_routes: true, .. }) => refresh(client, shared).await,
            Ok(_) => attempts.progress(),
        }
    }
}

fn next_message(shared: &Shared) -> Option<v1::PublishStreamRequest> {
    let mut block = shared.state().queue.take()?;
    block.body_crc = crc32c(&block.body);
    Some(v1::PublishStreamRequest { message: Some(Ask::Block(block)) })
}

fn take_answer(shared: &Shared, ack: v1::PublishAck) -> Result<Answered, ClientError> {
    let mut state = shared.state();
    let request_id = ack.request_id;
    let answered = state.queue.answered(ack).ok_or_else(|| {
        ClientError::Protocol(format!("an answer to request {request_id}, which is not open"))
    })?;
    let idle = state.queue.is_empty();
    drop(state);
    shared.room.add_permits(answered.freed);
    if idle {
        shared.idle.notify_waiters();
    }
    Ok(answered)
}

/// Describes again; when that fails, the next refusal asks again.
async fn refresh(client: &Client, shared: &Shared) {
    if let Ok(described) = client.describe().await {
        set_routes(shared, described);
    }
}

/// Describes again and groups anew what was refused for its partition count.
async fn regroup(
    client: &Client,
    shared: &Shared,
    attempts: &mut Attempts,
) -> Result<(), ClientError> {
    let Some(delay) = attempts.next_delay(None) else {
        let detail = "the service refuses the partition counts that it describes";
        return Err(ClientError::Protocol(detail.to_owned()));
    };
    wait(delay).await;
    set_routes(shared, client.describe().await?);
    Ok(())
}

fn set_routes(shared: &Shared, described: v1::DescribeResponse) {
    let routes = Routes::new(described, shared.options.topic.clone());
    let mut state = shared.state();
    let freed = state.queue.set_routes(routes);
    let idle = state.queue.is_empty();
    drop(state);
    shared.room.add_permits(freed);
    if idle {
        shared.idle.notify_waiters();
    }
}
