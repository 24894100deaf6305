//! The broker's configuration: what is shipped, with the lines that a small, durable, local one needs.

use super::asked::Asked;

/// Lines that do not depend on what was asked.
const FIXED: &[(&str, &str)] = &[
    ("clusterName", "standalone"),
    ("bindAddress", "127.0.0.1"),
    ("advertisedAddress", "127.0.0.1"),
    // Without the first the storage ignores its port and takes any, without the second it listens on all interfaces.
    ("allowEphemeralPorts", "true"),
    ("listeningInterface", "lo"),
    // What is acknowledged is on the disk: the shipped one says otherwise.
    ("journalSyncData", "true"),
    ("journalMaxGroupWaitMSec", "1"),
    // A topic exists when it was made, and until it is removed.
    ("allowAutoTopicCreation", "false"),
    ("brokerDeleteInactiveTopicsEnabled", "false"),
    ("numIOThreads", "4"),
    ("numHttpServerThreads", "8"),
    ("numOrderedExecutorThreads", "2"),
    ("managedLedgerCacheSizeMB", "128"),
    ("dbStorage_writeCacheMaxSizeMb", "64"),
    ("dbStorage_readAheadCacheMaxSizeMb", "64"),
    ("dbStorage_rocksDB_blockCacheSize", "33554432"),
    ("webSocketServiceEnabled", "false"),
    ("loadBalancerEnabled", "false"),
    ("forceDeleteNamespaceAllowed", "true"),
    ("forceDeleteTenantAllowed", "true"),
];

/// The shipped configuration, with our lines in the place of its own.
pub(crate) fn compose(shipped: &str, asked: &Asked, secure: &[(&str, String)]) -> String {
    let (port, http) = (asked.port.to_string(), asked.http_port.to_string());
    let chosen = [("brokerServicePort", port.as_str()), ("webServicePort", http.as_str())];
    let secure: Vec<_> = secure.iter().map(|(key, value)| (*key, value.as_str())).collect();
    let ours = || FIXED.iter().chain(&chosen).chain(&secure);
    let is_ours = |line: &&str| {
        line.split_once('=').is_some_and(|(key, _)| ours().any(|(own, _)| *own == key.trim()))
    };
    let mut lines: Vec<String> =
        shipped.lines().filter(|line| !is_ours(line)).map(str::to_owned).collect();
    lines.extend(ours().map(|(key, value)| format!("{key}={value}")));
    lines.join("\n") + "\n"
}
