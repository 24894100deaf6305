//! What following progress costs: bytes written with eight subscriptions that settle everything, over
//! those written with none.

use tidings_market::load::LoadOptions;

use crate::report::Report;
use crate::{Args, BenchError, ingest};

const SUBSCRIPTIONS: u32 = 8;

/// Runs both in turns.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        let alone = ingest::one(args, LoadOptions::SPREAD, 0).await?;
        let settled = ingest::one(args, LoadOptions::SPREAD, SUBSCRIPTIONS).await?;
        let each = |bytes: u64, events: u64| bytes as f64 / events.max(1) as f64;
        let log = each(alone.written_bytes, alone.events);
        let more = each(settled.written_bytes, settled.events) - log;
        println!(
            "settle bytes: {:.1} % of the log's {log:.0} an event, {:.0} per 1,000 settled",
            100.0 * more / log,
            1_000.0 * more / f64::from(SUBSCRIPTIONS),
        );
        report.add("bytes written, no subscription", alone);
        report.add(&format!("bytes written, {SUBSCRIPTIONS} subscriptions"), settled);
    }
    Ok(())
}
