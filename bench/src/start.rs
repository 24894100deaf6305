//! Start on an empty directory, and memory when idle.

use crate::process::Server;
use crate::report::{Report, Round};
use crate::{Args, BenchError};

/// Starts and stops the binary, once a round.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let server = Server::start(&args.server).await?;
        let round = Round {
            resident_kib: server.resident_kib()?,
            ready_after: server.ready_after,
            ..Round::default()
        };
        server.stop().await?;
        println!("start: {:?}, {} KiB", round.ready_after, round.resident_kib);
        report.add("start on an empty directory", round);
    }
    Ok(())
}
