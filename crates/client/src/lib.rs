//! The Rust SDK of Tidings.
//!
//! A [`Client`] holds one connection. Its [`Publisher`] groups events into blocks, sends them as
//! credit allows and repeats what was not answered without storing anything twice. Its [`Consumer`]
//! takes deliveries, tops up credit by itself and confirms acknowledgements; many [`Consumers`] may share
//! one stream. An [`Analysis`] stream
//! gives what is published from now on and keeps no place. [`Rest`] makes the
//! calls that have no stream: topics, subscriptions, pull, last values.
//!
//! ```no_run
//! use tidings_client::{Client, ConsumerEvent, ConsumerOptions, PublisherOptions};
//!
//! # async fn example(event: &[u8]) -> Result<(), tidings_client::ClientError> {
//! let client = Client::connect("http://127.0.0.1:8080").await?;
//!
//! let publisher = client.publisher(PublisherOptions::sequenced("rsi-service-1")).await?;
//! let placed = publisher.send(event).await?.await?;
//! println!("stored as {} of {}/{}", placed.offset.unwrap_or(0), placed.topic, placed.partition);
//! publisher.close().await?;
//!
//! let mut consumer = client.consumer(ConsumerOptions::new("prediction", "worker-1")).await?;
//! while let Some(next) = consumer.next().await {
//!     if let ConsumerEvent::Events(delivered) = next? {
//!         for event in delivered.events() {
//!             println!("{} bytes", event?.event.len());
//!         }
//!         consumer.ack_up_to(delivered.last_position()).await?;
//!     }
//! }
//! # Ok(())
//! # }
//! ```

mod analysis;
mod backoff;
mod connection;
mod consumer;
mod error;
mod matrix;
mod publisher;
mod rest;
mod servers;

pub use analysis::{Analysis, AnalysisEvent, AnalysisItem, AnalysisOptions};
pub use backoff::Backoff;
pub use connection::Client;
pub use consumer::{
    Compression, Confirmed, Consumer, ConsumerEvent, ConsumerOptions, Consumers, Delivered,
    DeliveredEvent, Extended, Gap, Run, Transport,
};
pub use error::{ClientError, Problem};
pub use matrix::{Assembly, MatrixError, split};
pub use publisher::{BlockPlaced, BlockReceipt, Placed, Publisher, PublisherOptions, Receipt};
pub use rest::{LastValue, PulledBatch, Rest};
pub use tidings_wire::{rest as documents, v1};
