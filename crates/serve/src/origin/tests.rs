//! Own, allowed and foreign origins.

use http::Request;
use proptest::prelude::*;
use tidings_event::Code;

use super::Origins;

#[track_caller]
fn check(host: &str, origin: &str, wanted: Result<bool, Code>) {
    let origins = Origins::new(&["https://desk.example".to_owned()]).unwrap();
    let request = Request::builder().uri("/").header("host", host).header("origin", origin);
    let found = origins.check(&request.body(()).unwrap());
    assert_eq!(found.map(|o| o.is_some()).map_err(|r| r.code), wanted, "{host} {origin}");
}

#[test]
fn own_pages_and_allowed_ones_may_ask() {
    for host in ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "10.0.0.7", "LocalHost:1"] {
        check(host, &format!("http://{host}"), Ok(false));
    }
    check("127.0.0.1:8080", "https://desk.example", Ok(true));
    check("127.0.0.1:8080", "HTTPS://Desk.Example", Ok(true));
}

#[test]
fn foreign_pages_may_not() {
    let refused = Err(Code::OriginRefused);
    for origin in [
        "https://evil.example",
        "null",
        "",
        "http://127.0.0.1:8081",
        "http://localhost:8080",
        "http://desk.example",
        "https://desk.example.evil.example",
        "https://desk.example:444",
        "http://127.0.0.1:8080.evil.example",
    ] {
        check("127.0.0.1:8080", origin, refused);
    }
    // A name that was made to point here.
    check("evil.example:8080", "http://evil.example:8080", refused);
    check("127.0.0.1.evil.example", "http://127.0.0.1.evil.example", refused);
}

#[test]
fn no_origin_is_no_page_and_two_are_refused() {
    let origins = Origins::default();
    assert_eq!(origins.check(&Request::new(())), Ok(None));
    let own = "http://127.0.0.1";
    let two = Request::builder().header("host", "127.0.0.1").header("origin", own);
    let two = two.header("origin", own).body(()).unwrap();
    assert!(origins.check(&two).is_err());
}

#[test]
fn what_is_no_origin_is_no_setting() {
    for text in
        ["desk.example", "https://", "https://a/", "https://a/b", "ftp://a", "*", "", "null"]
    {
        assert!(Origins::new(&[text.to_owned()]).is_err(), "{text}");
    }
    for text in ["http://localhost:3000", "https://Desk.Example", "http://[::1]:80"] {
        assert!(Origins::new(&[text.to_owned()]).is_ok(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_origin_is_its_own_only_by_address(host in "[a-z0-9.:\\[\\]-]{0,24}", origin in ".{0,40}") {
        let build = |origin: &str| {
            let request = Request::builder().uri("/").header("host", &host).header("origin", origin);
            request.body(()).ok()
        };
        for origin in [origin, format!("http://{host}"), format!("https://{host}")] {
            let Some(request) = build(&origin) else { continue };
            if Origins::default().check(&request).is_ok() {
                let name = origin.split("//").nth(1).unwrap();
                prop_assert_eq!(name, &host);
                let address = name == "localhost" || name.starts_with("localhost:")
                    || name.starts_with('[') || name.split(':').next().unwrap().parse::<std::net::Ipv4Addr>().is_ok();
                prop_assert!(address, "{}", name);
            }
        }
    }
}
