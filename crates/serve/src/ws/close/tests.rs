//! Close codes are stable.

use tidings_event::{Code, Refusal};

#[test]
fn close_codes() {
    for (code, close) in [
        (Code::ShuttingDown, 1012),
        (Code::BatchTooLarge, 1009),
        (Code::Internal, 1011),
        (Code::ResourceExhausted, 1013),
        (Code::SubscriptionUnknown, 4404),
        (Code::SubscriptionBusy, 4409),
        (Code::SubscriptionGone, 4410),
        (Code::RequestMalformed, 4400),
        (Code::RequestTimeout, 4408),
    ] {
        let frame = super::frame(&Refusal::new(code, ""));
        assert_eq!((u16::from(frame.code), frame.reason.as_str()), (close, code.as_str()));
    }
    for &code in Code::ALL {
        let close = u16::from(super::frame(&Refusal::new(code, "")).code);
        assert!(matches!(close, 1009 | 1011..=1013 | 4400..=4599), "{code} {close}");
    }
}
