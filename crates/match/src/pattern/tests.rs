//! Patterns match what the obvious recursive matcher matches, and nothing malformed gets in.

use proptest::prelude::*;
use tidings_event::Code;

use super::TopicPattern;

fn check(pattern: &str, path: &str, want: bool) {
    let parsed = TopicPattern::parse(pattern).unwrap();
    assert_eq!(parsed.matches(path), want, "{pattern} on {path}");
    assert_eq!(parsed.to_string(), pattern);
}

#[test]
fn stars_stand_for_segments() {
    check("analysis/summaries", "analysis/summaries", true);
    check("analysis/summaries", "analysis/summaries/x", false);
    check("analysis/summaries", "analysis", false);
    check("analysis/*", "analysis/summaries", true);
    check("analysis/*", "analysis", false);
    check("analysis/*", "analysis/indicators/5m", false);
    check("*/indicators/*", "analysis/indicators/1mo", true);
    check("analysis/**", "analysis/patterns/high/5m", true);
    check("analysis/**", "analysis", false);
    check("**", "analysis", true);
    check("*/**", "analysis", false);
}

#[test]
fn malformed_patterns_are_refused() {
    let long = format!("{}/**", "a".repeat(199));
    let deep = "a/b/c/d/e/f/g/h/**";
    for text in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "**/a",
        "a/**/b",
        "a*",
        "***",
        "a/b**",
        "_tidings/**",
        " a",
        deep,
        &long,
    ] {
        let refusal = TopicPattern::parse(text).unwrap_err();
        assert_eq!(refusal.code, Code::PatternInvalid, "{text}");
        assert!(!refusal.detail.is_empty() && !refusal.hint.is_empty(), "{text}");
    }
}

/// The definition, word by word.
fn naive(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        ([], []) => true,
        (["**"], rest) => !rest.is_empty(),
        (["*", pattern @ ..], [_, path @ ..]) => naive(pattern, path),
        ([wanted, pattern @ ..], [segment, path @ ..]) => wanted == segment && naive(pattern, path),
        _ => false,
    }
}

proptest! {
    #[test]
    fn agrees_with_the_naive_matcher(
        pattern in proptest::collection::vec(prop_oneof!["[ab]", "[ab]{2}", Just("*".to_owned()), Just("**".to_owned())], 1..6),
        path in proptest::collection::vec("[ab]{1,2}", 1..6),
    ) {
        let legal = pattern.iter().rev().skip(1).all(|s| s != "**");
        let parsed = TopicPattern::parse(&pattern.join("/"));
        prop_assert_eq!(parsed.is_ok(), legal);
        if let Ok(parsed) = parsed {
            let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
            let segments: Vec<&str> = path.iter().map(String::as_str).collect();
            prop_assert_eq!(parsed.matches(&path.join("/")), naive(&pattern, &segments));
        }
    }

    #[test]
    fn any_text_parses_or_is_refused(text in ".{0,40}") {
        if let Ok(pattern) = TopicPattern::parse(&text) {
            prop_assert_eq!(pattern.as_str(), text);
        }
    }
}
