//! Guards every address that a connection goes to, those included that a broker names.
//!
//! Whoever is asked where a topic is answers with the address of a broker, and the client goes there and says who it is,
//! without TLS where the answer has none. So nothing is resolved that has not shown a trusted certificate where TLS is
//! asked for, and nothing beyond this machine where a token would go without TLS.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use magnetar_runtime_tokio::{ClientError, DnsResolveFuture, DnsResolver};
use tokio::net::{TcpStream, lookup_host};

use super::{Credentials, Named, handshake};

/// See the module.
#[derive(Debug)]
pub(crate) struct Guard {
    credentials: Arc<Credentials>,
    tls: bool,
    /// Hosts and ports that speak TLS.
    proven: Mutex<HashSet<(String, u16)>>,
    /// Every broker is at one address.
    detour: Option<SocketAddr>,
}

impl Guard {
    pub(crate) fn new(
        credentials: &Arc<Credentials>,
        tls: bool,
        detour: Option<SocketAddr>,
    ) -> Self {
        Self { credentials: Arc::clone(credentials), tls, proven: Mutex::default(), detour }
    }

    async fn guarded(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, ClientError> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match self.detour {
            Some(detour) => vec![detour],
            None => lookup_host((bare, port)).await?.collect(),
        };
        if self.tls {
            self.prove(host, port, &found).await?;
        } else if self.credentials.named() == Named::ByToken
            && !found.iter().all(|at| at.ip().to_canonical().is_loopback())
        {
            let told = format!("{host}:{port} would be sent the token without TLS");
            return Err(ClientError::Other(told));
        }
        Ok(found)
    }

    /// Shows once that it speaks TLS there: every connection looks at the certificate again.
    async fn prove(&self, host: &str, port: u16, at: &[SocketAddr]) -> Result<(), ClientError> {
        let place = (host.to_owned(), port);
        if self.proven.lock().unwrap_or_else(PoisonError::into_inner).contains(&place) {
            return Ok(());
        }
        let config = self.credentials.tls().map_err(io::Error::other)?;
        let stream = TcpStream::connect(at).await?;
        let stream = handshake(config, host, stream).await?;
        drop(stream);
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        Ok(())
    }
}

impl DnsResolver for Guard {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> DnsResolveFuture<'a> {
        Box::pin(self.guarded(host, port))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;

    use super::{Credentials, DnsResolver, Guard};
    use crate::security::{LinkFault, Named, Secret, Security};

    fn guard(security: &Security, tls: bool, at: &str) -> Guard {
        let detour = Some(at.parse().unwrap());
        Guard::new(&Arc::new(Credentials::new(security)), tls, detour)
    }

    #[tokio::test]
    async fn a_token_stays_on_this_machine_where_there_is_no_tls() {
        let token = Some(Secret::from("abc".to_owned()));
        let security = Security { token, ..Security::default() };
        let error = guard(&security, false, "192.0.2.1:6650").resolve("broker", 6650).await;
        assert!(error.unwrap_err().to_string().contains("without TLS"));
        let here = guard(&security, false, "127.0.0.1:6650").resolve("broker", 6650).await;
        assert_eq!(here.unwrap().len(), 1);
        let nothing_to_lose = guard(&Security::default(), false, "192.0.2.1:6650");
        assert_eq!(nothing_to_lose.resolve("broker", 6650).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn an_address_without_tls_is_not_given_out_where_tls_is_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let hang_up = async { listener.accept().await.map(drop).unwrap() };
        let guard = guard(&Security::default(), true, &at);
        let (resolved, ()) = tokio::join!(guard.resolve("broker", 1), hang_up);
        let fault = LinkFault::of_client(&resolved.unwrap_err(), Named::Not);
        assert_eq!(fault, Some(LinkFault::NoTls));
    }
}
