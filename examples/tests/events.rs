//! The event that the examples publish is one that the service takes.

use tidings_event::{encode, scan};
use tidings_examples::indicator;

#[test]
fn the_event_of_the_examples_is_valid() {
    let event = encode(&indicator("test", "AAPL", 2, 32.7));
    let envelope = scan(&event).map(|envelope| (envelope.instrument, envelope.timeframe));
    assert_eq!(envelope, Ok(("AAPL", "5m")));
    let id = |bar| indicator("test", "AAPL", bar, 32.7).id;
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}
