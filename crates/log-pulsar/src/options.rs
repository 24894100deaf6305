//! What the engine can be told, and why it may refuse to open.

mod rules;

use std::time::Duration;

use tidings_event::Term;

pub use rules::OptionError;
pub(crate) use rules::shown;

use crate::examine::Observation;
use crate::security::{CredentialError, LinkFault, Security};

/// Settings of the engine. The defaults are meant for production.
#[derive(Clone, Debug)]
pub struct PulsarOptions {
    /// Where the broker listens: `pulsar://host:6650`, `pulsar+ssl://host:6651`.
    pub url: String,
    /// Where its admin interface listens: `http://host:8080`, `https://host:8443`.
    pub admin_url: String,
    /// How the link to both is secured.
    pub security: Security,
    /// Whose the topics are.
    pub tenant: String,
    /// Where the topics are. The engine sets its policies; nothing else belongs into it.
    pub namespace: String,
    /// The term that was granted to this owner; without one it takes the next after the last.
    pub term: Option<Term>,
    /// A group is sent when it has so many bytes, or when there is nothing more to put in.
    pub group_bytes: usize,
    /// Most groups under way to the broker, in each journal.
    pub window: usize,
    /// Most bytes a journal's queue may hold, those under way included.
    pub queue_bytes_max: u64,
    /// Bytes of recent blocks kept in memory for each journal.
    pub ring_bytes: usize,
    /// How long opening puts up with a broker that does not answer.
    pub start_max: Duration,
    /// How long the broker may take to answer before the connection is given up.
    pub answer_max: Duration,
    /// How long a close waits for what is under way.
    pub close_max: Duration,
    /// Sends every connection to a broker elsewhere.
    #[cfg(any(test, feature = "test-util"))]
    pub detour: Option<std::net::SocketAddr>,
}

impl Default for PulsarOptions {
    fn default() -> Self {
        Self {
            url: "pulsar://127.0.0.1:6650".to_owned(),
            admin_url: "http://127.0.0.1:8080".to_owned(),
            security: Security::default(),
            tenant: "tidings".to_owned(),
            namespace: "log".to_owned(),
            term: None,
            group_bytes: 64 << 10,
            window: 64,
            queue_bytes_max: 64 << 20,
            ring_bytes: 32 << 20,
            start_max: Duration::from_secs(30),
            answer_max: Duration::from_secs(15),
            close_max: Duration::from_secs(20),
            #[cfg(any(test, feature = "test-util"))]
            detour: None,
        }
    }
}

/// Why a log on Pulsar could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No connection, or none that lasted.
    #[error("cannot reach Pulsar at {url}: {reason}")]
    Unreachable {
        /// Where it should be.
        url: String,
        /// What happened.
        reason: String,
    },
    /// It is there, and is not who it should be, or lets nobody in.
    #[error("cannot use Pulsar at {url}: {fault}")]
    Link {
        /// Where it is.
        url: String,
        /// What is in the way.
        fault: LinkFault,
    },
    /// What secures the link cannot be used.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// The admin interface refused.
    #[error("Pulsar's admin interface answered {status} to {request}: {answer}")]
    Refused {
        /// What was asked.
        request: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        answer: String,
    },
    /// Another owner opened the same log meanwhile.
    #[error("another owner took the log over while it was being opened: only one may own it")]
    Taken,
    /// The log had or has an owner of this term or of a later one.
    #[error(
        "the log shows term {newest}, and this owner was granted {granted}: it is an older word, and takes nothing; \
         wait for the next grant"
    )]
    Outdated {
        /// What was granted.
        granted: Term,
        /// What the log shows.
        newest: Term,
    },
    /// Another log is being copied there, and not all of it is.
    #[error(
        "namespace {namespace} holds a log that is still being copied there: not all of it is there yet"
    )]
    Unfinished {
        /// Tenant and namespace.
        namespace: String,
    },
    /// The log that is to be copied there was so before, and was not served since.
    #[error("namespace {namespace} holds this log already: it was copied before, as a whole")]
    Finished {
        /// Tenant and namespace.
        namespace: String,
    },
    /// A log can only be copied to where nothing is.
    #[error("namespace {namespace} is not empty: it holds {holds}")]
    Occupied {
        /// Tenant and namespace.
        namespace: String,
        /// What is there.
        holds: &'static str,
    },
    /// The cluster cannot keep what the log promises.
    #[error("this Pulsar cannot keep what is promised: {}", told(.0))]
    Unkept(Vec<Observation>),
    /// The topic holds what this version does not know.
    #[error("topic {topic}: {reason}")]
    Unreadable {
        /// The topic.
        topic: String,
        /// What is wrong.
        reason: String,
    },
}

fn told(broken: &[Observation]) -> String {
    let told =
        |it: &Observation| format!("{}: {}, and {}: {}", it.about, it.found, it.why, it.remedy);
    broken.iter().map(told).collect::<Vec<_>>().join("; ")
}
