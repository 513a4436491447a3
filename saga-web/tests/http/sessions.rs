//! Signing in, and what is remembered of a session.

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use futures_util::future::join_all;
use saga_web::Options;

use crate::changes::{hidden, shop, sign_in};
use crate::common::{Shop, TOKEN};
use crate::{form, read, send};

/// An attempt to sign in, from this address if the service tells.
async fn attempt(page: &axum::Router, token: &str, from: Option<&str>) -> StatusCode {
    let mut request = form("/session", &[("name", "Eve"), ("token", token)]);
    if let Some(from) = from {
        let address = SocketAddr::from((from.parse::<IpAddr>().unwrap(), 4711));
        request.extensions_mut().insert(ConnectInfo(address));
    }
    let answer = send(page, request).await;
    assert!(!answer.body.contains("guess"));
    answer.status
}

#[tokio::test]
async fn whoever_guesses_tokens_locks_out_nobody_else() {
    let (_shop, page) = shop().await;
    // a service that does not tell where requests come from
    for status in join_all((0..30).map(|_| attempt(&page, "guess", None))).await {
        assert_eq!(status, StatusCode::FORBIDDEN);
    }
    assert_eq!(attempt(&page, TOKEN, None).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn wrong_tokens_from_an_address_make_that_address_wait() {
    let (_shop, page) = shop().await;
    for _ in 0..10 {
        assert_eq!(attempt(&page, "guess", Some("192.0.2.1")).await, StatusCode::FORBIDDEN);
    }
    assert_eq!(attempt(&page, "guess", Some("192.0.2.1")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt(&page, TOKEN, Some("192.0.2.1")).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(attempt(&page, TOKEN, Some("192.0.2.2")).await, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn a_form_that_is_sent_several_times_is_carried_out_once() {
    let (shop, page) = shop().await;
    let operator = shop.sec.operator("Carol");
    operator.pause("order-1").await.unwrap();
    shop.world.packing.add_permits(1);
    shop.reaches("order-1", "succeeded pack").await;
    operator.cancel("order-1", "the customer called").await.unwrap();
    // the undos of `charge` and `pack` are due: each step starts one of them
    let alice = sign_in(page, "Alice").await;
    let confirm = alice.get("/sagas/order-1/ask?command=step").await;
    let (seen, id) = (hidden(&confirm, "seen"), hidden(&confirm, "form"));
    let fields = [("csrf", &*alice.csrf), ("command", "step"), ("seen", &*seen), ("form", &*id)];
    let all = join_all((0..3).map(|_| alice.send(form("/sagas/order-1/ask", &fields)))).await;
    let mut said = Vec::new();
    for answer in all {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        let page = alice.get(answer.header("location")).await;
        said.push(page.between("class=\"notice\" role=\"status\">", "</p>"));
    }
    let (done, twice): (Vec<_>, Vec<_>) =
        said.iter().partition(|text| text.contains("takes effect"));
    assert_eq!((done.len(), twice.len()), (1, 2), "{said:?}");
    assert!(twice.iter().all(|text| text.contains("this form was sent before")), "{said:?}");
    let audit = operator.audit("order-1").await.unwrap();
    assert_eq!(audit.iter().filter(|request| request.command == "step").count(), 1);
    // one that does not say which form it is, is none of ours
    let confirm = alice.get("/sagas/order-1/ask?command=step").await;
    let seen = hidden(&confirm, "seen");
    let fields = [("csrf", &*alice.csrf), ("command", "step"), ("seen", &*seen)];
    alice.send(form("/sagas/order-1/ask", &fields)).await;
    assert_eq!(operator.audit("order-1").await.unwrap().len(), audit.len());
}

#[tokio::test]
async fn who_signs_in_comes_back_to_the_saga_and_nowhere_else() {
    let (_shop, page) = shop().await;
    let saga = read(&page, "/sagas/order-1").await.body;
    assert!(saga.contains("href=\"/session?saga=order-1\""), "{saga}");
    let shown = read(&page, "/session?saga=order-1").await;
    assert_eq!(hidden(&shown, "saga"), "order-1");
    for (saga, leads_to) in
        [("order-1", "/sagas/order-1"), ("", "/"), ("//evil.example", "/"), ("..", "/sagas/~..")]
    {
        let fields = [("name", "Ada"), ("token", TOKEN), ("saga", saga)];
        let answer = send(&page, form("/session", &fields)).await;
        assert_eq!(answer.header("location"), leads_to);
    }
}

#[tokio::test]
async fn pages_on_one_computer_keep_their_sessions_apart_and_https_is_noticed() {
    let shop = Shop::open().await;
    let page = shop.page(Options::new().allow_changes(TOKEN).host("ops.example.com"));
    let cookie = async |host: &str, origin: &str| {
        let mut request = form("/session", &[("name", "Ada"), ("token", TOKEN)]);
        request.headers_mut().insert("host", host.parse().unwrap());
        request.headers_mut().insert("origin", origin.parse().unwrap());
        send(&page, request).await.header("set-cookie").to_string()
    };
    let one = cookie("localhost:7401", "http://localhost:7401").await;
    assert!(one.starts_with("saga_session_7401=") && !one.contains("Secure"), "{one}");
    let other = cookie("localhost:7402", "http://localhost:7402").await;
    assert!(other.starts_with("saga_session_7402="), "{other}");
    let proxied = cookie("ops.example.com", "https://ops.example.com").await;
    assert!(proxied.starts_with("saga_session=") && proxied.ends_with("; Secure"), "{proxied}");
}
