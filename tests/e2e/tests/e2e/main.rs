//! The one end-to-end test binary: the real executable, driven as users drive it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

mod api;
mod bad_input;
mod command_line;
mod crash;
mod damage;
mod definitions;
mod demo;
mod doctor;
mod features;
mod fixture;
mod go;
mod grpc;
mod guide;
mod idle;
mod intervals;
mod key_seq;
mod kinds;
mod node;
mod openapi;
mod operate;
mod order;
mod python;
mod refusals;
mod reload;
mod rest;
mod road;
mod shapes;
mod sharing;
mod shown;
mod streams;
mod trace;
mod tracing;
