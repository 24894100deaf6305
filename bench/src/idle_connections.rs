//! What an idle connection costs in memory: HTTP/1.1 keep-alive, WebSocket after its open, SSE, gRPC with
//! one consumer.

use futures::FutureExt;
use tidings_client::{Client, Consumer, ConsumerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::process::Server;
use crate::report::{Report, Round};
use crate::ws_fanout::{Ws, broken, open};
use crate::{Args, BenchError, consume};

const CONNECTIONS: u64 = 1_000;

/// A connection of any kind, kept open.
enum Open {
    Http(TcpStream),
    Ws(Box<Ws>),
    Grpc(Box<(Client, Consumer)>),
}

/// Measures each kind on a server of its own.
pub(crate) async fn run(args: &Args, report: &mut Report) -> Result<(), BenchError> {
    for _ in 0..args.rounds {
        for kind in ["HTTP/1.1", "WebSocket", "SSE", "gRPC"] {
            let each = one(args, kind).await?;
            println!("idle {kind}: {} bytes a connection", each * 1024 / CONNECTIONS);
            let round = Round { events: CONNECTIONS, resident_kib: each, ..Round::default() };
            report.add(&format!("memory of {CONNECTIONS} idle {kind} connections"), round);
        }
    }
    Ok(())
}

async fn one(args: &Args, kind: &str) -> Result<u64, BenchError> {
    let server = Server::start(&args.server).await?;
    let client = Client::connect(&server.url).await?;
    for number in 0..CONNECTIONS {
        consume::subscribe(&client, &format!("s-{number}"), &["analysis/**"]).await?;
    }
    // Caches and pools are filled before anything is counted.
    for number in 0..50 {
        drop(connect(&server.url, kind, number).await?);
    }
    let before = server.resident_kib()?;
    let mut connections = Vec::new();
    for number in 50..CONNECTIONS {
        connections.push(connect(&server.url, kind, number).await?);
    }
    let after = server.resident_kib()?;
    for open in &mut connections {
        open.check()?;
    }
    drop(connections);
    server.stop().await?;
    Ok(after.saturating_sub(before) * CONNECTIONS / (CONNECTIONS - 50))
}

impl Open {
    /// Fails when the connection is over.
    fn check(&mut self) -> Result<(), BenchError> {
        match self {
            Self::Http(socket) => socket.peer_addr().map(|_| ())?,
            Self::Ws(ws) => match ws.get_ref() {
                tokio_tungstenite::MaybeTlsStream::Plain(socket) => {
                    socket.peer_addr().map(|_| ())?
                }
                _ => return Err(broken("not a plain socket")),
            },
            Self::Grpc(both) => {
                if let Some(came) = both.1.next().now_or_never() {
                    return Err(broken(format!("{:?} came", came.map(|came| came.is_ok()))));
                }
            }
        }
        Ok(())
    }
}

async fn connect(url: &str, kind: &str, number: u64) -> Result<Open, BenchError> {
    let name = format!("s-{number}");
    if kind == "WebSocket" {
        return Ok(Open::Ws(Box::new(open(url, &name, false).await?)));
    }
    if kind == "gRPC" {
        let client = Client::connect(url).await?;
        let consumer = client.consumer(ConsumerOptions::new(name, "bench")).await?;
        return Ok(Open::Grpc(Box::new((client, consumer))));
    }
    let path = match kind {
        "SSE" => format!("/api/v1/subscriptions/{name}/stream"),
        _ => "/livez".to_owned(),
    };
    let mut socket = TcpStream::connect(url.trim_start_matches("http://")).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = [0; 1024];
    let count = socket.read(&mut answer).await?;
    if !answer[..count].starts_with(b"HTTP/1.1 200") {
        return Err(broken(String::from_utf8_lossy(&answer[..count])));
    }
    Ok(Open::Http(socket))
}
