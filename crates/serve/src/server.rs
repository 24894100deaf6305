//! Accepting connections, and ending them in order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tidings_telemetry::Timer;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::answer::Road;
use crate::connection;
use crate::consuming::encoded::{Encoded, KEPT_BYTES};
use crate::doors::{Doors, Parts};
use crate::forms::Forms;
use crate::in_force::LiveLimits;
use crate::places::Places;

/// Pause after a failed accept: the system is short of something that only time gives back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Why a server could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address could not be bound.
    #[error("cannot listen on {addr}: {error}; is another process using the port?")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

/// A bound port, for one server after the other. Cheap to clone; it is let go of with its last clone.
#[derive(Clone, Debug)]
pub struct Port {
    socket: Arc<TcpListener>,
    addr: SocketAddr,
}

impl Port {
    /// Binds it. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: SocketAddr) -> Result<Self, ServeError> {
        let failed = |error| ServeError::Bind { addr, error };
        let socket = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { socket: Arc::new(socket), addr })
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

/// The doors of the stages, at a port.
pub struct Server {
    port: Port,
    parts: Parts,
    forms: Forms,
}

impl Server {
    /// Binds a port of its own. Port 0 takes a free one.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn bind(addr: SocketAddr, parts: Parts) -> Result<Self, ServeError> {
        Ok(Self::at(Port::bind(addr).await?, parts))
    }

    /// At a port that is bound.
    #[must_use]
    pub fn at(port: Port, parts: Parts) -> Self {
        let forms = Forms(Arc::new(Encoded::new(KEPT_BYTES, Arc::clone(&parts.recorder))));
        Self { port, parts, forms }
    }

    /// The address it is bound to.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.port.local_addr()
    }

    /// What it keeps of what it makes of blocks, to be dropped when memory is short.
    #[must_use]
    pub fn forms(&self) -> Forms {
        self.forms.clone()
    }

    /// Serves until `stop`; then takes nothing new, lets requests finish within the drain limit,
    /// and cuts off what is left.
    ///
    /// # Errors
    /// None yet: a failed accept is waited out.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ServeError> {
        let limits = self.parts.limits.clone();
        let road = Road::new(Doors::new(self.parts, self.forms, stop.clone())).await;
        run(self.port, road, limits, stop).await;
        Ok(())
    }
}

/// Serves by a road until `stop`, and ends in order.
pub(crate) async fn run(port: Port, road: Road, limits: LiveLimits, stop: CancellationToken) {
    let places = Places::new(limits.clone(), road.recorder());
    let tasks = TaskTracker::new();
    let mut connections = JoinSet::new();
    while let Some(stream) = accept(&port.socket, &places, &stop).await {
        while connections.try_join_next().is_some() {}
        let held = (places.take(), tasks.clone());
        let (road, limits) = (road.clone(), limits.now());
        connections.spawn(connection::serve(stream, road, limits, held, stop.clone()));
    }
    drop((port, road));
    tasks.close();
    let drained = async {
        while connections.join_next().await.is_some() {}
        tasks.wait().await;
    };
    if Timer.limit(limits.now().drain, drained).await.is_err() {
        tracing::warn!("connections were cut off: they did not end within the drain limit");
    }
    connections.shutdown().await;
}

/// The next connection once there is a place for it; `None` when the server stops.
async fn accept(
    socket: &TcpListener,
    places: &Places,
    stop: &CancellationToken,
) -> Option<TcpStream> {
    let next = async {
        places.free().await;
        loop {
            match socket.accept().await {
                Ok((stream, _)) => return stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    Timer.after(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => None,
        taken = next => Some(taken),
    }
}
