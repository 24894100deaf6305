//! What every round on the real binary has: a directory, a history, two producers, every kind of
//! subscription, and at the end the checker's verdict on all that clients saw.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidings_client::documents::{RetentionDocument, TopicRequestDocument};
use tidings_e2e::mixed::{KINDS, Load, Producer, drain};
use tidings_e2e::{Chronicle, Server, Thresholds, record_stored, settlements};
use tokio::task::JoinSet;

use crate::failure::TortureError;
use crate::report::{Row, Verdict};

/// So long that the topic is in the journal for what is kept long, where nothing else is.
const LONG_SECONDS: u64 = 100 * 86_400;
/// Room of a topic that has little.
const TOPIC_BYTES: u64 = 128 << 10;
/// Who reads what lies there in the end.
const THE_LOG: &str = "the log";
/// The topic that has little.
const LITTLE_ROOM: &str = "little-room/heavy";

/// In the journal for what is kept a week.
pub(crate) const SEQUENCED: Producer = Producer {
    name: "p",
    sequenced: true,
    topic: None,
    timeframe: "1m",
    labels: 0,
    under_way: 200,
};
/// Large events, to a topic that keeps few of them.
pub(crate) const LOOSE: Producer = Producer {
    name: "u",
    sequenced: false,
    topic: Some(LITTLE_ROOM),
    timeframe: "5m",
    labels: 16,
    under_way: 150,
};

/// Where a round works.
pub(crate) struct Stage {
    pub(crate) seed: u64,
    pub(crate) dir: PathBuf,
    pub(crate) chronicle: Chronicle,
}

impl Stage {
    /// An empty directory.
    pub(crate) fn open(seed: u64, dir: &Path) -> Result<Self, TortureError> {
        if dir.exists() {
            std::fs::remove_dir_all(dir).map_err(TortureError::at(dir))?;
        }
        std::fs::create_dir_all(dir).map_err(TortureError::at(dir))?;
        let chronicle = Chronicle::open(dir);
        // It is read once all is over.
        chronicle.mark("away", Some(THE_LOG));
        Ok(Self { seed, dir: dir.to_owned(), chronicle })
    }

    /// The service's data.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// What a producer publishes in all lives.
    pub(crate) fn load(&self, producer: Producer) -> Load {
        Load::new(producer, self.chronicle.clone())
    }

    /// A topic with little room, in a journal of its own, and every kind of subscription.
    pub(crate) async fn begin(&self, server: &Server) -> Result<(), TortureError> {
        let retention = RetentionDocument { seconds: LONG_SECONDS, bytes: Some(TOPIC_BYTES) };
        let topic =
            TopicRequestDocument { retention: Some(retention), ..TopicRequestDocument::default() };
        server.client().await.rest().put_topic(LITTLE_ROOM, &topic).await?;
        KINDS.iter().for_each(|kind| kind.open(server, &self.chronicle));
        Ok(())
    }

    /// The promise was broken in this round.
    pub(crate) fn violated(&self, how: &str) -> Verdict {
        let (seed, dir) = (self.seed, self.dir.display());
        Verdict::Violated(format!("round --seed {seed} in {dir}:\n{how}"))
    }

    /// A last life in which everything is read, and the verdict on all of them.
    pub(crate) async fn judge(&self, command: Command, row: &mut Row) {
        let data = self.data();
        let server = Server::start_by(command, &data);
        drain(&server, &self.chronicle).await;
        let ended = server.terminate();
        let mut settled = settlements(&data).await;
        // The history has no deliveries of others.
        settled.retain(|s| KINDS.iter().any(|kind| kind.name == s.range.subscription.as_str()));
        self.chronicle.settled(settled);
        record_stored(&data, &self.chronicle, THE_LOG).await;
        let (report, told) = self.chronicle.report(&Thresholds::default());
        row.count("acked", report.acked as u64);
        row.count("delivered", report.deliveries as u64);
        row.count("redelivered", report.redeliveries as u64);
        if ended.code != Some(0) {
            row.verdict = self.violated(&format!("it ended with {:?}", ended.code));
        } else if report.exit_code() == 1 {
            row.verdict = self.violated(&told);
        }
    }

    /// Nothing is left of a round that proves nothing wrong.
    pub(crate) fn close(self, row: &Row) -> Result<(), TortureError> {
        if row.verdict != Verdict::Valid {
            return Ok(());
        }
        std::fs::remove_dir_all(&self.dir).map_err(TortureError::at(&self.dir))
    }
}

/// With segments so small that many begin and end, and retention every second.
pub(crate) fn tuned(mut command: Command) -> Command {
    command.env("TIDINGS_LOG__SEGMENT_BYTES_MIN", "1048576");
    command.env("TIDINGS_LOG__SEGMENT_BYTES_MAX", "1048576");
    command.env("TIDINGS_LOG__TRIM_INTERVAL_SECONDS", "1");
    command
}

/// Waits until all members have ended, by themselves or not; one that failed fails the round.
pub(crate) async fn ended(mut members: JoinSet<()>) {
    while let Some(done) = members.join_next().await {
        if let Err(error) = done
            && error.is_panic()
        {
            std::panic::resume_unwind(error.into_panic());
        }
    }
}
