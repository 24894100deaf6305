//! Rate of reading what is stored from its beginning: everything is published first, then taken by one
//! consumer.

use tidings_client::{Client, PublisherOptions, Transport};
use tidings_market::load::LoadOptions;

use crate::blocks::CASES;
use crate::ingest::Made;
use crate::meter::Meter;
use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError, consume};

/// Runs both transports in turns; who begins alternates.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for round in 0..args.rounds {
        for (case, load) in CASES {
            let mut turns = [(Transport::Grpc, "gRPC"), (Transport::Framed, "framed")];
            if round % 2 == 1 {
                turns.reverse();
            }
            for (transport, name) in turns {
                let measured = one_of(transport, args, load).await?;
                println!("replay, {case}, {name} round {round}: {:.0} ev/s", measured.rate());
                report.add(&format!("replay, {case}, {name}"), measured);
            }
        }
    }
    Ok(())
}

/// One round of the dense case over this transport.
///
/// # Errors
/// When the service refuses something, or what came is not what was sent.
pub async fn one(transport: Transport, args: &Args) -> Result<Round, BenchError> {
    one_of(transport, args, LoadOptions::DENSE).await
}

async fn one_of(
    transport: Transport,
    args: &Args,
    options: LoadOptions,
) -> Result<Round, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    let publisher = client.publisher(PublisherOptions::sequenced("bench")).await?;
    let load = Made::events(args.events, options);
    let total = load.total;
    load.publish(&publisher).await?;
    publisher.close().await?;
    consume::subscribe(&client, "replay", &["analysis/**"]).await?;
    let meter = Meter::start(&server)?;
    consume::take_over(transport, client, "replay".into(), total, |_| Ok(())).await?;
    let round = Round { deliveries: total, ..meter.stop(&server, total)? };
    server.stop().await?;
    Ok(round)
}
