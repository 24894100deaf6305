//! Reading what is stored from its beginning, off the disk: the log was closed after it was written, so that
//! nothing of it is in memory.

use std::path::Path;

use tidings_market::LoadOptions;

use crate::consume::Consumer;
use crate::error::GateError;
use crate::node::Node;
use crate::publish::{Publisher, Window};

/// Publishes windows into a directory, and stops.
pub(crate) async fn store(dir: &Path, window: Window, windows: usize) -> Result<(), GateError> {
    let node = Node::open(dir).await?;
    let mut publisher = Publisher::open(&node, LoadOptions::DENSE, window, windows).await?;
    for _ in 0..windows {
        publisher.window().await?;
    }
    drop(publisher);
    node.close().await;
    Ok(())
}

/// Starts over what so many windows stored, and stands at its beginning. Says how many events a window held on
/// average.
pub(crate) async fn open(dir: &Path, windows: usize) -> Result<(Node, Consumer, u64), GateError> {
    let node = Node::open(dir).await?;
    let events = node.stored()?;
    let reader = Consumer::reader(&node, "replay").await?;
    Ok((node, reader, events / windows.max(1) as u64))
}
