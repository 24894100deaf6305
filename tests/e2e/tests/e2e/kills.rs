//! kill -9 at random, of the service and of consumers, under every kind of subscription at once: the
//! checker finds nothing lost, nothing invented, nothing out of order, and every delivery's end
//! written down exactly once.

use std::path::{Path, PathBuf};

use tidings_e2e::mixed::{KINDS, Load, Producer, attach, drain, random};
use tidings_e2e::{Chronicle, Engine, Pulsar, Server, Thresholds, soon};

/// Of an ordinary run; `TIDINGS_MIXED_KILLS` and `TIDINGS_MIXED_EVENTS` ask for more. So many events
/// are acknowledged between the first start and the last kill.
const KILLS: u64 = 10;
const EVENTS: u64 = 5_000;
/// Events that wait for their outcome at a time, at most.
const UNDER_WAY: u64 = 4_000;

fn asked(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// Where a run keeps its log and its history; with `TIDINGS_MIXED_DIR` they stay there.
fn place(engine: &str) -> (Option<tempfile::TempDir>, PathBuf) {
    if let Some(kept) = std::env::var_os("TIDINGS_MIXED_DIR") {
        let kept = PathBuf::from(kept).join(engine);
        std::fs::create_dir_all(&kept).unwrap();
        return (None, kept);
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    (Some(dir), path)
}

/// Publishes until so many events of all lives are acknowledged, and kills the service then, with
/// others under way.
async fn live(server: Server, load: &mut Load, until: u64) {
    let (url, mut acknowledged) = (server.url().to_owned(), load.acknowledged());
    let killing = async {
        let enough = soon("acks", acknowledged.wait_for(|count| *count >= until)).await;
        drop(enough.unwrap());
        server.kill();
    };
    tokio::join!(load.publish(&url), killing);
}

/// The run, on an engine.
async fn kill_often(engine: &Engine, path: &Path) {
    let (data, chronicle) = (path.join("data"), Chronicle::open(path));
    let kills = asked("TIDINGS_MIXED_KILLS", KILLS);
    let events = asked("TIDINGS_MIXED_EVENTS", EVENTS);
    let each = events / kills;
    let under_way = UNDER_WAY.min(each / 4 + 1) as usize;
    let producer =
        Producer { name: "p", sequenced: true, topic: None, timeframe: "1m", labels: 0, under_way };
    let mut load = Load::new(producer, chronicle.clone());
    for life in 1..=kills {
        let server = engine.start(&data);
        if life == 1 {
            KINDS.iter().for_each(|kind| kind.open(&server, &chronicle));
        }
        let members = attach(&server, life, &chronicle);
        let until =
            if life == kills { events } else { each * (life - 1) + random(life) % each + 1 };
        live(server, &mut load, until).await;
        soon("the members to end", members.join_all()).await;
        chronicle.mark("crash", None);
    }
    let server = engine.start(&data);
    drain(&server, &chronicle).await;
    let ended = server.terminate();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    chronicle.settled(engine.settlements(&data).await);
    engine.record_stored(&data, &chronicle, "the log").await;
    let told = chronicle.judged(&Thresholds {
        min_acked: events as usize,
        min_deliveries: events as usize,
        expect_marks: vec!["crash".to_owned(), "consumer killed".to_owned()],
        expect_redelivery: true,
        ..Thresholds::default()
    });
    eprint!("{kills} kills\n{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_of_service_and_consumers_leave_every_delivery_with_one_exact_end() {
    let (_dir, path) = place("");
    kill_often(&Engine::Embedded, &path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_leave_every_delivery_with_one_exact_end_on_pulsar() {
    let Some(pulsar) = Pulsar::find() else { return };
    let (_dir, path) = place("pulsar");
    kill_often(&pulsar.engine(), &path).await;
}
