//! Events through a peer as fast as they go: alone, or with receivers that each take everything.

use tidings_bench::BenchError;
use tidings_bench::meter::Meter;
use tidings_bench::report::Round;
use tokio::task::JoinSet;

use crate::check::{Tally, acknowledged};
use crate::clients::{Receiver, broken};
use crate::contest::Match;
use crate::input::Input;
use crate::peer::Class;

/// One round. It ends when everything is acknowledged and every receiver has it all. Without receivers it is
/// read back afterwards, so that what was acknowledged is known to be there.
pub(crate) async fn through(peer: &Match<'_>, receivers: usize) -> Result<Round, BenchError> {
    let input = Input::seeded(peer.events);
    let sent = Tally::of(&input);
    let mut sender = peer.protocol.sender(&peer.place).await?;
    sender.load(input);
    let mut takers = JoinSet::new();
    for _ in 0..receivers {
        takers.spawn(take(peer.protocol.receiver(&peer.place).await?, sent.count));
    }
    let meter = Meter::start(peer.process)?;
    acknowledged(sender.publish().await?, sent.count)?;
    while let Some(taken) = takers.join_next().await {
        taken.map_err(broken)??.is(&sent)?;
    }
    let round = meter.stop(peer.process, sent.count)?;
    if receivers == 0 && peer.class != Class::D0 {
        take(peer.protocol.receiver(&peer.place).await?, sent.count).await?.is(&sent)?;
    }
    Ok(round)
}

/// Takes so many events.
pub(crate) async fn take(
    mut receiver: Box<dyn Receiver>,
    events: u64,
) -> Result<Tally, BenchError> {
    let mut tally = Tally::default();
    let mut seen = |event: &[u8]| {
        tally.add(event);
        tally.count < events
    };
    receiver.take(&mut seen).await?;
    Ok(tally)
}
