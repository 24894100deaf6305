//! Publishes: a generated market at an even pace, or bars of files as fast as they go.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tidings_client::{Client, Publisher, PublisherOptions, Receipt};
use tidings_event::v1;
use tidings_market::{
    Analyst, Author, BarReader, CsvOptions, MarketOptions, Session, SessionOptions,
};
use tokio::sync::mpsc;

use super::board::{Board, Phase};
use super::{DemoArgs, DemoError, pause};

/// Events a second of a timed run, on average.
const RATE: f64 = 25_000.0;

/// Events a timed run aims at, at least, however short it is: twice what it needs.
const AIM: f64 = 200_000.0;

/// Receipts that may be waited for.
const RECEIPTS: usize = 1 << 16;

/// Name of the producing instance.
const SOURCE: &str = "tidings-demo";

/// Bars of a file after which the restart may come.
const RESTART_AFTER: u64 = 1_000;

/// Publishes everything and waits until every event has its outcome.
pub(super) async fn run(
    client: &Client,
    board: Arc<Board>,
    args: &DemoArgs,
) -> Result<(), DemoError> {
    let id = format!("demo-{:x}", board.clock.wall().as_millis());
    let publisher = client.publisher(PublisherOptions::sequenced(id)).await?;
    let (receipts, waiting) = mpsc::channel(RECEIPTS);
    let sender = Sender { publisher, receipts, board: Arc::clone(&board) };
    let publishing = async {
        if args.csv.is_empty() {
            sender.market(args).await?;
        } else {
            sender.files(args).await?;
        }
        sender.publisher.close().await.map_err(DemoError::from)
    };
    let (published, ()) = tokio::join!(publishing, settle(waiting, &board));
    published
}

/// Counts outcomes in the order of the events.
async fn settle(mut waiting: mpsc::Receiver<Receipt>, board: &Board) {
    while let Some(receipt) = waiting.recv().await {
        match receipt.await {
            Ok(placed) => board.count_published(&placed.topic),
            Err(_) => {
                board.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

struct Sender {
    publisher: Publisher,
    receipts: mpsc::Sender<Receipt>,
    board: Arc<Board>,
}

impl Sender {
    async fn market(&self, args: &DemoArgs) -> Result<(), DemoError> {
        let instruments = args.instruments as usize;
        let market = MarketOptions { instruments, ..MarketOptions::default() };
        let mut session = Session::new(&SessionOptions { market, source: SOURCE.to_owned() });
        let rate = RATE.max(AIM / args.duration.as_secs_f64());
        // About as many events as an average minute has: the day's U shows in the rate.
        let minute = Duration::from_secs_f64((args.instruments as f64 * 1.2 + 30.0) / rate);
        let start = self.board.clock.monotonic();
        let mut due = start;
        let mut events = Vec::new();
        while due - start < args.duration && self.board.clock.monotonic() - start < args.duration {
            session.minute(self.board.clock.wall(), &mut events);
            self.send(&mut events).await?;
            due += minute;
            let now = self.board.clock.monotonic();
            // On a slow machine the market falls behind the clock, and the clock ends the run.
            if now.max(due) - start > args.duration / 2 {
                self.board.enter(Phase::Half);
            }
            if let Some(early) = due.checked_sub(now).filter(|early| !early.is_zero()) {
                pause(early).await;
            }
        }
        Ok(())
    }

    async fn files(&self, args: &DemoArgs) -> Result<(), DemoError> {
        let options = CsvOptions {
            instrument: args.instrument.clone(),
            timeframe: args.timeframe,
            venue: args.venue.clone(),
            stamp: args.time,
        };
        self.board.keep_rows.store(true, Ordering::Relaxed);
        let mut author = Author::new(SOURCE, self.board.clock.wall().0);
        let (mut events, mut bars) = (Vec::new(), 0);
        for path in &args.csv {
            let reader = BarReader::open(path, &options)?;
            let mut analyst = Analyst::new(reader.series().clone());
            for bar in reader {
                let now = self.board.clock.wall();
                analyst.finished(&bar?, &mut author, now, &mut events);
                self.send(&mut events).await?;
                bars += 1;
                if bars == RESTART_AFTER {
                    self.board.enter(Phase::Half);
                }
            }
        }
        self.board.enter(Phase::Half);
        Ok(())
    }

    async fn send(&self, events: &mut Vec<v1::Event>) -> Result<(), DemoError> {
        for event in events.drain(..) {
            let receipt = self.publisher.send(tidings_event::encode(&event)).await?;
            let gone = |_| DemoError::Task("nobody counts receipts".to_owned());
            self.receipts.send(receipt).await.map_err(gone)?;
        }
        Ok(())
    }
}
