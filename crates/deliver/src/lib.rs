//! The way out: durable subscriptions, their consumers, and the last value of everything.
//!
//! One live reader follows each journal and hands its blocks to the subscriptions that take their
//! topics. A subscription keeps a bounded queue of them; one that fell behind reads the log, with
//! the same code; those with filters that are behind read it together (`catch_up`). What may be sent, what is in flight and what is settled is decided by pure state
//! machines (`window`, `feed`, `slot`, `state`); a thin shell around them waits, reads the log and
//! keeps time. Acks are confirmed once the cursor that covers them is durable, never before.
//! `docs/spec/delivery.md` is the promise.

mod ack_id;
mod backoff;
mod backtest;
mod burying;
mod catch_up;
mod changed;
mod cursor;
mod dead_letter;
mod deliver;
mod ends;
mod ephemeral;
mod feed;
mod fold;
mod gates;
#[cfg_attr(not(test), expect(dead_code, reason = "live subscriptions share by it next"))]
mod group;
mod health;
mod internal_writer;
mod last_value;
mod live;
mod lookout;
mod matching;
mod nack;
mod outgoing;
mod progress;
mod pull;
mod reader;
mod redriver;
mod registry;
mod routes;
mod runs;
mod saver;
mod sent;
mod session;
mod settings;
mod settlement;
mod slot;
mod slots;
mod spans;
mod stage;
mod state;
mod unused;
mod watch;
mod window;

pub use ack_id::{AckId, AckState};
pub use backtest::{
    BACKTEST_PARTITIONS_MAX, BACKTEST_SAMPLES_MAX, Backtest, BacktestReport, Compared,
    MatchedEvent, Peak, Selector, TopicCount, Volume, backtest,
};
pub use dead_letter::{
    Attempt, AttemptOutcome, Chosen, DeadLetter, DeadLetterCounts, LetterState, Reason, Selection,
};
pub use deliver::{Deliver, EventOutcome};
pub use health::{Health, Thresholds};
pub use last_value::{LastValue, LastValueQuery, LastValues};
pub use nack::Nack;
pub use outgoing::{
    Delivery, Digest, GapNotice, GapReason, MemberStatus, Outgoing, Pulled, PulledEvent, Run,
    SubscriptionState, SubscriptionStatus,
};
pub use pull::{AckRequest, PullRequest};
pub use session::{Attach, Reading, Session, SessionId, Turn};
pub use settings::{DeliverError, DeliverSettings, IN_FLIGHT_BYTES};
pub use settlement::{Discard, Outcome};
pub use watch::Watch;
