//! A request as the routes see it: caller, path, query and body, each read strictly.

use std::cell::Cell;
use std::str::FromStr;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, Query, RawPathParams, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderValue, StatusCode, request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tidings_catalog::Precondition;
use tidings_event::{Code, Refusal, TopicName};
use tidings_wire::input;

use crate::body::{Says, Taken};
use crate::caller::{Caller, RequestId};
use crate::doors::Doors;
use crate::page::{self, List, Page};
use crate::refused::Refused;
use crate::{etag, refusals};

/// One REST request.
pub(crate) struct Ask {
    pub(crate) doors: Arc<Doors>,
    pub(crate) caller: Caller,
    pub(crate) id: RequestId,
    pub(crate) parts: request::Parts,
    pub(crate) query: Params,
    path: Vec<(String, String)>,
    body: Body,
    /// What a large body takes until it is answered.
    room: [Option<Taken>; 2],
}

impl FromRequest<Arc<Doors>> for Ask {
    type Rejection = Refused;

    async fn from_request(request: Request, doors: &Arc<Doors>) -> Result<Self, Refused> {
        use axum::extract::FromRequestParts;
        let (mut parts, body) = request.into_parts();
        let malformed =
            |what: &str| Refusal::new(Code::RequestMalformed, format!("{what} cannot be read"));
        let path = match RawPathParams::from_request_parts(&mut parts, doors).await {
            Ok(found) => found.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
            // A route without parameters has none to read.
            Err(_) if !parts.uri.path().contains('%') => Vec::new(),
            Err(_) => return Err(malformed("the path's percent-encoding").into()),
        };
        let query = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|_| malformed("the query"))?;
        Ok(Self {
            doors: Arc::clone(doors),
            caller: Caller::of(&parts.extensions),
            id: RequestId::of(&parts.extensions),
            query: Params::new(query.0),
            path,
            parts,
            body,
            room: [None, None],
        })
    }
}

impl Ask {
    pub(crate) fn tenant(&self) -> &str {
        &self.caller.tenant
    }

    /// A parameter of the path; empty where the route has none of this name.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.path.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The topic that the path names.
    pub(crate) fn topic_name(&self) -> Result<TopicName, Refusal> {
        refusals::topic_name(self.tenant(), self.param("name"), "name")
    }

    /// A header's text; one that is there twice reads as a list.
    pub(crate) fn header(&self, name: &HeaderName) -> Result<Option<String>, Refusal> {
        let mut texts = Vec::new();
        for value in self.parts.headers.get_all(name) {
            let text = value.to_str().map_err(|_| {
                let detail = format!("header `{name}` is not plain text");
                Refusal::new(Code::RequestMalformed, detail).at_field(name.as_str())
            })?;
            texts.push(text);
        }
        Ok(if texts.is_empty() { None } else { Some(texts.join(", ")) })
    }

    /// The condition under which a change is to be made.
    pub(crate) fn expected(&self) -> Result<Precondition, Refusal> {
        let (present, absent) = (self.header(&IF_MATCH)?, self.header(&IF_NONE_MATCH)?);
        etag::expected(present.as_deref(), absent.as_deref(), self.doors.parts.log.epoch())
    }

    /// Whether only to say what a change would do; the end of the query.
    pub(crate) fn is_dry_run(&self) -> Result<bool, Refusal> {
        let dry_run = self.query.parsed("dry_run", "true or false")?;
        self.query.end()?;
        Ok(dry_run.unwrap_or(false))
    }

    /// Which part of a list is asked for.
    pub(crate) fn page(&self, list: List) -> Result<Page, Refusal> {
        Page::new(list, self.limit()?, self.query.text("cursor")?.unwrap_or_default())
    }

    /// How many entries are asked for.
    pub(crate) fn limit(&self) -> Result<usize, Refusal> {
        page::check_limit(self.query.parsed("limit", "a whole number")?.unwrap_or(page::LIMIT))
    }

