//! Reading what is stored from its beginning, off the disk: the log is closed and opened in between, so that
//! nothing of it is in memory.

use std::path::Path;

use tidings_market::LoadOptions;

use crate::consume::Consumer;
use crate::error::GateError;
use crate::node::Node;
use crate::publish::{Publisher, Window};

/// Publishes windows, starts anew, and stands at the beginning. Says how many events a window held on average.
pub(crate) async fn open(
    dir: &Path,
    window: Window,
    windows: usize,
) -> Result<(Node, Consumer, u64), GateError> {
    let node = Node::open(dir).await?;
    let mut publisher = Publisher::open(&node, LoadOptions::DENSE, window, windows).await?;
    let mut events = 0;
    for _ in 0..windows {
        events += publisher.window().await?;
    }
    drop(publisher);
    node.close().await;
    let node = Node::open(dir).await?;
    let reader = Consumer::reader(&node, "replay").await?;
    Ok((node, reader, events / windows.max(1) as u64))
}
