//! The doors: gRPC, REST, health and metrics on one port, over HTTP/1.1 and HTTP/2 with prior
//! knowledge.
//!
//! Every request takes the same road ([`Server`] accepts, `connection` speaks HTTP, `answer` gives
//! it a request id, a caller, a count and a caught panic), then goes to the gRPC or the REST
//! routes. What is refused leaves as a problem: RFC 9457 over REST, the same content in the
//! details of a gRPC status.
//!
//! Nothing here decides about events: doors translate and call the stages.

mod answer;
mod bare;
mod body;
mod caller;
mod connection;
mod consuming;
mod dead_letters;
mod doors;
mod etag;
mod finding;
mod forms;
mod grpc;
mod guarantees;
mod handover;
mod in_force;
mod inside;
mod limits;
mod openapi;
mod origin;
mod page;
mod places;
mod probe;
mod refusals;
mod refused;
mod rest;
mod server;
mod spans;
mod sse;
mod standby;
mod standing;
mod stored;
mod subscribing;
mod ws;

pub use doors::Parts;
pub use forms::Forms;
pub use in_force::{LiveLimits, ShownConfig};
pub use inside::Inside;
pub use limits::Limits;
pub use origin::{OriginError, Origins};
pub use server::{Port, ServeError, Server};
pub use standby::Standby;
pub use standing::Standing;
