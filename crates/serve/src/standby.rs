//! The doors of a node that owns no log: it lives, says who owns the log, and refuses the rest.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use http::StatusCode;
use tidings_event::{Clock, Code, Refusal};
use tidings_telemetry::{Memory, Recorder};
use tidings_wire::rest::ClusterDocument;
use tokio_util::sync::CancellationToken;

use crate::answer::{Road, Surroundings};
use crate::in_force::LiveLimits;
use crate::origin::Origins;
use crate::rest::Answer;
use crate::rest::ask::json;
use crate::rest::health;
use crate::server::{self, Port};
use crate::standing::Standing;

/// After so long who asked may look again: an opening takes about that.
const RETRY_AFTER_MS: u64 = 250;

/// See the module.
pub struct Standby {
    /// Where it stands.
    pub port: Port,
    /// How it stands among the others.
    pub standing: Arc<dyn Standing>,
    /// Counts and times.
    pub recorder: Arc<Recorder>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What clients may cost, now.
    pub limits: LiveLimits,
    /// Whose web pages may ask.
    pub origins: Origins,
}

/// What its routes answer from.
#[derive(Clone)]
struct Known {
    standing: Arc<dyn Standing>,
    recorder: Arc<Recorder>,
}

impl Standby {
    /// Answers until `stop`; then lets requests finish within the drain limit.
    pub async fn run(self, stop: CancellationToken) {
        let Self { port, standing, recorder, clock, limits, origins } = self;
        let known = Known { standing: Arc::clone(&standing), recorder: Arc::clone(&recorder) };
        let surroundings = Surroundings {
            recorder,
            clock,
            limits: limits.clone(),
            origins,
            memory: Memory::default(),
            standing: Some(Arc::new(Outside(standing))),
        };
        let rest = Router::new()
            .route("/livez", get(health::livez))
            .route("/metrics", get(metrics))
            .route("/api/v1/cluster", get(cluster))
            .with_state(known);
        server::run(port, Road::without_doors(surroundings, rest), limits, stop).await;
    }
}

async fn metrics(State(known): State<Known>) -> Response {
    health::counts(&known.recorder)
}

async fn cluster(State(known): State<Known>) -> Answer {
    json(StatusCode::OK, &known.standing.document())
}

/// Without doors nothing is answered for, also when what is owned has its doors in a moment.
struct Outside(Arc<dyn Standing>);

impl Standing for Outside {
    fn document(&self) -> ClusterDocument {
        self.0.document()
    }

    fn refusal(&self) -> Option<Refusal> {
        let opening = || {
            let detail = "this node opens its doors: it owns the log now";
            Refusal::new(Code::NotReady, detail).at_field("owner").retry_after_ms(RETRY_AFTER_MS)
        };
        Some(self.0.refusal().unwrap_or_else(opening))
    }
}
