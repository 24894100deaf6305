//! The OpenAPI document: made of the routes, so that neither is without the other.
//!
//! A [`Route`] is a handler with its documentation. [`complete`] adds what would be said in many
//! places: the problems behind a route's codes, the event's schema, the parameters of paths.

mod codes;

use std::sync::LazyLock;

use axum::handler::Handler;
use axum::routing::MethodRouter;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use tidings_event::{Code, Refusal};
use tidings_wire::ProblemDocument;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{OperationBuilder, Paths};
use utoipa::openapi::{ComponentsBuilder, HttpMethod, Info, License, OpenApi};
use utoipa_axum::PathItemExt;
use utoipa_axum::router::UtoipaMethodRouter;

use crate::doors::Doors;

/// A path's handlers with the documentation of each.
pub(crate) type Route = UtoipaMethodRouter<std::sync::Arc<Doors>>;

/// Where a route names the codes it may refuse with; one that starts with `@` is a group of them.
const CODES: &str = "x-codes";

const SCHEMAS: &str = "#/components/schemas/";

/// What the parameters of paths are.
const PATH_PARAMETERS: [(&str, &str); 9] = [
    ("/api/v1/topics/{name}", "Name of the topic; `/` in it is written `:` or `%2F`."),
    ("/api/v1/subscriptions/{name}", "Name of the subscription."),
    ("/api/v1/definitions/{name}", "Name of the indicator."),
    ("{kind}", "`indicators`, `patterns`, `anomalies`, `correlations` or `summary`."),
    ("{instrument}", "The instrument; `/` in it is written `%2F`."),
    ("{id}", "Its id."),
    ("{position}", "Its position, as a list gives it."),
    ("{file}", "A file of the page."),
    ("{rest}", "What is asked for."),
];

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| {
    let mut written = serde_json::to_value(crate::rest::described()).unwrap_or_default();
    complete(&mut written);
    written.to_string().into()
});

/// The document's text.
pub(crate) fn document() -> Bytes {
    DOCUMENT.clone()
}

/// The document before its routes.
pub(crate) fn about() -> OpenApi {
    let mut info = Info::new("Tidings", env!("CARGO_PKG_VERSION"));
    info.description = Some(
        "A durable distributor of market-analysis events: publish, subscribe, browse, last \
         values. Every refusal is a problem document with a stable `code`; docs/errors has a page \
         for each."
            .to_owned(),
    );
    let mut license = License::new("Apache-2.0");
    license.identifier = Some("Apache-2.0".to_owned());
    info.license = Some(license);
    let mut document = OpenApi::new(info, Paths::new());
    let components = ComponentsBuilder::new().schema_from::<ProblemDocument>();
    document.components = Some(components.build());
    document
}

/// A route that later work serves: known, documented, and refused by `handler` until then.
pub(crate) fn planned<H, T>(method: HttpMethod, path: &str, summary: &str, handler: H) -> Route
where
    H: Handler<T, std::sync::Arc<Doors>>,
    T: 'static,
{
    let said = ExtensionsBuilder::new().add("x-planned", true).add(CODES, json!(["NOT_AVAILABLE"]));
    let operation = OperationBuilder::new()
        .tag("planned")
        .summary(Some(summary))
        .description(Some("Not served yet: answers 501 `NOT_AVAILABLE`."))
        .extensions(Some(said.build()));
    let mut paths = Paths::new();
    let filter = method.to_method_filter();
    paths.add_path_operation(path, vec![method], operation);
    (Vec::new(), paths, MethodRouter::new().on(filter, handler))
}

/// Adds what routes only name: problems, path parameters, the schemas of events.
fn complete(document: &mut Value) {
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        let written = std::mem::take(paths);
        for (path, mut item) in written {
            let path = path.replace("{*", "{");
            for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
                path_parameters(&path, operation);
                problems(operation);
            }
            paths.insert(path, item);
        }
    }
    let schemas = &mut document["components"]["schemas"];
    for (name, schema) in tidings_event::json_schemas(SCHEMAS) {
        schemas[name] = schema;
    }
    schemas["Event"]["examples"] = json!([example()]);
    let refusal = Refusal::new(Code::TopicUnknown, "topic `desk/risk` does not exist")
        .with_hint("create the topic first, or correct its name");
    let problem = ProblemDocument::new(&refusal, "5f0c8a21d3e94b76");
    schemas["ProblemDocument"]["examples"] = json!([problem]);
    // Codes are added, never taken away: a reader must expect others.
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    schemas["ProblemDocument"]["properties"]["code"]["x-extensible-enum"] = json!(codes);
}

/// An event as a client may send it.
fn example() -> Value {
    json!({
        "source": "ta-1", "kind": "INDICATORS", "instrument": "AAPL", "venue": "XNAS",
        "timeframe": "5m", "interval_start": "2026-01-02T00:05:00Z",
        "interval_end": "2026-01-02T00:10:00Z", "produced_at": "2026-01-02T15:00:00Z",
        "indicators": { "values": { "rsi_14": 32.7 } },
    })
}

fn path_parameters(path: &str, operation: &mut Value) {
    let names: Vec<&str> =
        path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
    let mut parameters = match operation["parameters"].take() {
        Value::Array(parameters) => parameters,
        _ => Vec::new(),
    };
    for name in names {
        let about = PATH_PARAMETERS.iter().find(|(known, _)| {
            known.ends_with(&format!("{{{name}}}"))
                && (known.starts_with('{') || path.starts_with(known))
        });
        parameters.push(json!({
            "name": name,
            "in": "path",
            "required": true,
            "description": about.map_or("", |(_, about)| about),
            "schema": { "type": "string" },
        }));
    }
    match operation.as_object_mut() {
        Some(operation) if parameters.is_empty() => drop(operation.remove("parameters")),
        _ => operation["parameters"] = Value::Array(parameters),
    }
}

/// One response for each status of the route's codes.
fn problems(operation: &mut Value) {
    let named = operation.as_object_mut().and_then(|operation| operation.remove(CODES));
    let named: Vec<String> = named.and_then(|v| serde_json::from_value(v).ok()).unwrap_or_default();
    let codes = codes::resolve(&named);
    for &code in &codes {
        let status = code.http_status().to_string();
        let line = format!("- `{code}`: {}", code.title());
        match &mut operation["responses"][&status] {
            Value::Object(response) => {
                if let Some(Value::String(text)) = response.get_mut("description") {
                    text.push('\n');
                    text.push_str(&line);
                }
            }
            absent => *absent = problem_response(&line),
        }
    }
    operation[CODES] = codes.iter().map(|code| json!(code.as_str())).collect();
}

fn problem_response(description: &str) -> Value {
    json!({
        "description": description,
        "content": { tidings_wire::problem::PROBLEM_JSON: {
            "schema": { "$ref": format!("{SCHEMAS}ProblemDocument") },
        } },
    })
}

#[cfg(test)]
mod tests;
