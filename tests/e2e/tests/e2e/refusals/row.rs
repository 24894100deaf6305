//! The row format, and what a row says when its shorthands are written out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use tidings_event::block::{BodyBuilder, crc32c};

use super::answered::Answered;

/// Which door a row goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Door {
    /// One HTTP/1.1 request; SSE too.
    Http,
    /// Bytes on a connection, as they are.
    Raw,
    /// Messages of one call.
    Grpc,
    /// Frames on one WebSocket.
    Ws,
    /// One command.
    Cli,
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Table {
    pub(super) door: Door,
    /// Configuration of the server, as environment variables.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// Good requests before the rows.
    #[serde(default)]
    pub(super) given: Vec<Row>,
    pub(super) rows: Vec<Row>,
}

/// What is sent and what must come back.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// Instead of the table's.
    #[serde(default)]
    pub(super) door: Option<Door>,
    /// HTTP: method and target. gRPC: service and method. CLI: arguments. Raw: the bytes.
    #[serde(default)]
    pub(super) send: String,
    /// Header lines.
    #[serde(default)]
    pub(super) head: Vec<String>,
    /// Media type, in short: `json`, `ndjson`, `protobuf`, `block`, or as it is.
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    /// The body; with `proto` the JSON form of a message.
    #[serde(default)]
    pub(super) body: String,
    /// Further bodies, one each: messages of a stream, frames of a socket.
    #[serde(default)]
    pub(super) more: Vec<String>,
    /// Replaced in each body, which must contain it.
    #[serde(default)]
    pub(super) swap: Vec<[String; 2]>,
    /// Name of the message that the body is, in `tidings.v1`.
    #[serde(default)]
    pub(super) proto: String,
    /// Asked again until the answer is the one wanted.
    #[serde(default)]
    pub(super) until: bool,
    /// Sent once more by so many clients at the same time.
    #[serde(default)]
    pub(super) at_once: usize,
    /// How often the body is compressed.
    #[serde(default)]
    pub(super) gzip: u8,
    /// Status (HTTP, gRPC, close or exit code), code, and field or `@offset`.
    pub(super) want: String,
}

impl Table {
    /// The tables that there are, by name.
    pub(super) fn names() -> Vec<String> {
        let entries = std::fs::read_dir(dir()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    pub(super) fn read(name: &str) -> Self {
        let file = dir().join(name).with_extension("toml");
        let text = std::fs::read_to_string(&file).unwrap();
        toml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }
}

fn dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("refusals")
}

impl Row {
    /// The code that it wants, unless it wants none.
    pub(super) fn code(&self) -> Option<&str> {
        self.want.split(' ').nth(1)
    }

    /// Whether the answer is the one wanted.
    pub(super) fn is_met(&self, answered: &Answered) -> bool {
        let mut wanted = self.want.splitn(3, ' ');
        let status = wanted.next() == Some(&answered.status);
        let code = wanted.next().unwrap_or_default() == answered.code();
        let place = wanted.next().is_none_or(|place| place == answered.place());
        status && code && place
    }

    /// In one line, for messages.
    pub(super) fn shown(&self) -> String {
        let body: String = self.body.chars().take(160).collect();
        format!("{} {:?} {body} {:?}, wanted {}", self.send, self.head, self.more, self.want)
    }

    /// The media type's full name.
    pub(super) fn media_type(&self) -> &str {
        match self.kind.as_str() {
            "json" => "application/json",
            "ndjson" => "application/x-ndjson",
            "protobuf" => "application/x-protobuf",
            "block" => "application/vnd.tidings.block",
            other => other,
        }
    }

    /// The first body's bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.encode(&self.body)
    }

    /// Every body's bytes.
    pub(super) fn all_bytes(&self) -> Vec<Vec<u8>> {
        let all = std::iter::once(&self.body).chain(&self.more);
        all.map(|body| self.encode(body)).collect()
    }

    /// A body written out: shorthands, swaps, then message, then compression.
    fn encode(&self, body: &str) -> Vec<u8> {
        let mut text = expand(body);
        for [from, to] in &self.swap {
            assert!(text.contains(from.as_str()), "nothing to swap: {from} in {text}");
            text = text.replace(from.as_str(), &expand(to));
        }
        let mut bytes = match text.strip_prefix("hex:") {
            Some(digits) => unhex(digits),
            None if self.proto.is_empty() => text.into_bytes(),
            None => super::grpc::encode(&self.proto, &text),
        };
        for _ in 0..self.gzip {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            std::io::Write::write_all(&mut gzip, &bytes).unwrap();
            bytes = gzip.finish().unwrap();
        }
        bytes
    }
}

/// `${event}` is a good event, `${N*TEXT}` a text so many times, `${body KEY}` an `EventBatch` of
/// one 5m indicator event in base64, `${crc KEY}` its CRC-32C.
pub(super) fn expand(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (word, after) = after.split_once('}').expect("a shorthand ends");
        out.push_str(before);
        match (word, word.split_once('*')) {
            ("event", _) => out.push_str(&tidings_e2e::indicator_json("BAD", 0, 1.5)),
            _ if word.starts_with("body ") => out.push_str(&base64(&body(&word[5..]))),
            _ if word.starts_with("crc ") => out.push_str(&crc32c(&body(&word[4..])).to_string()),
            (_, Some((count, piece))) => {
                let count = count.parse().expect("a count");
                // `~` stands for a closing brace.
                out.push_str(&piece.replace('~', "}").repeat(count));
            }
            _ => panic!("no such shorthand: {word}"),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

fn body(key: &str) -> Vec<u8> {
    let mut body = BodyBuilder::default();
    assert!(body.push(&tidings_e2e::indicator(key, "5m", 0)));
    body.take().0.to_vec()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - three.len()));
        for digit in 0..4 {
            let is_padding = digit > three.len();
            let at = (bits >> (18 - 6 * digit) & 63) as usize;
            text.push(if is_padding { '=' } else { char::from(DIGITS[at]) });
        }
    }
    text
}

fn unhex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair = |pair: &[u8]| {
        u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).expect("hexadecimal")
    };
    digits.chunks(2).map(pair).collect()
}
