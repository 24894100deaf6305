//! Times survive their text form, and only real times are accepted.

use super::*;
use proptest::prelude::*;

fn check(text: &str, want: Option<u64>) {
    assert_eq!(text.parse::<Timestamp>().ok().map(|t| t.0), want, "{text}");
}

#[test]
fn accepts_utc_and_refuses_the_rest() {
    check("1970-01-01T00:00:00Z", Some(0));
    check("2000-02-29T00:00:00Z", Some(951_782_400_000_000_000));
    check("2023-11-14T22:13:20.123456789Z", Some(1_700_000_000_123_456_789));
    check("2023-11-14T22:13:20.1Z", Some(1_700_000_000_100_000_000));
    check("2023-11-14t22:13:20+00:00", Some(1_700_000_000_000_000_000));
    check("2023-11-14T22:13:20+01:00", None);
    check("2023-11-14T22:13:20", None);
    check("2023-02-29T00:00:00Z", None);
    check("2023-13-01T00:00:00Z", None);
    check("2023-01-00T00:00:00Z", None);
    check("2023-01-01T24:00:00Z", None);
    check("2023-01-01T00:00:60Z", None);
    check("2023-01-01T00:00:00.1234567890Z", None);
    check("2023-01-01T00:00:00.Z", None);
    check("1969-12-31T23:59:59Z", None);
    check("2023-01-01 00:00:00Z", None);
    check("20é3-01-01T00:00:00Z", None);
    check("", None);
}

proptest! {
    #[test]
    fn text_form_keeps_every_nanosecond(nanos in 0u64..18_400_000_000_000_000_000) {
        let time = Timestamp(nanos);
        prop_assert_eq!(time.to_string().parse::<Timestamp>(), Ok(time));
    }

    #[test]
    fn any_text_is_refused_without_a_panic(text in ".{0,40}") {
        let _outcome = text.parse::<Timestamp>();
    }
}
