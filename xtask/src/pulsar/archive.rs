//! Pulsar's server archive: fetched once from Maven Central, checked, unpacked into the cache.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::PulsarError;

/// The newest server that Maven Central has as an archive.
pub(crate) const VERSION: &str = "4.0.8";
/// Of the archive.
pub(crate) const SHA256: &str = "35c7d064c9e0928edbf2e708989faba0379662f98aa84ce0d4190c59efb6765e";
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
/// Beside what was unpacked: of which archive it is.
const MARK: &str = ".sha256";

/// The folder of the distribution, fetched when it is not there.
pub(crate) fn unpacked(cache: &Path) -> Result<PathBuf, PulsarError> {
    let home = cache.join(format!("pulsar-{VERSION}"));
    if is_whole(&home) {
        return Ok(home);
    }
    fs::create_dir_all(cache).map_err(PulsarError::file(cache))?;
    let path = cache.join(".pulsar.lock");
    let lock = fs::File::create(&path).map_err(PulsarError::file(&path))?;
    // Two at once fetch once.
    lock.lock().map_err(PulsarError::file(&path))?;
    if is_whole(&home) {
        return Ok(home);
    }
    let work = cache.join(".pulsar-fetch");
    for leftover in [&work, &home] {
        if leftover.exists() {
            fs::remove_dir_all(leftover).map_err(PulsarError::file(leftover))?;
        }
    }
    fs::create_dir_all(&work).map_err(PulsarError::file(&work))?;
    let archive = fetch(&work)?;
    let found = sha256(&archive)?;
    if found != SHA256 {
        return Err(PulsarError::Checksum { file: archive, found, wanted: SHA256 });
    }
    run("tar", &["xzf", &text(&archive), "-C", &text(&work)], "")?;
    let inner = work.join(format!("apache-pulsar-{VERSION}"));
    let mark = inner.join(MARK);
    fs::write(&mark, SHA256).map_err(PulsarError::file(&mark))?;
    fs::rename(&inner, &home).map_err(PulsarError::file(&home))?;
    fs::remove_dir_all(&work).map_err(PulsarError::file(&work))?;
    Ok(home)
}

/// Whether it was unpacked to the end, of the pinned archive.
fn is_whole(home: &Path) -> bool {
    fs::read_to_string(home.join(MARK)).is_ok_and(|mark| mark.trim() == SHA256)
}

fn fetch(work: &Path) -> Result<PathBuf, PulsarError> {
    println!("fetching Pulsar {VERSION} from Maven Central: 245 MB, once");
    let artifact = format!("org.apache.pulsar:pulsar-server-distribution:{VERSION}:tar.gz:bin");
    let args = [
        "-B",
        "-q",
        PLUGIN,
        &format!("-Dartifact={artifact}"),
        &format!("-DoutputDirectory={}", work.display()),
        // Else a second copy stays in Maven's own cache.
        &format!("-Dmaven.repo.local={}", work.join("m2").display()),
    ];
    run("mvn", &args, ": `apt-get install maven`")?;
    Ok(work.join(format!("pulsar-server-distribution-{VERSION}-bin.tar.gz")))
}

fn sha256(file: &Path) -> Result<String, PulsarError> {
    let output = Command::new("sha256sum").arg(file).output();
    let output = output.map_err(|source| PulsarError::Program {
        program: "sha256sum".to_owned(),
        source,
        hint: "",
    })?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
}

fn run(program: &str, args: &[&str], hint: &'static str) -> Result<(), PulsarError> {
    let status = Command::new(program).args(args).stdin(Stdio::null()).status();
    let status = status.map_err(|source| PulsarError::Program {
        program: program.to_owned(),
        source,
        hint,
    })?;
    if status.success() { Ok(()) } else { Err(PulsarError::Failed(program.to_owned())) }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
