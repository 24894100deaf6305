//! What goes over the wire: generated gRPC services, REST documents, problem documents.
//!
//! The only place where API types are serialisable. Nothing here decides anything: documents are
//! read strictly ([`input`]), refusals become problems of each protocol ([`problem`]), times and
//! durations are spelled ([`spelling`]).

pub mod codec;
pub mod framed;
pub mod input;
pub mod problem;
pub mod rest;
pub mod spelling;
pub mod stream;
pub mod v1;

pub use problem::ProblemDocument;
