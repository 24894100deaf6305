//! The members' topic as the driver has it: what is read comes in one channel, what is said goes out by another, and
//! each end has a task of its own.

use bytes::Bytes;
use tidings_cluster::Beat;
use tidings_log_pulsar::{MembersReader, MembersTopic, MembersWriter};
use tidings_telemetry::Timer;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use std::time::Duration;

/// Records that were read and not taken in.
const READ_MAX: usize = 256;
/// After a connection that failed.
const PAUSE: Duration = Duration::from_millis(200);

/// What comes from the topic.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The next record of a node.
    Beat(Box<Beat>),
    /// What was said is stored.
    Stored,
    /// It may be or not.
    Unsent,
}

/// See the module.
pub(super) struct Members {
    heard: mpsc::Receiver<Heard>,
    said: mpsc::Sender<Bytes>,
    tasks: JoinSet<()>,
}

impl Members {
    /// From where the reader is.
    pub(super) fn start(topic: MembersTopic) -> Self {
        let MembersTopic { reader, writer, .. } = topic;
        let (hears, heard) = mpsc::channel(READ_MAX);
        // One beat is under way at a time.
        let (said, says) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        tasks.spawn(read(reader, hears.clone()));
        tasks.spawn(write(writer, says, hears));
        Self { heard, said, tasks }
    }

    /// What comes next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Heard {
        match self.heard.recv().await {
            Some(heard) => heard,
            // Both tasks run as long as this does.
            None => std::future::pending().await,
        }
    }

    /// Says something; the answer comes as `Stored` or `Unsent`. Whether there was room for it.
    pub(super) fn say(&self, beat: &Beat) -> bool {
        self.said.try_send(beat.encode().into()).is_ok()
    }

    /// Lets go of the topic.
    pub(super) async fn close(self) {
        let Self { heard, said, mut tasks } = self;
        // The writer ends with the one, the reader with the other.
        drop((heard, said));
        tasks.abort_all();
        while tasks.join_next().await.is_some() {}
    }
}

/// What a record says; nothing where it is none.
pub(super) fn beat(record: &Bytes) -> Option<Beat> {
    let read = Beat::decode(record);
    read.inspect_err(|error| tracing::warn!(%error, "ignored a record of the members' topic")).ok()
}

async fn read(mut reader: MembersReader, hears: mpsc::Sender<Heard>) {
    loop {
        match reader.next().await {
            Ok(record) => {
                let Some(beat) = beat(&record) else { continue };
                if hears.send(Heard::Beat(Box::new(beat))).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "hears nothing of the other nodes");
                Timer.after(PAUSE).await;
            }
        }
    }
}

async fn write(
    mut writer: MembersWriter,
    mut says: mpsc::Receiver<Bytes>,
    hears: mpsc::Sender<Heard>,
) {
    while let Some(record) = says.recv().await {
        let heard = match writer.append(record).await {
            Ok(()) => Heard::Stored,
            Err(error) => {
                tracing::warn!(%error, "a beat may not be stored");
                Heard::Unsent
            }
        };
        if hears.send(heard).await.is_err() {
            return;
        }
    }
}
