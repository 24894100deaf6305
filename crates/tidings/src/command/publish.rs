//! `tidings publish`: events from a file or stdin, one canonical JSON document a line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;

use rand::RngExt;
use serde_json::json;
use tidings_client::{Client, ClientError, Placed, Publisher, PublisherOptions, Receipt};
use tidings_event::{Clock, SystemClock, format_event_id, json as event_json, new_event_id};

use crate::cli::PublishArgs;
use crate::failure::Failure;
use crate::output;

/// Receipts held before the oldest is waited for.
const PENDING_MAX: usize = 16_384;

pub(super) async fn run(args: PublishArgs, json: bool) -> Result<(), Failure> {
    let input = open(args.file.as_deref())?;
    let client = Client::connect(&args.server.server).await?;
    let options = PublisherOptions {
        producer_id: args.producer,
        topic: args.topic,
        ..PublisherOptions::default()
    };
    let publisher = client.publisher(options).await?;
    let mut run = Run { publisher, pending: VecDeque::new(), json, tally: Tally::default() };
    for (number, line) in input.lines().enumerate() {
        let line = line?;
        if !line.trim().is_empty() {
            run.take(number + 1, &line).await?;
        }
    }
    run.finish().await
}

fn open(file: Option<&Path>) -> Result<Box<dyn BufRead>, Failure> {
    match file {
        Some(path) if path != Path::new("-") => {
            let opened = std::fs::File::open(path);
            let file = opened
                .map_err(|e| Failure::Usage(format!("cannot read {}: {e}", path.display())))?;
            Ok(Box::new(BufReader::new(file)))
        }
        _ => Ok(Box::new(std::io::stdin().lock())),
    }
}

/// What became of the lines.
#[derive(Default)]
struct Tally {
    stored: u64,
    duplicates: u64,
    refused: u64,
}

struct Run {
    publisher: Publisher,
    pending: VecDeque<Pending>,
    json: bool,
    tally: Tally,
}

struct Pending {
    line: usize,
    id: String,
    receipt: Receipt,
}

impl Run {
    async fn take(&mut self, line: usize, text: &str) -> Result<(), Failure> {
        let mut event = match event_json::from_json(text.as_bytes()) {
            Ok(event) => event,
            Err(refusal) => return self.refuse(line, &refusal.into()),
        };
        if event.id.is_empty() {
            event.id =
                new_event_id(SystemClock::new().wall(), rand::rng().random()).to_vec().into();
        }
        let id =
            <[u8; 16]>::try_from(&event.id[..]).map_or(String::new(), |id| format_event_id(&id));
        match self.publisher.send_event(&event).await {
            Ok(receipt) => self.pending.push_back(Pending { line, id, receipt }),
            Err(error @ ClientError::Refused(_)) => self.refuse(line, &error)?,
            Err(error) => return Err(error.into()),
        }
        if self.pending.len() >= PENDING_MAX {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits for the oldest receipt and tells its outcome.
    async fn settle(&mut self) -> Result<(), Failure> {
        let Some(Pending { line, id, receipt }) = self.pending.pop_front() else { return Ok(()) };
        match receipt.await {
            Ok(placed) => self.tell(line, &id, &placed),
            Err(error @ ClientError::Refused(_)) => self.refuse(line, &error),
            Err(error) => Err(error.into()),
        }
    }

    fn tell(&mut self, line: usize, id: &str, placed: &Placed) -> Result<(), Failure> {
        if placed.duplicate {
            self.tally.duplicates += 1;
        } else {
            self.tally.stored += 1;
        }
        if !self.json {
            return Ok(());
        }
        output::json(&json!({
            "line": line,
            "id": id,
            "topic": &*placed.topic,
            "partition": placed.partition,
            "offset": placed.offset,
            "epoch": placed.epoch,
            "duplicate": placed.duplicate,
        }))
    }

    fn refuse(&mut self, line: usize, error: &ClientError) -> Result<(), Failure> {
        self.tally.refused += 1;
        if self.json {
            let code = error.problem().map(|problem| problem.code.as_str());
            return output::json(&json!({"line": line, "code": code, "error": error.to_string()}));
        }
        output::note(&format!("line {line}: {error}"));
        Ok(())
    }

    async fn finish(mut self) -> Result<(), Failure> {
        while !self.pending.is_empty() {
            self.settle().await?;
        }
        self.publisher.close().await?;
        let Tally { stored, duplicates, refused } = self.tally;
        if !self.json {
            output::line(&format!("{stored} stored, {duplicates} duplicates, {refused} refused"))?;
        }
        if refused > 0 {
            return Err(Failure::Failed(format!("{refused} events were refused")));
        }
        Ok(())
    }
}
