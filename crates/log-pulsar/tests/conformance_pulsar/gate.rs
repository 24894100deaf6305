//! What every connection to the broker goes through: it can hold back what the broker says, or cut them all.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// See the module. Gone, it takes its connections with it.
pub(crate) struct Gate {
    pub(crate) at: SocketAddr,
    shut: watch::Sender<bool>,
    cuts: watch::Sender<u64>,
    _passing: JoinSet<()>,
}

impl Gate {
    /// Opens one before a broker.
    pub(crate) async fn before(broker: SocketAddr) -> Self {
        let listening = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listening.local_addr().unwrap();
        let (shut, cuts) = (watch::Sender::new(false), watch::Sender::new(0));
        let (is_shut, cut) = (shut.subscribe(), cuts.subscribe());
        let mut passing = JoinSet::new();
        passing.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let Ok((near, _)) = listening.accept().await else { return };
                let (is_shut, mut cut) = (is_shut.clone(), cut.clone());
                cut.mark_unchanged();
                connections.spawn(async move {
                    tokio::select! {
                        () = pass(near, broker, is_shut) => {}
                        _ = cut.changed() => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { at, shut, cuts, _passing: passing }
    }

    /// Nothing of what the broker says gets through from now on.
    pub(crate) fn shut(&self) {
        self.shut.send_replace(true);
    }

    /// It does again, and what was held back.
    pub(crate) fn open(&self) {
        self.shut.send_replace(false);
    }

    /// Cuts every connection there is.
    pub(crate) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass(near: TcpStream, broker: SocketAddr, is_shut: watch::Receiver<bool>) {
    let Ok(far) = TcpStream::connect(broker).await else { return };
    // Small frames go at once, as without a gate.
    if near.set_nodelay(true).is_err() || far.set_nodelay(true).is_err() {
        return;
    }
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    let never = watch::Sender::new(false);
    tokio::join!(carry(near_in, far_out, never.subscribe()), carry(far_in, near_out, is_shut),);
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
