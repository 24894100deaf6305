//! The doors without a port: requests are answered in the process that makes them, on the road that all
//! others take. What a connection costs is left out, so that what the service costs can be told from it.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::Request;
use tokio_util::sync::CancellationToken;

use crate::answer::Road;
use crate::connection::PublishCredit;
use crate::consuming::encoded::{Encoded, KEPT_BYTES};
use crate::doors::{Doors, Parts};
use crate::forms::Forms;
use crate::in_force::LiveLimits;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Inside {
    road: Road,
    limits: LiveLimits,
}

impl Inside {
    /// Opens the doors of these stages until `stop`: then streams end, and nothing new is taken.
    pub async fn open(parts: Parts, stop: CancellationToken) -> Self {
        let limits = parts.limits.clone();
        let forms = Forms(Arc::new(Encoded::new(KEPT_BYTES, Arc::clone(&parts.recorder))));
        Self { road: Road::new(Doors::new(parts, forms, stop)).await, limits }
    }

    /// Answers a request as if it came on a connection of its own.
    pub async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let mut request = request.map(Body::new);
        let credit = PublishCredit::new(self.limits.now().publish_credit);
        request.extensions_mut().insert(credit);
        self.road.clone().answer(request).await
    }
}
