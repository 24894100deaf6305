//! Every error that a broker can cause is told from the others.

use std::io;

use magnetar_proto::pb::ServerError;
use magnetar_runtime_tokio::ClientError;
use rustls::{AlertDescription, CertificateError, Error as TlsError, InvalidMessage};

use super::{LinkFault, Named};

fn of_tls(error: TlsError) -> LinkFault {
    let error = ClientError::Io(io::Error::new(io::ErrorKind::InvalidData, error));
    LinkFault::of_client(&error, Named::Not).unwrap()
}

#[test]
fn what_a_handshake_says_is_told_apart() {
    let certificate = |bad| of_tls(TlsError::InvalidCertificate(bad));
    use CertificateError as Bad;
    assert!(matches!(certificate(Bad::UnknownIssuer), LinkFault::Untrusted(_)));
    assert!(matches!(certificate(Bad::BadSignature), LinkFault::Untrusted(_)));
    assert!(matches!(certificate(Bad::NotValidForName), LinkFault::WrongName(_)));
    assert!(matches!(certificate(Bad::Expired), LinkFault::Outdated(_)));
    assert!(matches!(certificate(Bad::NotValidYet), LinkFault::Outdated(_)));
    let spoken = TlsError::InvalidMessage(InvalidMessage::InvalidContentType);
    assert_eq!(of_tls(spoken), LinkFault::NoTls);
    let alert = TlsError::AlertReceived(AlertDescription::CertificateRequired);
    assert!(matches!(of_tls(alert), LinkFault::CertificateRefused(_)));
}

#[test]
fn who_is_not_let_in_is_told_by_what_it_showed() {
    let ended = "handshake failed: broker rejected handshake (server_error=AuthenticationError): x";
    let told = [
        ClientError::Other(ended.to_owned()),
        ClientError::Broker {
            code: ServerError::AuthenticationError as i32,
            message: "x".to_owned(),
        },
    ];
    for error in told {
        let of = |named| LinkFault::of_client(&error, named).unwrap();
        assert_eq!(of(Named::Not), LinkFault::Anonymous);
        assert_eq!(of(Named::ByToken), LinkFault::TokenRefused);
        assert!(matches!(of(Named::ByCertificate), LinkFault::CertificateRefused(_)));
    }
    let code = ServerError::AuthorizationError as i32;
    let error = ClientError::Broker { code, message: "x".to_owned() };
    let fault = LinkFault::of_client(&error, Named::ByToken).unwrap();
    assert!(matches!(fault, LinkFault::NotAuthorised(_)));
}

#[test]
fn a_broker_that_is_gone_is_no_fault_of_the_link() {
    let code = ServerError::ServiceNotReady as i32;
    for error in [
        ClientError::Io(io::ErrorKind::ConnectionRefused.into()),
        ClientError::PeerClosed,
        ClientError::Other("connection closed during handshake".to_owned()),
        ClientError::Broker { code, message: String::new() },
    ] {
        assert_eq!(LinkFault::of_client(&error, Named::ByToken), None, "{error}");
    }
}
