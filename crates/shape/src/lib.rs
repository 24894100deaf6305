//! The forms an event is given to consumers in. Pure: no I/O, no clock, no async.

mod form;

pub use form::{Form, encode};
