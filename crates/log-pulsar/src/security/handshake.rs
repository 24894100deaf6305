//! Begins TLS on a connection, and says what is wrong with the other side.

use std::io;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::LinkFault;

/// A stream to a host that showed a certificate of its name that is trusted.
///
/// # Errors
/// Of the stream, or a [`LinkFault`] where that can be told.
pub(crate) async fn handshake(
    config: Arc<ClientConfig>,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(name).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|error| {
        let ended = matches!(
            error.kind(),
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        );
        let fault = LinkFault::of_transport(&error).or_else(|| ended.then_some(LinkFault::NoTls));
        fault.map_or(error, io::Error::other)
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    use super::handshake;
    use crate::security::{Credentials, LinkFault, Security};

    /// What becomes of a handshake with somebody who answers so and hangs up.
    async fn answered(answer: &'static [u8]) -> Option<LinkFault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let other = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let config = Credentials::new(&Security::default()).tls().unwrap();
        let shaking = async {
            let stream = TcpStream::connect(at).await.unwrap();
            handshake(config, "127.0.0.1", stream).await
        };
        let (shaken, ()) = tokio::join!(shaking, other);
        LinkFault::of_transport(&shaken.unwrap_err())
    }

    #[tokio::test]
    async fn what_speaks_no_tls_is_known() {
        assert_eq!(answered(b"").await, Some(LinkFault::NoTls));
        assert_eq!(answered(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, Some(LinkFault::NoTls));
    }
}
