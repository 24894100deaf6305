//! Rounds in which the process meets a limit: files that may not grow, no file handle left, no memory left.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tidings_client::{Client, ClientError};
use tidings_e2e::mixed::{Load, foretell};
use tidings_e2e::{Ended, Server, indicator, soon};
use tidings_event::Code;
use tidings_telemetry::Timer;
use tokio::net::TcpStream;

use super::case::Limit;
use super::round::{EVENTS, last};
use crate::failure::TortureError;
use crate::life::{Life, during};
use crate::report::{Row, Verdict};
use crate::stage::{LOOSE, SEQUENCED, Stage, tuned};
use crate::violation::{Failed, hold};

/// Less than a segment.
const FILE_KIB: u64 = 700;
/// Some more than the service has open when it is idle.
const HANDLES: u64 = 64;
/// More than it can take then.
const CROWD: usize = 100;
/// Around what the service needs.
const MEMORY_MIB: std::ops::Range<u64> = 48..224;
/// How long the service may do what it can.
const HOLD: Duration = Duration::from_millis(500);
/// Longer than an answer takes that does not wait for the disk.
const ANSWERS_WITHIN: Duration = Duration::from_millis(500);
const SIGABRT: i32 = 6;

/// What a round works with.
struct Limited {
    stage: Stage,
    loads: [Load; 2],
    chance: StdRng,
}

/// Runs one; whether the limit was met.
pub(super) async fn run(
    stage: Stage,
    server: &Path,
    limit: Limit,
    mut row: Row,
) -> Result<(Row, bool), TortureError> {
    let loads = [SEQUENCED, LOOSE].map(|producer| stage.load(producer));
    let chance = StdRng::seed_from_u64(stage.seed);
    let mut round = Limited { stage, loads, chance };
    let met = match round.lives(server, limit, &mut row).await {
        Ok(met) => met,
        Err(Failed::Torture(error)) => return Err(error),
        Err(Failed::Broken(how)) => {
            row.verdict = round.stage.violated(&format!("{limit:?}: {how}"));
            false
        }
    };
    if row.verdict == Verdict::Valid {
        round.stage.judge(tuned(Command::new(server)), &mut row).await;
        super::sound::judge(&round.stage, &mut row)?;
    }
    round.stage.close(&row)?;
    Ok((row, met))
}

/// The service under a limit of the shell's.
fn under(server: &Path, limit: &str, value: u64) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("ulimit -S -{limit} {value}; exec \"$0\" \"$@\"")]).arg(server);
    tuned(command)
}

impl Limited {
    async fn lives(&mut self, server: &Path, limit: Limit, row: &mut Row) -> Result<bool, Failed> {
        let data = self.stage.data();
        match limit {
            Limit::FileBytes => {
                let server = Server::start_by(under(server, "f", FILE_KIB), &data);
                self.stage.begin(&server).await?;
                self.files_may_not_grow(server).await?;
            }
            Limit::Handles => {
                let server = Server::start_by(under(server, "n", HANDLES), &data);
                self.stage.begin(&server).await?;
                self.no_handle_is_left(server).await?;
            }
            Limit::Memory => {
                let first = Server::start_by(tuned(Command::new(server)), &data);
                self.stage.begin(&first).await?;
                self.goes_on(first).await?;
                return self.no_memory_is_left(server, row).await;
            }
        }
        Ok(true)
    }

    /// A life without trouble.
    async fn goes_on(&mut self, server: Server) -> Result<(), Failed> {
        let url = server.url().to_owned();
        let mut life = Life::of(&self.stage, server, &self.loads);
        let work = async {
            life.advance(EVENTS).await;
            life.kill().await;
        };
        during(&mut self.loads, &url, work).await;
        Ok(())
    }

