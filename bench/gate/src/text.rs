//! Events in over HTTP as text: canonical JSON, a line an event or an array, in requests made before.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::future::try_join_all;
use http::StatusCode;
use tidings_event::{Clock, SystemClock, json};
use tidings_market::{Load, LoadOptions};

use crate::answer::send;
use crate::error::GateError;
use crate::node::Node;

/// Events of one request.
const BATCH: usize = 500;

/// Requests of a window, all on their way at once.
const REQUESTS: usize = 4;

/// How the events of a request are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Lines,
    Array,
}

/// See the module.
pub(crate) struct Texts {
    form: Form,
    ready: VecDeque<[Bytes; REQUESTS]>,
}

impl Texts {
    /// So many windows of the dense load.
    pub(crate) fn new(form: Form, windows: usize) -> Result<Self, GateError> {
        let mut load = Load::new(LoadOptions::DENSE);
        let ready = (0..windows).map(|_| {
            let mut bodies: [Bytes; REQUESTS] = Default::default();
            for body in &mut bodies {
                *body = form.body(&mut load)?;
            }
            Ok::<_, GateError>(bodies)
        });
        Ok(Self { form, ready: ready.collect::<Result<_, _>>()? })
    }

    /// Sends a window; once all of it is durable, says how many events it held.
    pub(crate) async fn window(&mut self, node: &Node) -> Result<u64, GateError> {
        let Some(bodies) = self.ready.pop_front() else {
            return Err(GateError::check("more windows were asked for than were made"));
        };
        let media = self.form.media();
        let post = |body| send(node, "/api/v1/events", media, body, StatusCode::OK);
        try_join_all(bodies.map(post)).await?;
        Ok((BATCH * REQUESTS) as u64)
    }
}

impl Form {
    const fn media(self) -> &'static str {
        match self {
            Self::Lines => "application/x-ndjson",
            Self::Array => "application/json",
        }
    }

    fn body(self, load: &mut Load) -> Result<Bytes, GateError> {
        let now = SystemClock::new().wall();
        let texts = (0..BATCH).map(|_| json::to_json(load.next_event(now).bytes));
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        Ok(match self {
            Self::Lines => texts.join("\n").into(),
            Self::Array => format!("[{}]", texts.join(",")).into(),
        })
    }
}
