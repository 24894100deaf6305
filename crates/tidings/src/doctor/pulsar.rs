//! The Pulsar that keeps the log: what the engine makes of it.

use tidings_event::Clock;
use tidings_log_pulsar::{Observation, OpenError, PulsarOptions, Standing, examine};

use super::finding::{Finding, Verdict};

const CHECK: &str = "pulsar";

pub(super) async fn check(options: &PulsarOptions, clock: &dyn Clock) -> Vec<Finding> {
    let examined = match examine(options, clock).await {
        Ok(examined) => examined,
        Err(error) => {
            let why = "the service would not start without it";
            let remedy = match error {
                OpenError::Credential(_) => "correct it, or what engine.pulsar says of it",
                _ => "start it, or correct engine.pulsar.url and engine.pulsar.admin_url",
            };
            return vec![Finding::fail(CHECK, error.to_string(), why, remedy)];
        }
    };
    let PulsarOptions { url, tenant, namespace, .. } = options;
    let place = Finding::ok(CHECK, format!("{url}, namespace {tenant}/{namespace}"));
    [place].into_iter().chain(examined.into_iter().map(finding)).collect()
}

pub(super) fn finding(observation: Observation) -> Finding {
    let Observation { about, standing, found, why, remedy } = observation;
    let verdict = match standing {
        Standing::Kept => Verdict::Ok,
        Standing::Doubtful => Verdict::Warn,
        Standing::Broken => Verdict::Fail,
    };
    Finding { check: about, verdict, found, why, remedy }
}
