//! `/api/v1/intervals`.

use http::StatusCode;
use tidings_insight::IntervalStatus;
use tidings_wire::input::not_available;
use tidings_wire::rest::{IntervalDocument, IntervalListDocument};

use crate::page::List;
use crate::rest::Answer;
use crate::rest::ask::{Ask, json};

/// Who has published for which intervals
#[utoipa::path(
    get, path = "/api/v1/intervals", operation_id = "list_intervals", tag = "analysis",
    params(
        ("venue" = Option<String>, Query, description = "Only of this venue."),
        ("timeframe" = Option<String>, Query, description = "Only of this timeframe."),
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 1000, description = "Most entries; 100 by default."),
        ("cursor" = Option<String>, Query, description = "`next` of the part before."),
    ),
    responses(
        (status = 200, description = "The intervals that are kept: open ones, and the last settled ones.", body = IntervalListDocument),
    ),
    extensions(("x-codes" = json!(["CURSOR_INVALID", "NOT_AVAILABLE"]))),
)]
pub(crate) async fn list(ask: Ask) -> Answer {
    let page = ask.page(List::Intervals)?;
    let (venue, timeframe) = (ask.query.text("venue")?, ask.query.text("timeframe")?);
    ask.query.end()?;
    let Some(intervals) = &ask.doors.parts.intervals else {
        let refusal = not_available("", "intervals are not followed".to_owned());
        return Err(refusal.with_hint("set intervals.learn, or declare lists").into());
    };
    let names = intervals.names(ask.tenant(), venue, timeframe);
    let (names, next) = page.cut(names.into_iter(), |name| name);
    // One that was forgotten in between is left out.
    let found = names.iter().filter_map(|name| intervals.status(ask.tenant(), name));
    json(StatusCode::OK, &IntervalListDocument { intervals: found.map(document).collect(), next })
}

fn document(status: IntervalStatus) -> IntervalDocument {
    IntervalDocument {
        venue: status.venue,
        timeframe: status.timeframe,
        interval_start: status.start.to_string(),
        interval_end: status.end.to_string(),
        state: status.state.name().to_owned(),
        expected: status.expected,
        published: status.published,
        missing: status.missing,
        expected_from: status.from.name().to_owned(),
        first_at: status.first_at.to_string(),
        revision: status.revision,
    }
}
