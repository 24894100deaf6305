//! The last row of each file, as delivered and as the last-value API tells it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tidings_client::Rest;

use super::board::{Board, locked};
use super::pause;

/// Attempts to read a value that is not up to date yet.
const ATTEMPTS: u32 = 50;
const REST: Duration = Duration::from_millis(100);

/// One series' last indicators, twice.
#[derive(Clone, Debug, serde::Serialize)]
pub(super) struct Row {
    pub(super) instrument: String,
    pub(super) timeframe: String,
    pub(super) interval_start: String,
    /// In the event that a consumer received last.
    pub(super) delivered: BTreeMap<String, f64>,
    /// Read back through the last-value API; empty when it gave none.
    pub(super) last_value: BTreeMap<String, f64>,
}

/// Reads every series back. A value that cannot be read shows as empty.
pub(super) async fn compare(rest: &Rest, board: &Board) -> Vec<Row> {
    let series = std::mem::take(&mut *locked(&board.last_rows));
    let mut rows = Vec::new();
    for ((instrument, timeframe, venue), bytes) in series {
        let text = tidings_event::json::to_json(&bytes).unwrap_or_default();
        let event: Value = serde_json::from_str(&text).unwrap_or_default();
        let venue = Some(venue.as_str()).filter(|venue| !venue.is_empty());
        let mut read = Value::Null;
        for _ in 0..ATTEMPTS {
            let answer = rest.last_value("indicators", &instrument, Some(&timeframe), venue).await;
            read = answer.unwrap_or_default();
            if read["interval_start"] == event["interval_start"] {
                break;
            }
            pause(REST).await;
        }
        rows.push(Row {
            interval_start: event["interval_start"].as_str().unwrap_or_default().to_owned(),
            delivered: values(&event),
            last_value: values(&read),
            instrument,
            timeframe,
        });
    }
    rows
}

/// The numbers of an indicator event; a value is a number or an object with one.
fn values(event: &Value) -> BTreeMap<String, f64> {
    let all = event["indicators"]["values"].as_object();
    let number = |v: &Value| v.as_f64().or_else(|| v["value"].as_f64());
    all.into_iter().flatten().filter_map(|(name, v)| Some((name.clone(), number(v)?))).collect()
}
