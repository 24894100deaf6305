//! `Consumer.ConsumeMany`: a bidirectional stream in front of [`Many`].

use std::sync::Arc;

use tidings_event::Refusal;
use tidings_wire::v1;
use tonic::{Request, Streaming};

use crate::consuming::many::Many;
use crate::consuming::{Consuming, proto};
use crate::doors::Doors;
use crate::grpc::{Ask, unreadable};

pub(super) struct ConsumeManyStream {
    doors: Arc<Doors>,
    ask: Ask,
    inbound: Streaming<v1::ConsumeRequests>,
    /// None after the end.
    many: Option<Many>,
}

impl ConsumeManyStream {
    pub(super) fn new(
        doors: &Arc<Doors>,
        request: Request<Streaming<v1::ConsumeRequests>>,
    ) -> Self {
        let ask = Ask::of(&request);
        let many = Some(Many::new(doors, ask.clone()));
        Self { doors: Arc::clone(doors), ask, inbound: request.into_inner(), many }
    }

    /// What is said next; `None` after the end.
    pub(super) async fn next(&mut self) -> Option<v1::ConsumeResponses> {
        match self.step().await {
            Ok(said) => said,
            Err(refusal) => {
                self.many = None;
                Consuming::count_error(&self.doors);
                let error = proto::error(&refusal, &self.ask.id.0);
                Some(v1::ConsumeResponses { responses: vec![error] })
            }
        }
    }

    async fn step(&mut self) -> Result<Option<v1::ConsumeResponses>, Refusal> {
        let Some(many) = &mut self.many else { return Ok(None) };
        loop {
            tokio::select! {
                asked = self.inbound.message() => {
                    match asked.map_err(|status| unreadable(&status))? {
                        Some(requests) => many.take(requests)?,
                        None => return Ok(None),
                    }
                }
                said = many.next() => return said.map(Some),
            }
        }
    }
}
