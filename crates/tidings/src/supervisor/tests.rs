//! What the supervisor is told, on a socket of each kind.

use std::ffi::OsString;
use std::time::Duration;

use super::*;

fn check(name: OsString, socket: &UnixDatagram) {
    let watchdog = Some(Duration::from_secs(60));
    let supervisor = Supervisor { socket: Some(open(name.as_bytes()).unwrap()), watchdog };
    supervisor.ready("serving");
    supervisor.stopping();
    for expected in ["READY=1\nSTATUS=serving", "STOPPING=1\nSTATUS=finishing what was taken"] {
        let mut message = [0; 200];
        let length = socket.recv(&mut message).unwrap();
        assert_eq!(&message[..length], expected.as_bytes());
    }
}

#[test]
fn it_is_told_on_a_socket_with_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    check(path.clone().into(), &UnixDatagram::bind(path).unwrap());
}

#[test]
fn it_is_told_on_an_abstract_socket() {
    let name = format!("tidings-test-{}", std::process::id());
    let addr = SocketAddr::from_abstract_name(&name).unwrap();
    check(format!("@{name}").into(), &UnixDatagram::bind_addr(&addr).unwrap());
}

#[tokio::test]
async fn the_watchdog_is_fed_from_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_nonblocking(true).unwrap();
    let watchdog = Some(Duration::from_millis(2));
    let supervisor =
        Supervisor { socket: Some(open(path.as_os_str().as_bytes()).unwrap()), watchdog };
    let fed = async {
        let socket = tokio::net::UnixDatagram::from_std(socket).unwrap();
        for _ in 0..3 {
            let mut message = [0; 20];
            let length = socket.recv(&mut message).await.unwrap();
            assert_eq!(&message[..length], b"WATCHDOG=1");
        }
    };
    tokio::select! {
        () = supervisor.watch() => {}
        () = fed => {}
    }
}

#[test]
fn nobody_is_told_nothing() {
    Supervisor { socket: None, watchdog: None }.ready("serving");
}
