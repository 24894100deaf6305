//! A body that lasts, written by ourselves as chunks of HTTP/1.1.

use axum::body::Body;
use bytes::{Buf, Bytes};
use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// After this the body is whole.
const LAST: &[u8] = b"0\r\n\r\n";

/// Writes a body until it ends or its reader is gone. The connection ends with it, for what the
/// reader sends meanwhile is read past.
pub(super) async fn write(mut stream: TcpStream, body: Body) {
    let mut pieces = body.into_data_stream();
    let (mut heard, mut said) = stream.split();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            count = heard.read(&mut ignored) => if !matches!(count, Ok(1..)) { return },
            piece = pieces.next() => {
                let mut chunk = match piece {
                    Some(Ok(piece)) if piece.is_empty() => continue,
                    Some(Ok(piece)) => chunk(piece),
                    // Without a last chunk its reader knows that the body was cut off.
                    Some(Err(_)) => return,
                    None => break,
                };
                if said.write_all_buf(&mut chunk).await.is_err() {
                    return;
                }
            }
        }
    }
    // A reader that is gone has no use for the end.
    let _ended = said.write_all(LAST).await;
    let _closed = said.shutdown().await;
}

fn chunk(piece: Bytes) -> impl Buf {
    let head = Bytes::from(format!("{:x}\r\n", piece.len()));
    head.chain(piece).chain(&b"\r\n"[..])
}
