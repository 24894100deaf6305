//! The level can be changed, and a text that is no level changes nothing.

use tracing::Level;

use super::*;

#[test]
fn the_level_changes_while_it_logs_and_only_to_a_level() {
    let level = start_logs("warn", LogFormat::Json).unwrap();
    assert!(!tracing::enabled!(Level::INFO));
    level.set("info,tidings_log=trace").unwrap();
    assert!(tracing::enabled!(Level::INFO));
    assert_eq!(level.set("a=b=c"), Err(LogsError::Level("a=b=c".into())));
    assert!(tracing::enabled!(Level::INFO));
    level.set("error").unwrap();
    assert!(!tracing::enabled!(Level::INFO));
    assert_eq!(start_logs("info", LogFormat::Text).err(), Some(LogsError::Twice));
}

#[test]
fn libraries_that_tell_of_each_connection_are_quiet_unless_they_are_named() {
    let filter = |level: &str| super::read(level).unwrap().to_string();
    assert!(filter("info").contains("magnetar_proto=warn"), "{}", filter("info"));
    assert!(!filter("error").contains("magnetar"), "{}", filter("error"));
    let named = filter("info,magnetar_proto=debug");
    assert!(named.contains("magnetar_proto=debug"), "{named}");
    assert!(!named.contains("magnetar_proto=warn"), "{named}");
}
