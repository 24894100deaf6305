//! The doors, driven over a real socket: a gRPC client, and HTTP written byte by byte.

#![expect(clippy::unwrap_used, reason = "in a test, what is not there fails it")]

mod bad_input;
mod connections;
mod consume;
mod consume_many;
mod grpc_admin;
mod grpc_analysis;
mod grpc_calls;
mod grpc_health;
mod harness;
mod inside;
mod memory;
mod publish;
mod rest;
mod shapes;
mod sse;
mod trace;
mod ws;
mod ws_framed;
