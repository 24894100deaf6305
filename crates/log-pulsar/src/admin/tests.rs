//! Who is sent the token, and what a refusal is taken for.

use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::Admin;
use crate::options::{OpenError, PulsarOptions};
use crate::security::{LinkFault, Secret, Security};

const TOKEN: &str = "abc.def.ghi";

/// What comes of a request that is answered so; what was sent.
async fn answered(status: &str, body: &str, token: Option<&str>) -> (OpenError, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin_url = format!("http://{}", listener.local_addr().unwrap());
    let token = token.map(|token| Secret::from(token.to_owned()));
    let security = Security { token, ..Security::default() };
    let options = PulsarOptions { admin_url, security, ..PulsarOptions::default() };
    let other = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = vec![];
        while !sent.ends_with(b"\r\n\r\n") {
            sent.push(stream.read_u8().await.unwrap());
        }
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8(sent).unwrap()
    };
    let admin = Admin::new(&options);
    let (asked, sent) = tokio::join!(admin.ask(Method::GET, "clusters", None), other);
    (asked.err().unwrap(), sent)
}

fn fault(error: &OpenError) -> LinkFault {
    let OpenError::Link { fault, .. } = error else { panic!("{error}") };
    fault.clone()
}

#[tokio::test]
async fn a_refusal_says_whether_nobody_or_not_everything_is_let_in() {
    let page = "<title>Error 401 Authentication required</title>";
    let (error, sent) = answered("401 Unauthorized", page, Some(TOKEN)).await;
    assert_eq!(fault(&error), LinkFault::TokenRefused);
    assert!(sent.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{sent}");
    let (error, sent) = answered("401 Unauthorized", page, None).await;
    assert_eq!(fault(&error), LinkFault::Anonymous);
    assert!(!sent.contains("authorization"), "{sent}");
    let reason = "{\"reason\":\"This operation requires super-user access\"}";
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let (error, _) = answered(status, reason, Some(TOKEN)).await;
        let LinkFault::NotAuthorised(told) = fault(&error) else { panic!("{error}") };
        assert_eq!(told, "GET clusters: This operation requires super-user access");
    }
}

#[tokio::test]
async fn a_refusal_that_repeats_the_token_is_told_without_it() {
    let echo = format!("you sent {TOKEN}: {}", "x".repeat(10_000));
    for status in ["500 Internal Server Error", "403 Forbidden", "401 Unauthorized"] {
        let (error, _) = answered(status, &echo, Some(TOKEN)).await;
        for told in [error.to_string(), format!("{error:?}")] {
            assert!(!told.contains(TOKEN) && told.len() < 1_000, "{told}");
        }
    }
}
