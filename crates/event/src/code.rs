//! The one table of error codes: what every door answers, and how each protocol spells it.
//!
//! A code is never reused and never changes its meaning. Each has a page in `docs/errors/`;
//! `cargo xtask tidy` holds table and pages together.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident $text:literal $status:literal $grpc:ident $title:literal;)+) => {
        /// A stable error code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)+ }

        impl Code {
            /// Every code, in table order.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// SCREAMING_SNAKE, as on every wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// HTTP status.
            #[must_use]
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$name => $status,)+ }
            }

            /// gRPC status.
            #[must_use]
            pub const fn grpc(self) -> GrpcStatus {
                match self { $(Self::$name => GrpcStatus::$grpc,)+ }
            }

            /// A short title, the same for every occurrence.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it means and what to do, as its page says.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc, "\n"),+),)+ }
            }
        }
    };
}

/// The gRPC status codes in use, by their standard numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "the names are the standard's")]
pub enum GrpcStatus {
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
}

codes! {
    /// The bytes are not a Protobuf `tidings.v1.Event`; the offset says where they stop being one.
    EventMalformed "EVENT_MALFORMED" 400 InvalidArgument "Event is malformed";
    /// The text is not JSON; the offset says where. Check quoting, commas and encoding (UTF-8).
    JsonMalformed "JSON_MALFORMED" 400 InvalidArgument "JSON is malformed";
    /// The request's message or parameters cannot be read.
    RequestMalformed "REQUEST_MALFORMED" 400 InvalidArgument "Request is malformed";
    /// A Protobuf event has no id of 16 bytes. Give each event a UUID (version 7 preferred).
    EventIdMissing "EVENT_ID_MISSING" 400 InvalidArgument "Event id is missing";
    /// A required field is absent. The answer names it.
    FieldMissing "FIELD_MISSING" 400 InvalidArgument "Field is missing";
    /// A field's value is outside what its grammar or range allows.
    FieldInvalid "FIELD_INVALID" 400 InvalidArgument "Field is invalid";
    /// A field name that the form does not have. Check spelling; names are snake_case.
    FieldUnknown "FIELD_UNKNOWN" 400 InvalidArgument "Field is unknown";
    /// A singular field appears more than once.
    FieldRepeated "FIELD_REPEATED" 400 InvalidArgument "Field is repeated";
    /// A number is NaN or infinite. Leave the value out and say why in `status`.
    NumberNotFinite "NUMBER_NOT_FINITE" 400 InvalidArgument "Number is not finite";
    /// The event's kind is not one that exists.
    KindUnknown "KIND_UNKNOWN" 400 InvalidArgument "Kind is unknown";
    /// The kind's name is reserved; it is not served yet.
    KindNotEnabled "KIND_NOT_ENABLED" 501 Unimplemented "Kind is not enabled";
    /// The payload is missing or belongs to another kind than the envelope says.
    PayloadMismatch "PAYLOAD_MISMATCH" 400 InvalidArgument "Payload does not match kind";
    /// Times are out of order: an interval must end after it starts.
    TimeOrder "TIME_ORDER" 400 InvalidArgument "Times are out of order";
    /// The event is larger than 1 MiB. Send large matrices in chunks or by `dataref`.
    EventTooLarge "EVENT_TOO_LARGE" 413 ResourceExhausted "Event is too large";
    /// The batch is larger than 16 MiB or a block larger than 1 MiB. Send it in parts.
    BatchTooLarge "BATCH_TOO_LARGE" 413 ResourceExhausted "Batch is too large";
    /// The body is larger than the limit once it is decompressed. Send it in parts.
    DecompressedTooLarge "DECOMPRESSED_TOO_LARGE" 413 ResourceExhausted "Decompressed body is too large";
    /// The batch holds no event.
    BatchEmpty "BATCH_EMPTY" 400 InvalidArgument "Batch is empty";
    /// Another event of an atomic batch was refused, so this one was not stored either.
    BatchAborted "BATCH_ABORTED" 422 Aborted "Batch was refused as a whole";
    /// JSON or messages are nested deeper than 64 levels.
    DepthExceeded "DEPTH_EXCEEDED" 400 InvalidArgument "Nesting is too deep";
    /// The request's headers are larger than 64 KiB.
    HeaderTooLarge "HEADER_TOO_LARGE" 431 ResourceExhausted "Headers are too large";
    /// The body's content type is not one that this route reads.
    ContentTypeUnsupported "CONTENT_TYPE_UNSUPPORTED" 415 InvalidArgument "Content type is not supported";
    /// The block's bytes do not fit its checksum or count: damaged on the way. Send it again.
    BlockCorrupt "BLOCK_CORRUPT" 400 InvalidArgument "Block is damaged";
    /// No such topic, and no template makes one. Create it, or correct the name.
    TopicUnknown "TOPIC_UNKNOWN" 404 NotFound "Topic is unknown";
    /// A topic name outside the grammar.
    TopicNameInvalid "TOPIC_NAME_INVALID" 400 InvalidArgument "Topic name is invalid";
    /// A topic of this name exists with other properties. The answer shows the difference.
    TopicExists "TOPIC_EXISTS" 409 AlreadyExists "Topic exists";
    /// The tenant has 1,000 topics, the most it may have.
    TopicLimit "TOPIC_LIMIT" 409 ResourceExhausted "Too many topics";
    /// A sequenced block names a topic that its events do not belong to.
    TopicMismatch "TOPIC_MISMATCH" 400 InvalidArgument "Event belongs to another topic";
    /// A sequenced block names a partition that its events' keys do not hash to.
    PartitionMismatch "PARTITION_MISMATCH" 400 InvalidArgument "Event belongs to another partition";
    /// The topic has another number of partitions than the producer computed with. Describe again.
    PartitionsChanged "PARTITIONS_CHANGED" 409 FailedPrecondition "Partition count changed";
    /// A block's first sequence is above the next expected one: an earlier block is missing or was
    /// refused. Send that one first.
    SequenceGap "SEQUENCE_GAP" 409 Aborted "Sequence has a gap";
    /// A newer instance of this producer has opened a stream. This one must stop.
    ProducerFenced "PRODUCER_FENCED" 409 FailedPrecondition "Producer is fenced";
    /// The service does not remember this producer, and its first sequence is not 0. Open anew.
    ProducerUnknown "PRODUCER_UNKNOWN" 409 FailedPrecondition "Producer is unknown";
    /// The partition remembers 10,000 producers, the most it may. Reuse producer ids.
    ProducerLimit "PRODUCER_LIMIT" 429 ResourceExhausted "Too many producers";
    /// A producer id outside `[A-Za-z0-9._-]{1,64}`.
    ProducerIdInvalid "PRODUCER_ID_INVALID" 400 InvalidArgument "Producer id is invalid";
    /// The indicator's name stands for another formula: the answer names both, and who registered the
    /// first. Publish the new one under a name of its own, or release the old one on purpose.
    DefinitionConflict "DEFINITION_CONFLICT" 409 FailedPrecondition "Definition differs";
    /// The tenant has 10,000 registered definitions, the most it may have. Release some.
    DefinitionLimit "DEFINITION_LIMIT" 409 ResourceExhausted "Too many definitions";
    /// No definition is registered under this indicator's name.
    DefinitionUnknown "DEFINITION_UNKNOWN" 404 NotFound "Definition is unknown";
    /// No event with this id was found; the answer says where it was looked for. Say when or where it
    /// was published.
    EventUnknown "EVENT_UNKNOWN" 404 NotFound "Event is unknown";
    /// No such subscription.
    SubscriptionUnknown "SUBSCRIPTION_UNKNOWN" 404 NotFound "Subscription is unknown";
    /// A subscription of this name exists with another body. The answer shows the difference.
    SubscriptionExists "SUBSCRIPTION_EXISTS" 409 AlreadyExists "Subscription exists";
    /// Another consumer is attached, and the subscription is not shared; or a group has 1,000 members.
    SubscriptionBusy "SUBSCRIPTION_BUSY" 409 FailedPrecondition "Subscription is busy";
    /// The same consumer went on over another connection; this one ends. Nothing is lost.
    SessionTaken "SESSION_TAKEN" 409 Aborted "Session was taken over";
    /// The subscription has no dead letter of this position: it was redriven and settled, discarded,
    /// reached its age, or never was one.
    DeadLetterUnknown "DEAD_LETTER_UNKNOWN" 404 NotFound "Dead letter is unknown";
    /// The subscription was deleted while it was in use.
    SubscriptionGone "SUBSCRIPTION_GONE" 410 Aborted "Subscription was deleted";
    /// A subscription name outside `[a-z0-9][a-z0-9._-]{0,63}`.
    SubscriptionNameInvalid "SUBSCRIPTION_NAME_INVALID" 400 InvalidArgument "Subscription name is invalid";
    /// A topic pattern outside the grammar: segments, `*` for one, `**` for the rest.
    PatternInvalid "PATTERN_INVALID" 400 InvalidArgument "Topic pattern is invalid";
    /// The filter is not a sentence of the rule language: the offset says where it stops being one.
    /// `docs/spec/rules.md` is its grammar, what it leaves out of CEL, and its limits.
    FilterInvalid "FILTER_INVALID" 400 InvalidArgument "Filter is invalid";
    /// The filter names something that events do not have, compares what cannot be compared, or is
    /// not a condition. The offset says where; `docs/spec/rules.md` lists names and types.
    FilterType "FILTER_TYPE" 400 InvalidArgument "Filter does not fit events";
    /// A position that this service did not give out, or of a log that is gone.
    PositionInvalid "POSITION_INVALID" 400 InvalidArgument "Position is invalid";
    /// An ack id that this service did not give out.
    AckIdInvalid "ACK_ID_INVALID" 400 InvalidArgument "Ack id is invalid";
    /// The offset lies before what retention kept. Start at the trim point named in the answer.
    OffsetTrimmed "OFFSET_TRIMMED" 410 OutOfRange "Offset is no longer kept";
    /// The offset lies after the durable tail.
    OffsetOutOfRange "OFFSET_OUT_OF_RANGE" 416 OutOfRange "Offset is not written yet";
    /// The disk gave back damaged bytes; the range is named. Everything else stays readable. Run
    /// `tidings check`.
    DataLoss "DATA_LOSS" 500 DataLoss "Data is damaged";
    /// Nothing is known under this instrument, kind and timeframe.
    ValueUnknown "VALUE_UNKNOWN" 404 NotFound "No value is known";
    /// Several venues have this instrument. Name one with `venue`.
    AmbiguousVenue "AMBIGUOUS_VENUE" 409 FailedPrecondition "Venue is ambiguous";
    /// Last values are being rebuilt after a start. Try again; the answer says how far it is.
    Rebuilding "REBUILDING" 503 Unavailable "Last values are being rebuilt";
    /// The service is at its limit. Wait as long as the answer says, then try again.
    ResourceExhausted "RESOURCE_EXHAUSTED" 429 ResourceExhausted "Service is at its limit";
    /// The disk is full. Publishing resumes by itself when there is room; reading goes on.
    StorageFull "STORAGE_FULL" 507 Unavailable "Storage is full";
    /// The log is read-only after an I/O error. Restart the service; it verifies the log first.
    LogReadOnly "LOG_READ_ONLY" 503 Unavailable "Log is read-only";
    /// Whether the events were stored is not known. Repeat with the same producer and sequence.
    UnknownOutcome "UNKNOWN_OUTCOME" 503 Unavailable "Outcome is unknown";
    /// The field or feature is planned but not served yet. Leave it out.
    NotAvailable "NOT_AVAILABLE" 501 Unimplemented "Not available yet";
    /// A `cursor` that this list did not give out. Pass `next` of the part before, unchanged.
    CursorInvalid "CURSOR_INVALID" 400 InvalidArgument "Cursor is invalid";
    /// `if-match` names another version than the one there is now, or `if-none-match: *` found one.
    /// Read it again, then decide.
    EtagMismatch "ETAG_MISMATCH" 412 FailedPrecondition "Version does not match";
    /// A web page of another origin may not change anything here. Name its origin in
    /// `server.allowed_origins` if it should.
    OriginRefused "ORIGIN_REFUSED" 403 PermissionDenied "Origin is refused";
    /// This route is a WebSocket's, and the request does not ask for one over HTTP/1.1.
    UpgradeRequired "UPGRADE_REQUIRED" 426 FailedPrecondition "WebSocket upgrade is required";
    /// None of the WebSocket subprotocols that the client names is spoken here.
    SubprotocolUnknown "SUBPROTOCOL_UNKNOWN" 400 InvalidArgument "Subprotocol is unknown";
    /// A `Last-Event-ID` or an event id of a stream that this service did not give out.
    StreamIdInvalid "STREAM_ID_INVALID" 400 InvalidArgument "Stream event id is invalid";
    /// No such route. `docs/api.md` lists them.
    RouteUnknown "ROUTE_UNKNOWN" 404 NotFound "Route is unknown";
    /// The route exists, but not with this method.
    MethodNotAllowed "METHOD_NOT_ALLOWED" 405 Unimplemented "Method is not allowed";
    /// The request's body did not arrive in time.
    RequestTimeout "REQUEST_TIMEOUT" 408 DeadlineExceeded "Request timed out";
    /// The call took longer than its caller allowed (`grpc-timeout`). Whether it was carried out is
    /// not known; the same request is safe to repeat.
    DeadlineExceeded "DEADLINE_EXCEEDED" 504 DeadlineExceeded "Deadline passed";
    /// The service is stopping. Connect again after its restart.
    ShuttingDown "SHUTTING_DOWN" 503 Unavailable "Service is shutting down";
    /// The service cannot do its work at the moment; the answer names what is not ready.
    NotReady "NOT_READY" 503 Unavailable "Service is not ready";
    /// A fault of the service itself. Report it with the request id.
    Internal "INTERNAL" 500 Internal "Internal error";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One refusal, as every door turns it into its own form: a typed code, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What was wrong, in one sentence with the offending values.
    pub detail: String,
    /// Path of the offending field, e.g. `indicators.values.rsi_14`; empty where there is none.
    pub field: String,
    /// Byte offset in the input, where there is no field.
    pub offset: Option<u64>,
    /// What to do; empty where the code's page says it all.
    pub hint: String,
    /// When to try again.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal with a code and a detail only.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            field: String::new(),
            offset: None,
            hint: String::new(),
            retry_after_ms: None,
        }
    }

    /// Names the field.
    #[must_use]
    pub fn at_field(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }

    /// Names the byte.
    #[must_use]
    pub fn at_offset(mut self, offset: u64) -> Self {
        self.offset = Some(offset);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after_ms(mut self, millis: u64) -> Self {
        self.retry_after_ms = Some(millis);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)?;
        if !self.field.is_empty() {
            write!(f, " (field {})", self.field)?;
        }
        if let Some(offset) = self.offset {
            write!(f, " (byte {offset})")?;
        }
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}
