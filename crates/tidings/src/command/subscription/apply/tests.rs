//! Files that say the same in two spellings, and what makes a subscription be as they say.

use serde_json::json;

use super::*;

#[test]
fn toml_and_json_say_the_same() {
    let toml = "[[subscription]]\nname = \"a\"\ntopics = [\"**\"]\nretry = { max_attempts = 3 }\n\
                [subscription.delivery.pull]\nack_deadline_ms = 5000\n\n[[subscription]]\nname = \"b\"\ntopics = []\n";
    let list = json!([
        {"name": "a", "topics": ["**"], "retry": {"max_attempts": 3},
         "delivery": {"pull": {"ack_deadline_ms": 5000}}},
        {"name": "b", "topics": []},
    ]);
    let expected = parse(&list.to_string()).unwrap();
    assert_eq!(parse(toml).unwrap(), expected);
    assert_eq!(parse(&json!({ "subscriptions": list }).to_string()).unwrap(), expected);
    assert!(parse("").unwrap().is_empty());
}

#[test]
fn a_file_that_is_none_says_why() {
    let check = |text: &str, reason: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.contains(reason), "{error}");
    };
    check("[[subscriptions]]\nname = \"a\"", "unknown key `subscriptions`");
    check("[{}]", "subscription 0 has no name");
    check("{}", "not a list");
    check("[[subscription]]\nname = ", "TOML parse error");
    check("[{", "EOF");
}

#[test]
fn what_is_left_out_gets_its_default_and_what_is_fixed_is_not_named() {
    let labels = [("team".to_owned(), "a".to_owned()), ("old".to_owned(), "1".to_owned())];
    let before = SubscriptionDocument { labels: labels.into(), ..minimal() };
    let wanted =
        parse(r#"[{"name":"a","topics":["**"],"retry":{"max_attempts":3},"labels":{"team":"b"}}]"#);
    let patch = patch(&before, wanted.unwrap().remove(0));
    let expected = json!({
        "name": "a", "topics": ["**"], "labels": {"team": "b", "old": null}, "filter": null,
        "mode": null, "max_in_flight": null, "batch": null, "fold": null, "expires_after_ms": null,
        "owner": null,
        "retry": {"max_attempts": 3, "min_backoff_ms": null, "max_backoff_ms": null,
                  "max_age_ms": null, "on_park_full": null},
    });
    assert_eq!(Value::Object(patch), expected);
}

fn minimal() -> SubscriptionDocument {
    serde_json::from_value(json!({
        "name": "a", "topics": ["**"], "mode": "ordered", "format": "json", "delivery": {"pull": {}},
        "start": "latest", "max_in_flight": 1,
    }))
    .unwrap()
}
