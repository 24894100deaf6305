//! What goes over the wire: generated gRPC services, REST documents, problem documents.
//!
//! The only place where API types are serialisable. Nothing here decides anything.

pub mod v1;
