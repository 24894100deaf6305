//! The doors, driven over a real socket: a gRPC client, and HTTP written byte by byte.

mod bad_input;
mod consume;
mod harness;
mod publish;
mod rest;
