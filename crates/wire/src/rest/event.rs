//! The name of the event's schema in the OpenAPI document.

use std::borrow::Cow;

use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Stands for the JSON of an event: the schema itself is made of the event's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventSchema;

impl PartialSchema for EventSchema {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().into()
    }
}

impl ToSchema for EventSchema {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Event")
    }
}
