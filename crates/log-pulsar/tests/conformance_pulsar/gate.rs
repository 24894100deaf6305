//! What every connection to the broker goes through: it can hold back what either side says, or cut them all.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// See the module. Gone, it takes its connections with it.
pub(crate) struct Gate {
    pub(crate) at: SocketAddr,
    answers: watch::Sender<bool>,
    requests: watch::Sender<bool>,
    /// Each connection listens to the one there was when it came, as long as it lives.
    cut: Arc<Mutex<watch::Sender<()>>>,
    _passing: JoinSet<()>,
}

impl Gate {
    /// Opens one before a broker.
    pub(crate) async fn before(broker: SocketAddr) -> Self {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listening.local_addr().unwrap();
        let (answers, requests) = (watch::Sender::new(false), watch::Sender::new(false));
        let are_shut = (requests.subscribe(), answers.subscribe());
        let cut = Arc::new(Mutex::new(watch::Sender::new(())));
        let present = Arc::clone(&cut);
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((near, _)) = listening.accept().await else { return };
                let mut cut = present.lock().unwrap().subscribe();
                let are_shut = are_shut.clone();
                connections.spawn(async move {
                    tokio::select! {
                        () = pass(near, broker, are_shut) => {}
                        _ = cut.changed() => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { at, answers, requests, cut, _passing: passing }
    }

    /// Nothing of what the broker says gets through from now on.
    pub(crate) fn shut(&self) {
        self.answers.send_replace(true);
    }

    /// Nothing gets through to the broker either.
    pub(crate) fn shut_both(&self) {
        self.shut();
        self.requests.send_replace(true);
    }

    /// All does again, and what was held back.
    pub(crate) fn open(&self) {
        self.requests.send_replace(false);
        self.answers.send_replace(false);
    }

    /// Cuts every connection there is; what it held back is lost when this returns.
    pub(crate) async fn cut(&self) {
        let present = std::mem::replace(&mut *self.cut.lock().unwrap(), watch::Sender::new(()));
        present.send_replace(());
        present.closed().await;
    }
}

async fn pass(
    near: TcpStream,
    broker: SocketAddr,
    (requests, answers): (watch::Receiver<bool>, watch::Receiver<bool>),
) {
    let Ok(far) = TcpStream::connect(broker).await else { return };
    // Small frames go at once, as without a gate.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(carry(near_in, far_out, requests), carry(far_in, near_out, answers));
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_shut: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        if is_shut.wait_for(|shut| !shut).await.is_err()
            || to.write_all(&bytes[..count]).await.is_err()
        {
            break;
        }
    }
    // The other side is to see the end, too.
    let _ended = to.shutdown().await;
}
