//! The port: free, or who has it.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;

use super::finding::Finding;
use super::read;

const CHECK: &str = "port";

/// `LISTEN` in `/proc/net/tcp`.
const LISTENING: &str = "0A";

/// Tells the service of this configuration by its process and name.
pub(crate) type IsOurs = Box<dyn Fn(u32, &str) -> bool>;

pub(crate) fn check(addr: SocketAddr, is_ours: &IsOurs) -> Finding {
    let error = match TcpListener::bind(addr) {
        Ok(_) => return Finding::ok(CHECK, format!("{addr} is free")),
        Err(error) => error,
    };
    let why = "the service cannot listen there";
    if error.kind() != ErrorKind::AddrInUse {
        let found = format!("{addr} cannot be bound: {error}");
        return Finding::fail(CHECK, found, why, "name another address with --addr");
    }
    match owner(addr.port()) {
        Some((pid, name)) if is_ours(pid, &name) => {
            let found = format!("{addr} is in use by {name} ({pid}), which has the log");
            let remedy = "nothing if that is the service: ask it with --server";
            Finding::warn(CHECK, found, "a second service could not start", remedy)
        }
        owner => {
            let who = owner.map_or("another process".to_owned(), |(pid, n)| format!("{n} ({pid})"));
            let found = format!("{addr} is in use by {who}");
            Finding::fail(CHECK, found, why, "stop it, or name another address with --addr")
        }
    }
}

/// Process and name of whoever listens on a port, where this user may see it.
fn owner(port: u16) -> Option<(u32, String)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| read(Path::new(file)));
    let inode = tables.iter().find_map(|table| socket(table, port))?;
    let wanted = format!("socket:[{inode}]");
    let processes = std::fs::read_dir("/proc").ok()?.filter_map(Result::ok);
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(|pid: u32| {
        let files = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
        let mut targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
        targets
            .any(|target| target.as_os_str() == wanted.as_str())
            .then(|| (pid, read(Path::new(&format!("/proc/{pid}/comm"))).trim().to_owned()))
    })
}

/// The socket that listens on a port, in a table of the kernel.
pub(crate) fn socket(table: &str, port: u16) -> Option<u64> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (_, hex) = fields.get(1)?.rsplit_once(':')?;
        let listens = *fields.get(3)? == LISTENING && u16::from_str_radix(hex, 16).ok()? == port;
        listens.then(|| fields.get(9)?.parse().ok())?
    })
}
