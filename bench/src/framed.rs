//! What framed deliveries save: the same rounds with consumers over gRPC and framed, in turns, so that both
//! see the same machine.

use tidings_client::Transport;

use crate::blocks::CASES;
use crate::report::Report;
use crate::{Args, BenchError, ingest};

/// How many consumers take everything.
const CONSUMERS: [u32; 2] = [8, 1];

/// Runs all cases; who begins alternates.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for round in 0..args.rounds {
        for consumers in CONSUMERS {
            for (case, load) in CASES {
                let mut turns = [(Transport::Grpc, "gRPC"), (Transport::Framed, "framed")];
                if round % 2 == 1 {
                    turns.reverse();
                }
                for (transport, name) in turns {
                    let measured = ingest::one_over(transport, args, load, consumers).await?;
                    let what = format!("1 -> {consumers}, {case}, {name}");
                    println!("{what} round {round}: {:.0} ev/s", measured.rate());
                    report.add(&what, measured);
                }
            }
        }
    }
    Ok(())
}
