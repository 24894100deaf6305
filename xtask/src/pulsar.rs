//! A real Apache Pulsar on loopback: `cargo xtask pulsar up|down|status|token`.

mod archive;
mod asked;
mod broker;
mod conf;
mod java;
mod secure;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::steps::Failure;
use asked::{Asked, Verb};
use broker::{Broker, State};
use secure::Secure;

/// How to call it.
pub(crate) const USAGE: &str = "\
usage: cargo xtask pulsar up|down|status|token [FLAG..]

  up      start a standalone broker, wait until it answers, print where it is; one that runs is left alone
  down    stop it; with --remove-data its folder goes, too
  status  say whether it answers; the exit code is 1 when it does not
  token   print a token by which a broker that was started with --secure knows a role

  --dir DIR         data, logs, configuration (default: tidings-pulsar-PORT in the folder for temporary files)
  --port N          broker (default 6650)
  --http-port N     admin (default 8081)
  --bookie-port N   storage (default: the broker's + 10000)
  --heap SIZE       of the JVM, as -Xmx takes it (default 1g)
  --wait SECONDS    for it to answer (default 240)
  --remove-data     with `down`
  --secure          with `up`: TLS besides, by a CA of its own, and nobody is let in without a token or certificate
  --tls-port N      broker, with TLS (default: the broker's + 1)
  --https-port N    admin, with TLS (default: the admin's + 1)
  --role ROLE       with `token` (default tidings, who may do everything)
  --seconds N       with `token`: until it ends (default: never)
";

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PulsarError {
    /// The words make no sense.
    #[error("{0}\n\n{usage}", usage = USAGE)]
    Usage(String),
    /// No Java, or one too old.
    #[error(
        "Pulsar needs Java {needed} or newer, found {found}: `apt-get install openjdk-{needed}-jre-headless`, \
         or set JAVA_HOME"
    )]
    Java {
        /// What will do.
        needed: u32,
        /// What is there.
        found: String,
    },
    /// A program that is not there.
    #[error("cannot run `{program}`: {source}{hint}")]
    Program {
        /// Its name.
        program: String,
        /// What the system says.
        source: std::io::Error,
        /// What to install.
        hint: &'static str,
    },
    /// A program that failed.
    #[error("`{0}` failed")]
    Failed(String),
    /// Not the archive that was meant.
    #[error("{file} has the SHA-256 {found}, not {wanted}: it was left alone")]
    Checksum {
        /// The file.
        file: PathBuf,
        /// Its checksum.
        found: String,
        /// The pinned one.
        wanted: &'static str,
    },
    /// Somebody else's port.
    #[error("port {0} is taken: stop what listens there, or choose another")]
    PortTaken(u16),
    /// It runs and does not answer, or ended.
    #[error("{what}; the last of {log}:\n{tail}")]
    NotReady {
        /// What became of it.
        what: String,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It is not there.
    #[error("Pulsar does not answer: {0}")]
    Down(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl PulsarError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::File { path: path.to_owned(), source }
    }
}

/// What has a Java that runs it, on a system of Debian's kind.
pub(crate) const JAVA_PACKAGE: &str = "openjdk-17-jre-headless";

/// Whether there is a Java that runs it.
pub(crate) fn has_java() -> bool {
    java::find().is_ok()
}

/// Does what the words after `pulsar` ask for.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    Ok(act(args)?)
}

fn act(args: &[String]) -> Result<(), PulsarError> {
    let asked = Asked::parse(args)?;
    let broker = Broker::at(&asked);
    match asked.verb {
        Verb::Up => {
            if broker.state() == State::Answers {
                println!("it runs already");
            } else {
                let java = java::find()?;
                let home = archive::unpacked(&asked.cache)?;
                broker.start(&home, &java, &asked)?;
            }
        }
        Verb::Down => {
            println!("{}", if broker.stop()? { "stopped" } else { "it did not run" });
            if asked.remove_data {
                broker.remove_data()?;
            }
            return Ok(());
        }
        Verb::Token => {
            let secure = Secure::of(&broker.dir);
            let clock = tidings_event::SystemClock::new();
            println!("{}", secure.token(&asked.role, asked.seconds, &clock)?);
            return Ok(());
        }
        Verb::Status => match broker.state() {
            State::Answers => {}
            State::Silent(pid) => {
                return Err(PulsarError::Down(format!("process {pid} runs and is not ready")));
            }
            State::Stopped => {
                return Err(PulsarError::Down(format!("none runs on {}", broker.dir.display())));
            }
        },
    }
    println!("TIDINGS_PULSAR_URL=pulsar://127.0.0.1:{}", asked.port);
    println!("TIDINGS_PULSAR_ADMIN=http://127.0.0.1:{}", asked.http_port);
    if asked.secure {
        Secure::of(&broker.dir).settings(&asked).iter().for_each(|line| println!("{line}"));
    }
    println!("data and logs: {}", broker.dir.display());
    Ok(())
}
