//! The messages of Pulsar's binary protocol, as far as they are used here: of `PulsarApi.proto`.

use prost::Message;

/// What `kind` says.
pub(super) mod kind {
    pub(crate) const CONNECT: i32 = 2;
    pub(crate) const CONNECTED: i32 = 3;
    pub(crate) const SUBSCRIBE: i32 = 4;
    pub(crate) const PRODUCER: i32 = 5;
    pub(crate) const SEND: i32 = 6;
    pub(crate) const SEND_RECEIPT: i32 = 7;
    pub(crate) const MESSAGE: i32 = 9;
    pub(crate) const FLOW: i32 = 11;
    pub(crate) const SUCCESS: i32 = 13;
    pub(crate) const PRODUCER_SUCCESS: i32 = 17;
    pub(crate) const PING: i32 = 18;
    pub(crate) const PONG: i32 = 19;
    pub(crate) const LOOKUP: i32 = 23;
    pub(crate) const LOOKUP_RESPONSE: i32 = 24;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Said {
    #[prost(int32, required, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) connect: Option<Connect>,
    #[prost(message, optional, tag = "4")]
    pub(super) subscribe: Option<Subscribe>,
    #[prost(message, optional, tag = "5")]
    pub(super) producer: Option<Producer>,
    #[prost(message, optional, tag = "6")]
    pub(super) send: Option<Sent>,
    #[prost(message, optional, tag = "7")]
    pub(super) receipt: Option<Receipt>,
    #[prost(message, optional, tag = "8")]
    pub(super) send_error: Option<SendError>,
    #[prost(message, optional, tag = "11")]
    pub(super) flow: Option<Flow>,
    #[prost(message, optional, tag = "14")]
    pub(super) error: Option<Refused>,
    #[prost(message, optional, tag = "19")]
    pub(super) pong: Option<Nothing>,
    #[prost(message, optional, tag = "23")]
    pub(super) lookup: Option<Lookup>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Nothing {}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Connect {
    #[prost(string, required, tag = "1")]
    pub(super) client_version: String,
    #[prost(int32, optional, tag = "4")]
    pub(super) protocol_version: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Lookup {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) request_id: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Producer {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) producer_id: u64,
    #[prost(uint64, required, tag = "3")]
    pub(super) request_id: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Subscribe {
    #[prost(string, required, tag = "1")]
    pub(super) topic: String,
    #[prost(string, required, tag = "2")]
    pub(super) subscription: String,
    /// 0: exclusive.
    #[prost(int32, required, tag = "3")]
    pub(super) sub_type: i32,
    #[prost(uint64, required, tag = "4")]
    pub(super) consumer_id: u64,
    #[prost(uint64, required, tag = "5")]
    pub(super) request_id: u64,
    #[prost(bool, optional, tag = "8")]
    pub(super) durable: Option<bool>,
    #[prost(message, optional, tag = "9")]
    pub(super) start: Option<MessageId>,
    /// 1: earliest.
    #[prost(int32, optional, tag = "13")]
    pub(super) initial_position: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MessageId {
    #[prost(uint64, required, tag = "1")]
    pub(super) ledger: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) entry: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Sent {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence: u64,
    #[prost(int32, optional, tag = "3")]
    pub(super) events: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Receipt {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SendError {
    #[prost(uint64, required, tag = "1")]
    pub(super) producer_id: u64,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence: u64,
    #[prost(string, required, tag = "4")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Flow {
    #[prost(uint64, required, tag = "1")]
    pub(super) consumer_id: u64,
    #[prost(uint32, required, tag = "2")]
    pub(super) permits: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Refused {
    #[prost(uint64, required, tag = "1")]
    pub(super) request_id: u64,
    #[prost(string, required, tag = "3")]
    pub(super) message: String,
}

/// In front of the events of a batch.
#[derive(Clone, PartialEq, Message)]
pub(super) struct BatchMetadata {
    #[prost(string, required, tag = "1")]
    pub(super) producer_name: String,
    #[prost(uint64, required, tag = "2")]
    pub(super) sequence: u64,
    #[prost(uint64, required, tag = "3")]
    pub(super) publish_time: u64,
    #[prost(int32, optional, tag = "11")]
    pub(super) events: Option<i32>,
}

/// In front of each of them.
#[derive(Clone, PartialEq, Message)]
pub(super) struct EventMetadata {
    #[prost(int32, required, tag = "3")]
    pub(super) size: i32,
}
