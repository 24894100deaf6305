//! `Consumer`: `Consume`, a bidirectional stream in front of [`Consuming`], and the way to `ConsumeMany`.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{Stream, unfold};
use tidings_event::{Code, Refusal};
use tidings_wire::v1;
use tonic::{Request, Response, Status, Streaming};

use crate::consuming::{Consuming, proto};
use crate::doors::Doors;
use crate::grpc::consume_many::ConsumeManyStream;
use crate::grpc::{Ask, out_of_turn, unreadable};
use crate::refusals;

pub(crate) struct ConsumerDoor(pub(crate) Arc<Doors>);

#[tonic::async_trait]
impl v1::consumer_server::Consumer for ConsumerDoor {
    type ConsumeStream = Pin<Box<dyn Stream<Item = Result<v1::ConsumeResponse, Status>> + Send>>;
    type ConsumeManyStream =
        Pin<Box<dyn Stream<Item = Result<v1::ConsumeResponses, Status>> + Send>>;

    async fn consume(
        &self,
        request: Request<Streaming<v1::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let ask = Ask::of(&request);
        let stream = ConsumeStream {
            doors: Arc::clone(&self.0),
            ask,
            inbound: request.into_inner(),
            consuming: None,
            ended: false,
        };
        let said = unfold(stream, |mut stream| async move {
            let said = stream.next().await?;
            Some((Ok(said), stream))
        });
        Ok(Response::new(Box::pin(said)))
    }

    async fn consume_many(
        &self,
        request: Request<Streaming<v1::ConsumeRequests>>,
    ) -> Result<Response<Self::ConsumeManyStream>, Status> {
        let stream = ConsumeManyStream::new(&self.0, request);
        let said = unfold(stream, |mut stream| async move {
            let said = stream.next().await?;
            Some((Ok(said), stream))
        });
        Ok(Response::new(Box::pin(said)))
    }
}

struct ConsumeStream {
    doors: Arc<Doors>,
    ask: Ask,
    inbound: Streaming<v1::ConsumeRequest>,
    /// None until the first message named a subscription.
    consuming: Option<Consuming>,
    ended: bool,
}

impl ConsumeStream {
    /// What is said next; `None` after the end.
    async fn next(&mut self) -> Option<v1::ConsumeResponse> {
        if self.ended {
            return None;
        }
        match self.step().await {
            Ok(Some(said)) => Some(said),
            Ok(None) => None,
            Err(refusal) => {
                self.ended = true;
                self.consuming = None;
                Consuming::count_error(&self.doors);
                Some(proto::error(&refusal, &self.ask.id.0))
            }
        }
    }

    async fn step(&mut self) -> Result<Option<v1::ConsumeResponse>, Refusal> {
        if self.consuming.is_none() {
            self.open().await?;
        }
        let Some(consuming) = &mut self.consuming else { return Ok(None) };
        loop {
            tokio::select! {
                asked = self.inbound.message() => {
                    match asked.map_err(|status| unreadable(&status))? {
                        Some(request) => consuming.take(proto::asked(request)?)?,
                        None => return Ok(None),
                    }
                }
                said = consuming.next() => match said? {
                    Some(said) => if let Some(response) = proto::said(said, consuming.attachment())? {
                        return Ok(Some(response));
                    },
                    None => return Ok(None),
                },
            }
        }
    }

    async fn open(&mut self) -> Result<(), Refusal> {
        let limit = self.doors.parts.limits.now().header_read;
        let first = tokio::select! {
            first = self.doors.timer.limit(limit, self.inbound.message()) => first,
            () = self.doors.stop.cancelled() => return Err(refusals::shutting_down()),
        };
        let first = first
            .map_err(|_| Refusal::new(Code::RequestTimeout, "no first message came"))?
            .map_err(|status| unreadable(&status))?
            .ok_or_else(|| out_of_turn("the first message is `open`"))?;
        let asked = proto::asked(first)?;
        self.consuming = Some(Consuming::open(&self.doors, self.ask.tenant(), asked)?);
        Ok(())
    }
}
