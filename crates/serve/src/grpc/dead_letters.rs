//! `DeadLetters`: what could not be delivered, as REST has it.

use std::sync::Arc;

use tidings_catalog::Snapshot;
use tidings_deliver::{Chosen, DeadLetter, Selection};
use tidings_event::Refusal;
use tidings_wire::v1;
use tonic::{Request, Response, Status};

use crate::dead_letters;
use crate::doors::Doors;
use crate::grpc::{Ask, admin_messages};
use crate::page::List;

pub(crate) struct DeadLettersDoor(pub(crate) Arc<Doors>);

#[tonic::async_trait]
impl v1::dead_letters_server::DeadLetters for DeadLettersDoor {
    async fn list_dead_letters(
        &self,
        request: Request<v1::ListDeadLettersRequest>,
    ) -> Result<Response<v1::ListDeadLettersResponse>, Status> {
        let ask = Ask::of(&request);
        let listed = self.list(ask.tenant(), request.into_inner()).await;
        listed.map(Response::new).map_err(|refusal| ask.status(&refusal))
    }

    async fn get_dead_letter(
        &self,
        request: Request<v1::GetDeadLetterRequest>,
    ) -> Result<Response<v1::DeadLetter>, Status> {
        let ask = Ask::of(&request);
        let found = self.get(ask.tenant(), request.into_inner()).await;
        found.map(Response::new).map_err(|refusal| ask.status(&refusal))
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<v1::DeadLetterSelection>,
    ) -> Result<Response<v1::DeadLettersChanged>, Status> {
        let (ask, asked) = (Ask::of(&request), request.into_inner());
        let deliver = &self.0.parts.deliver;
        let changed =
            async { deliver.redrive(ask.tenant(), &asked.subscription, selection(&asked)?).await };
        changed.await.map(changed_message).map_err(|refusal| ask.status(&refusal))
    }

    async fn discard_dead_letters(
        &self,
        request: Request<v1::DeadLetterSelection>,
    ) -> Result<Response<v1::DeadLettersChanged>, Status> {
        let (ask, asked) = (Ask::of(&request), request.into_inner());
        let deliver = &self.0.parts.deliver;
        let changed =
            async { deliver.discard(ask.tenant(), &asked.subscription, selection(&asked)?).await };
        changed.await.map(changed_message).map_err(|refusal| ask.status(&refusal))
    }
}

impl DeadLettersDoor {
    async fn list(
        &self,
        tenant: &str,
        asked: v1::ListDeadLettersRequest,
    ) -> Result<v1::ListDeadLettersResponse, Refusal> {
        let page = admin_messages::page(List::DeadLetters, asked.page)?;
        let listed = dead_letters::list(&self.0, (tenant, &asked.subscription), &page).await?;
        let snapshot = self.0.parts.catalog.snapshot();
        let letters = listed.letters.into_iter().map(|letter| message(letter, &snapshot));
        Ok(v1::ListDeadLettersResponse {
            dead_letters: letters.collect(),
            next: listed.next.unwrap_or_default(),
            letters: listed.counts.letters,
            bytes: listed.counts.bytes,
        })
    }

    async fn get(
        &self,
        tenant: &str,
        asked: v1::GetDeadLetterRequest,
    ) -> Result<v1::DeadLetter, Refusal> {
        let position = dead_letters::position(&asked.position, "position")?;
        let parts = &self.0.parts;
        let letter = parts.deliver.dead_letter(tenant, &asked.subscription, position).await?;
        Ok(message(letter, &parts.catalog.snapshot()))
    }
}

fn selection(asked: &v1::DeadLetterSelection) -> Result<Selection, Refusal> {
    fn said(text: &str) -> Option<&str> {
        Some(text).filter(|text| !text.is_empty())
    }
    dead_letters::selection(&asked.positions, (said(&asked.from), said(&asked.to)), asked.all)
}

fn changed_message(chosen: Chosen) -> Response<v1::DeadLettersChanged> {
    let missing = chosen.missing.iter().map(ToString::to_string).collect();
    Response::new(v1::DeadLettersChanged { letters: chosen.letters, missing })
}

fn message(letter: DeadLetter, snapshot: &Snapshot) -> v1::DeadLetter {
    let position = letter.position;
    let topic = snapshot.topic_by_id(position.topic);
    let attempts = letter.attempts.into_iter().map(|attempt| v1::FailedAttempt {
        at: attempt.at.0,
        consumer: attempt.consumer.into(),
        outcome: attempt.outcome.as_str().to_owned(),
        detail: attempt.detail.into(),
    });
    v1::DeadLetter {
        position: position.to_string(),
        topic: topic.map_or_else(String::new, |topic| topic.name.path().to_owned()),
        partition: position.partition.0,
        offset: position.offset.0,
        event: letter.event.unwrap_or_default(),
        reason: letter.reason.as_str().to_owned(),
        state: letter.state.as_str().to_owned(),
        dead_since: letter.dead_since.0,
        attempts: attempts.collect(),
    }
}
