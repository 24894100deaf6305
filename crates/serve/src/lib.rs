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
mod body;
mod caller;
mod connection;
mod doors;
mod grpc;
mod limits;
mod probe;
mod refusals;
mod refused;
mod rest;
mod server;

pub use doors::Parts;
pub use limits::Limits;
pub use server::{ServeError, Server};
