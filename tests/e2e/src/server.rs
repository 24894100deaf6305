//! A running service that a test may kill.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tidings_client::Client;

use crate::executable::{Finished, executable};

/// The service on a free port, with a data directory.
#[derive(Debug)]
pub struct Server {
    child: Child,
    url: String,
    data_dir: PathBuf,
}

impl Server {
    /// Starts the service and waits until it says that it is ready.
    ///
    /// # Panics
    /// When it ends instead, with what it said.
    #[must_use]
    pub fn start(data_dir: &Path) -> Self {
        Self::start_with(data_dir, &[])
    }

    /// As [`Self::start`], with more flags.
    ///
    /// # Panics
    /// As [`Self::start`].
    #[must_use]
    pub fn start_with(data_dir: &Path, flags: &[&str]) -> Self {
        let stderr = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(data_dir.with_extension("stderr"))
            .expect("the log of the service can be written");
        let mut child = Command::new(executable())
            .args(["--json", "serve", "--addr", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .args(flags)
            .current_dir(data_dir.parent().expect("a data directory has a parent"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .expect("the executable starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout is readable");
        let ready: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(addr) = ready["addr"].as_str() else {
            let status = child.wait().expect("the executable ends");
            panic!("not ready: {line:?}, {status}, {}", log_of(data_dir));
        };
        Self { url: format!("http://{addr}"), child, data_dir: data_dir.to_owned() }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A connection to it.
    ///
    /// # Panics
    /// When it cannot be reached.
    pub async fn client(&self) -> Client {
        Client::connect(&self.url).await.expect("the service is reachable")
    }

    /// kill -9.
    ///
    /// # Panics
    /// When it had ended before.
    pub fn kill(mut self) {
        assert!(self.child.try_wait().expect("it can be asked").is_none(), "it had ended before");
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and how it ended.
    ///
    /// # Panics
    /// When it cannot be signalled.
    #[must_use]
    pub fn terminate(mut self) -> Finished {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        assert!(sent.success());
        let status = self.child.wait().expect("it ends");
        let stderr = log_of(&self.data_dir);
        Finished { code: status.code(), stdout: String::new(), stderr }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test that failed leaves no process behind; one that ended is no error.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn log_of(data_dir: &Path) -> String {
    let mut text = String::new();
    if let Ok(mut file) = std::fs::File::open(data_dir.with_extension("stderr")) {
        let _partial = file.read_to_string(&mut text);
    }
    text
}
