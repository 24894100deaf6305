//! Topic patterns, the slow and obvious way: `*` is one segment, `**` the rest.

/// Whether a pattern matches a topic.
pub(super) fn matches(pattern: &str, topic: &str) -> bool {
    let mut topic = topic.split('/');
    for want in pattern.split('/') {
        match (want, topic.next()) {
            ("**", Some(_)) => return true,
            ("*", Some(_)) => {}
            (want, Some(segment)) if want == segment => {}
            _ => return false,
        }
    }
    topic.next().is_none()
}
