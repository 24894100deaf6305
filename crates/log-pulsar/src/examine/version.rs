//! What a broker of some version can do, and lacks.

use super::Observation;

const ABOUT: &str = "broker";

/// The first with a producer that fences the one before it.
const FENCES: (u32, u32, u32) = (2, 11, 0);
/// What is older was not tried.
const TRIED_FROM: (u32, u32, u32) = (4, 0, 0);
/// And what is newer than this line.
const TRIED_TO: (u32, u32, u32) = (4, 1, 0);
const REPLICATION_LOSES: (u32, u32, u32) = (4, 0, 4);
const REPLICATION_STALLS: (u32, u32, u32) = (4, 0, 9);

pub(super) fn judge(version: &str) -> Observation {
    let found = Observation::kept(ABOUT, format!("Pulsar {version}"));
    let Some(number) = parse(version) else {
        let why = "what it can do and lacks is not known";
        return found.doubtful(why, "use a release of Pulsar 4.0");
    };
    if number < FENCES {
        let why = "a producer cannot end the one before it: two services could write to one log";
        return found.broken(why, "use Pulsar 4.0, in its newest release");
    }
    if number < TRIED_FROM || number >= TRIED_TO {
        let why = "the log was tried on Pulsar 4.0 only";
        return found.doubtful(why, "try what matters to you, or use Pulsar 4.0");
    }
    let remedy = "use the newest release of Pulsar 4.0; until then do not replicate the namespace, and set policies \
                  for the namespace, not for topics";
    if number < REPLICATION_LOSES {
        let why = "replication to other clusters may lose messages (#23697, mended in 4.0.4)";
        return found.doubtful(why, remedy);
    }
    if number < REPLICATION_STALLS {
        let why = "it lacks later repairs, of nothing that the log uses by itself: replicated subscriptions that \
                   stall (#25044, mended in 4.0.9), topic policies that do not load (#26025), readers of compacted \
                   topics that stick (#25998)";
        return found.doubtful(why, remedy);
    }
    found
}

/// `4.0.8`, also with something after it.
fn parse(version: &str) -> Option<(u32, u32, u32)> {
    let release = version.split(['-', '+']).next()?;
    let mut numbers = release.split('.').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some((next()?, next()?, next()?))
}
