//! The codec of every gRPC method: protobuf with buffers that fit what goes through them.
//!
//! With the library's default buffers (8 and 32 KiB) a block of 64 KiB costs several reallocations and
//! writes; here it gets its room at once, and ready messages leave in one write. A stream that says
//! nothing has next to no buffer: a connection may carry hundreds of them.

use std::marker::PhantomData;

use prost::Message;
use tidings_event::{Code, Refusal};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

use crate::problem;

/// Room that a stream begins with.
const FIRST_BYTES: usize = 256;
/// A message above this is likely followed by others like it, which get room together.
const SMALL_BYTES: usize = 4 << 10;
const BUFFER_BYTES: usize = 64 << 10;
const YIELD_BYTES: usize = 128 << 10;

/// Encodes `T`, decodes `U`.
#[derive(Clone, Debug)]
pub struct TunedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for TunedCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for TunedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = TunedEncoder<T>;
    type Decoder = TunedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        TunedEncoder(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        TunedDecoder(PhantomData)
    }
}

/// Encodes `T`, with room made for all of it first.
#[derive(Clone, Debug)]
pub struct TunedEncoder<T>(PhantomData<T>);

impl<T: Message> Encoder for TunedEncoder<T> {
    type Item = T;
    type Error = Status;

    fn encode(&mut self, item: T, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let bytes = item.encoded_len();
        out.reserve(if bytes > SMALL_BYTES { bytes.max(BUFFER_BYTES) } else { bytes });
        item.encode(out).map_err(|error| Status::internal(error.to_string()))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(FIRST_BYTES, YIELD_BYTES)
    }
}

/// Decodes `U`; bytes that are not one are the sender's fault and are refused as such.
#[derive(Clone, Debug)]
pub struct TunedDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for TunedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        U::decode(bytes).map(Some).map_err(|error| {
            let detail: String = error.to_string().chars().take(200).collect();
            problem::to_status(&Refusal::new(Code::RequestMalformed, detail), "")
        })
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(FIRST_BYTES, YIELD_BYTES)
    }
}
