//! The codec of every gRPC method: protobuf with buffers sized for blocks of 64 KiB.
//!
//! With the library's default buffers (8 and 32 KiB) a block costs several reallocations and
//! writes; these let ready messages leave in one write.

use std::marker::PhantomData;

use prost::Message;
use tidings_event::{Code, Refusal};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use crate::problem;

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
    type Encoder = ProstEncoder<T>;
    type Decoder = TunedDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        TunedDecoder(PhantomData)
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
        BufferSettings::new(BUFFER_BYTES, YIELD_BYTES)
    }
}