    /// It counts as a full disk, and ends with the limit.
    async fn files_may_not_grow(&mut self, server: Server) -> Result<(), Failed> {
        let (url, stage) = (server.url().to_owned(), &self.stage);
        let mut life = Life::of(stage, server, &self.loads);
        let work = async {
            let client = life.server().client().await;
            let refused = async {
                for number in 0.. {
                    if probe(&client, stage, number).await {
                        return;
                    }
                }
            };
            stage.chronicle.armed("file size limit");
            soon("STORAGE_FULL", refused).await;
            stage.chronicle.fired("file size limit", &[]);
            let pid = i32::try_from(life.server().pid()).ok().and_then(Pid::from_raw);
            let unlimited = Rlimit { current: None, maximum: None };
            prlimit(pid, Resource::Fsize, unlimited).map_err(std::io::Error::from)?;
            stage.chronicle.healed("file size limit");
            life.reattach().await;
            life.advance(EVENTS).await;
            life.kill().await;
            Ok(())
        };
        during(&mut self.loads, &url, work).await
    }

    /// Connections wait, and the log goes on.
    async fn no_handle_is_left(&mut self, server: Server) -> Result<(), Failed> {
        let (url, stage) = (server.url().to_owned(), &self.stage);
        let mut life = Life::of(stage, server, &self.loads);
        let work = async {
            life.advance(EVENTS).await;
            stage.chronicle.armed("crowd");
            let mut crowd = Vec::new();
            for _ in 0..CROWD {
                crowd.push(TcpStream::connect(life.server().addr()).await?);
            }
            stage.chronicle.fired("crowd", &[]);
            Timer.after(HOLD).await;
            drop(crowd);
            stage.chronicle.healed("crowd");
            life.reattach().await;
            life.advance(EVENTS).await;
            let stopped = life.read_only_journals().await?;
            hold(stopped == 0, || format!("{stopped} journals are read-only"))?;
            life.kill().await;
            Ok(())
        };
        during(&mut self.loads, &url, work).await
    }

    /// It refuses to start, or dies of it and of nothing else, or has enough.
    async fn no_memory_is_left(&mut self, server: &Path, row: &mut Row) -> Result<bool, Failed> {
        let mib = self.chance.random_range(MEMORY_MIB);
        let (command, data) = (under(server, "v", mib << 10), self.stage.data());
        let started = tokio::task::spawn_blocking(move || Server::try_start_by(command, &data));
        let died = match started.await.map_err(std::io::Error::other)? {
            Err(refused) => {
                row.count("starts refused", 1);
                Some(refused)
            }
            Ok(server) => {
                let url = server.url().to_owned();
                let mut life = Life::of(&self.stage, server, &self.loads);
                let work = async {
                    let _in_time = Timer.limit(HOLD, life.advance(EVENTS)).await.is_ok();
                    life.kill_or_ended().await
                };
                let died = during(&mut self.loads, &url, work).await;
                row.count("deaths for want of memory", u64::from(died.is_some()));
                died
            }
        };
        if let Some(died) = &died {
            let how =
                || format!("with {mib} MiB: {:?} {:?}\n{}", died.code, died.signal, last(died));
            hold(is_clear(died), how)?;
        }
        Ok(died.is_some())
    }
}

/// Whether it says why it ended.
fn is_clear(died: &Ended) -> bool {
    let says = |what: &str| died.stderr.contains(what);
    matches!(died.code, Some(1..=3)) || died.signal == Some(SIGABRT) && says("memory allocation")
}

/// Publishes one event; whether it is refused for want of room.
async fn probe(client: &Client, stage: &Stage, number: u64) -> bool {
    let event = indicator("PROBE", "15m", number);
    stage.chronicle.invoke("probe", &event);
    foretell(&stage.chronicle, &event);
    let text = tidings_event::json::to_json(&event).unwrap_or_default();
    let answer = Timer.limit(ANSWERS_WITHIN, client.rest().publish(text.into_bytes())).await;
    let error = answer.map_or(Err(ClientError::Closed), |answer| answer.map(drop)).err();
    let refused = error.as_ref().is_some_and(|error| error.is(Code::StorageFull));
    // Stored or not: the probe does not look where.
    stage.chronicle.outcome(&event, &Err(error.unwrap_or(ClientError::Closed)));
    refused
}
