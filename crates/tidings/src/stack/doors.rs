//! The doors of a stack, with who keeps the memory budget while they are open.

use tidings_serve::{Parts, Port, Server};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::build;
use crate::config::Config;
use crate::failure::Failure;
use crate::memory::pressure::Watch;

/// See the module.
pub(super) struct Doors {
    stop: CancellationToken,
    server: JoinSet<Result<(), Failure>>,
    memory: Watch,
}

impl Doors {
    /// Serves when this returns.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(super) fn open(config: &Config, parts: &Parts, port: Port) -> Result<Self, Failure> {
        let server = Server::at(port, parts.clone());
        let memory = build::pressure::keep(config, parts, server.forms()).watch();
        let memory =
            memory.map_err(|error| Failure::Failed(format!("cannot watch memory: {error}")))?;
        let stop = CancellationToken::new();
        let (mut serving, stopped) = (JoinSet::new(), stop.clone());
        serving.spawn(async move { server.run(stopped).await.map_err(Failure::failed) });
        Ok(Self { stop, server: serving, memory })
    }

    /// Resolves when the server ends by itself, which it does only by a failure.
    pub(super) async fn ended(&mut self) -> Result<(), Failure> {
        match self.server.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(error)) => Err(Failure::Failed(format!("the server failed: {error}"))),
            None => Ok(()),
        }
    }

    /// Lets nobody in any more; resolves when what was under way has ended, or was cut off.
    ///
    /// # Errors
    /// What the server failed with meanwhile.
    pub(super) async fn shut(mut self) -> Result<(), Failure> {
        self.stop.cancel();
        let served = self.ended().await;
        drop(self.memory);
        served
    }
}
