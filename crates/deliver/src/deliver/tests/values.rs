//! Last values through the stage.

use tidings_event::v1::Kind;
use tidings_event::{Code, Refusal};

use super::rig::{Rig, TENANT, summary};
use crate::{LastValue, LastValueQuery};

fn query<'a>(instrument: &'a str, venue: Option<&'a str>, final_only: bool) -> LastValueQuery<'a> {
    LastValueQuery { kind: Kind::Summary, instrument, timeframe: None, venue, final_only }
}

/// Asks until the live reader has brought the value.
async fn wait_for(rig: &Rig, asked: LastValueQuery<'_>, offset: u64) -> LastValue {
    loop {
        match rig.deliver.last_values().get(TENANT, asked) {
            Ok(value) if value.position.offset.0 == offset => return value,
            _ => tokio::task::yield_now().await,
        }
    }
}

fn code(answer: Result<LastValue, Refusal>) -> Code {
    answer.unwrap_err().code
}

#[tokio::test]
async fn the_highest_interval_wins_and_survives_a_restart() {
    let rig = Rig::new().await;
    let topic = rig.topic("a/b", 1).await;
    assert_eq!(
        code(rig.deliver.last_values().get(TENANT, query("AAPL", None, false))),
        Code::ValueUnknown
    );
    let bodies = [
        summary(5, "AAPL", "XNAS", true),
        summary(4, "AAPL", "XNAS", true),
        summary(6, "AAPL", "XNAS", false),
        summary(1, "IBM", "XNYS", true),
        summary(1, "IBM", "XLON", true),
    ];
    rig.append(&topic, 0, &bodies).await;
    let value = wait_for(&rig, query("AAPL", None, false), 2).await;
    assert_eq!((&value.event[..], value.topic.id), (&bodies[2][..], topic.id));
    let mut rig = rig;
    for restart in 0..3 {
        wait_for(&rig, query("AAPL", None, false), 2).await;
        wait_for(&rig, query("AAPL", Some("XNAS"), true), 0).await;
        wait_for(&rig, query("IBM", Some("XLON"), false), 4).await;
        let values = rig.deliver.last_values();
        assert_eq!(code(values.get(TENANT, query("IBM", None, false))), Code::AmbiguousVenue);
        assert_eq!(
            code(values.get(TENANT, query("AAPL", Some("XLON"), false))),
            Code::ValueUnknown
        );
        assert_eq!(code(values.get("other", query("AAPL", None, false))), Code::ValueUnknown);
        // The first restart has no snapshot, the second has one.
        if restart == 1 {
            rig.deliver.close().await;
        }
        rig = rig.crash().await;
    }
}