    /// An answer with a resource's document, or 304 when its reader names the tag.
    pub(crate) fn resource<T: Serialize>(
        &self,
        status: StatusCode,
        document: &T,
        etag: &str,
    ) -> Result<Response, Refused> {
        let tag = HeaderValue::from_str(&format!("\"{etag}\""))
            .map_err(|error| Refusal::new(Code::Internal, format!("etag: {error}")))?;
        let known = match self.header(&IF_NONE_MATCH)? {
            Some(list) if self.parts.method.is_safe() => etag::is_known(&list, etag)?,
            _ => false,
        };
        let mut answer =
            if known { StatusCode::NOT_MODIFIED.into_response() } else { json(status, document)? };
        answer.headers_mut().insert(ETAG, tag);
        Ok(answer)
    }

    /// The media type of the body, lower case; empty when none is named.
    pub(crate) fn content_type(&self) -> String {
        let value = self.parts.headers.get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        let text = String::from_utf8_lossy(value);
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The whole body.
    pub(crate) async fn body(&mut self) -> Result<Bytes, Refusal> {
        self.whole(Says::Wish).await
    }

    /// The whole body, which holds events: none of it is read while memory is short.
    pub(crate) async fn events_body(&mut self) -> Result<Bytes, Refusal> {
        let doors = Arc::clone(&self.doors);
        self.whole(Says::Events(&|| doors.may_take_more())).await
    }

    async fn whole(&mut self, says: Says<'_>) -> Result<Bytes, Refusal> {
        let body = std::mem::take(&mut self.body);
        let limits = self.doors.parts.limits.now();
        let room = (&self.doors.room, self.doors.timer);
        let whole = crate::body::read(&self.parts.headers, body, &limits, room, says).await?;
        self.room = whole.room;
        Ok(whole.bytes)
    }

    /// The body as a JSON document; an empty one reads as `{}`.
    pub(crate) async fn document<T: DeserializeOwned>(&mut self) -> Result<T, Refusal> {
        let kind = self.content_type();
        if !matches!(kind.as_str(), "" | "application/json") {
            return Err(content_type_refusal(&kind, "application/json"));
        }
        let body = self.body().await?;
        input::read(if body.is_empty() { b"{}" } else { &body })
    }
}

/// The refusal of a media type.
pub(crate) fn content_type_refusal(given: &str, served: &str) -> Refusal {
    let shown: String = given.chars().take(80).collect();
    Refusal::new(Code::ContentTypeUnsupported, format!("`{shown}` is not read here"))
        .at_field("content-type")
        .with_hint(format!("send {served}"))
}

/// An answer with a JSON document.
pub(crate) fn json<T: Serialize>(status: StatusCode, document: &T) -> Result<Response, Refused> {
    let text = serde_json::to_string(document)
        .map_err(|error| Refusal::new(Code::Internal, format!("answer: {error}")))?;
    Ok(json_text(status, text))
}

/// An answer with a JSON document's text.
pub(crate) fn json_text(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response()
}

/// The parameters of a query: each is taken once, and what nobody took is unknown.
pub(crate) struct Params(Vec<(String, String, Cell<bool>)>);

impl Params {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name, value, Cell::new(false))).collect())
    }

    /// A parameter's text.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut found = self.0.iter().filter(|(n, ..)| n == name);
        let first = found.next();
        if found.next().is_some() {
            let detail = format!("`{name}` is given more than once");
            return Err(Refusal::new(Code::FieldRepeated, detail).at_field(name));
        }
        Ok(first.map(|(_, value, taken)| {
            taken.set(true);
            value.as_str()
        }))
    }

    /// A parameter of another type, spelled as `expected` says.
    pub(crate) fn parsed<T: FromStr>(
        &self,
        name: &str,
        expected: &str,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            let shown: String = text.chars().take(40).collect();
            Refusal::new(Code::FieldInvalid, format!("`{shown}` is not {expected}")).at_field(name)
        })
    }

    /// Refuses parameters that are planned but not served.
    pub(crate) fn planned(&self, names: &[&str]) -> Result<(), Refusal> {
        names.iter().try_for_each(|name| input::not_served(name, &self.text(name)?))
    }

    /// Refuses what was not taken.
    pub(crate) fn end(&self) -> Result<(), Refusal> {
        let Some((name, ..)) = self.0.iter().find(|(.., taken)| !taken.get()) else {
            return Ok(());
        };
        let shown: String = name.chars().take(60).collect();
        Err(Refusal::new(Code::FieldUnknown, format!("`{shown}` is not a parameter of this route"))
            .at_field(shown))
    }
}
