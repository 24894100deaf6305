//! `grpc.health.v1.Health`: each service's status follows what it needs, and a watch ends with the
//! service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{Stream, unfold};
use tidings_event::{Code, Refusal};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::doors::Doors;
use crate::grpc::Ask;
use crate::probe::Readiness;
use crate::refusals;

/// Between two looks of a watch. Watches share one probe a second.
const PACE: Duration = Duration::from_secs(1);

/// What one name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// Needs to write everything: the service as a whole, and publishing.
    Writing,
    /// Needs the state journal only: cursors and the catalog.
    State,
    /// Serves while the process does.
    Reading,
    /// Needs the last values.
    LastValues,
}

/// The names that health checks ask for.
const NAMES: [(&str, Named); 6] = [
    ("", Named::Writing),
    ("tidings.v1.Publisher", Named::Writing),
    ("tidings.v1.Consumer", Named::State),
    ("tidings.v1.Admin", Named::State),
    ("tidings.v1.Admin/GetLastValue", Named::LastValues),
    ("tidings.v1.AnalysisStream", Named::Reading),
];

pub(crate) struct HealthDoor(pub(crate) Arc<Doors>);

#[tonic::async_trait]
impl Health for HealthDoor {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let ask = Ask::of(&request);
        let service = request.into_inner().service;
        let named = named(&service).ok_or_else(|| ask.status(&unknown(&service)))?;
        Ok(Response::new(message(status(&self.0, named).await)))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let ask = Ask::of(&request);
        let named = named(&request.into_inner().service);
        let watch = Watch { doors: Arc::clone(&self.0), ask, named, said: None };
        Ok(Response::new(Box::pin(unfold(Some(watch), |watch| async { watch?.next().await }))))
    }
}

fn named(service: &str) -> Option<Named> {
    NAMES.iter().find(|(name, _)| *name == service).map(|(_, named)| *named)
}

fn unknown(service: &str) -> Refusal {
    let shown: String = service.chars().take(80).collect();
    let names: Vec<&str> = NAMES[1..].iter().map(|(name, _)| *name).collect();
    Refusal::new(Code::RouteUnknown, format!("there is no service `{shown}`"))
        .at_field("service")
        .with_hint(names.join(", "))
}

fn message(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}

async fn status(doors: &Doors, named: Named) -> ServingStatus {
    if doors.stop.is_cancelled() {
        return ServingStatus::NotServing;
    }
    let is_serving = match named {
        Named::Reading => true,
        Named::LastValues => doors.parts.deliver.last_values().check_rebuilt().is_ok(),
        Named::State => doors.probe.readiness().await.state_journal.is_ok(),
        Named::Writing => is_writable(&doors.probe.readiness().await),
    };
    if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing }
}

fn is_writable(readiness: &Readiness) -> bool {
    readiness.state_journal.is_ok() && readiness.journals.is_ok()
}

/// A stream of changes of one status.
struct Watch {
    doors: Arc<Doors>,
    ask: Ask,
    /// None for a name that does not exist: it may in a later version.
    named: Option<Named>,
    said: Option<ServingStatus>,
}

type Watched = (Result<HealthCheckResponse, Status>, Option<Watch>);

impl Watch {
    /// The next change; after a stop, that it does not serve, and then the end.
    async fn next(mut self) -> Option<Watched> {
        loop {
            let is_stopping = self.doors.stop.is_cancelled();
            let now = match self.named {
                Some(named) => status(&self.doors, named).await,
                None => ServingStatus::ServiceUnknown,
            };
            if self.said != Some(now) {
                self.said = Some(now);
                return Some((Ok(message(now)), Some(self)));
            }
            if is_stopping {
                return Some((Err(self.ask.status(&refusals::shutting_down())), None));
            }
            tokio::select! {
                () = self.doors.timer.after(PACE) => {}
                () = self.doors.stop.cancelled() => {}
            }
        }
    }
}
