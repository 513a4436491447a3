//! Who may change something, and how; and who may not.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_web::Options;

use crate::common::{IMAGE, Shop, TOKEN};
use crate::{Answered, form, get, plain_form, read, send};

/// Somebody who has signed in.
pub(crate) struct Signed {
    page: Router,
    cookie: String,
    pub(crate) csrf: String,
}

impl Signed {
    pub(crate) async fn get(&self, path: &str) -> Answered {
        send(&self.page, get(path).header("cookie", &self.cookie).body(Body::empty()).unwrap())
            .await
    }

    pub(crate) async fn send(&self, mut request: Request<Body>) -> Answered {
        request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        send(&self.page, request).await
    }
}

/// What a hidden field of a form says.
pub(crate) fn hidden(page: &Answered, field: &str) -> String {
    page.between(&format!("name=\"{field}\" value=\""), "\"")
}

pub(crate) async fn sign_in(page: Router, name: &str) -> Signed {
    let answer = send(&page, form("/session", &[("name", name), ("token", TOKEN)])).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let set = answer.header("set-cookie").to_string();
    assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
    assert!(set.contains("; Path=/;"), "{set}");
    assert!(!answer.header("location").contains(TOKEN));
    let cookie = set.split(';').next().unwrap().to_string();
    let mut signed = Signed { page, cookie, csrf: String::new() };
    signed.csrf = signed.get("/session").await.between("name=\"csrf\" value=\"", "\"");
    signed
}

pub(crate) async fn shop() -> (Shop, Router) {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let page = shop.page(Options::new().allow_changes(TOKEN));
    (shop, page)
}

#[tokio::test]
async fn a_cancel_is_predicted_confirmed_and_recorded_with_its_name() {
    let (shop, page) = shop().await;
    let alice = sign_in(page, "Alice").await;
    let saga = alice.get("/sagas/order-1").await;
    assert!(saga.body.contains("/sagas/order-1/ask?command=cancel\""), "{}", saga.body);
    assert!(saga.body.contains("/sagas/order-1/ask?command=pause\""));
    assert!(!saga.body.contains("?command=resume"), "it is not paused");
    let before = shop.log("order-1").await;
    let confirm = alice.get("/sagas/order-1/ask?command=cancel").await;
    assert!(confirm.body.contains("unwinding"), "{}", confirm.body);
    assert_eq!(shop.log("order-1").await, before, "nothing is written before it is confirmed");
    let (seen, id) = (hidden(&confirm, "seen"), hidden(&confirm, "form"));
    let fields = [
        ("csrf", &*alice.csrf),
        ("command", "cancel"),
        ("form", &*id),
        ("seen", &*seen),
        ("note", IMAGE),
    ];
    let answer = alice.send(form("/sagas/order-1/ask", &fields)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let location = answer.header("location");
    assert!(location.starts_with("/sagas/order-1?said="), "{location}");
    let saga = alice.get(location).await;
    assert!(saga.body.contains("Cancel: it is in the log, and takes effect."));
    let again = alice.get(location).await.body;
    assert!(!again.contains("takes effect."), "it is said once, and to nobody else");
    assert!(saga.body.contains("<bdi class=\"u\">Alice</bdi>"));
    assert!(!saga.body.contains(IMAGE));
    assert!(shop.log("order-1").await.contains("unwinding"));
}

#[tokio::test]
async fn what_has_changed_since_it_was_predicted_is_shown_again() {
    let (shop, page) = shop().await;
    let alice = sign_in(page, "Alice").await;
    let confirm = alice.get("/sagas/order-1/ask?command=pause").await;
    let (seen, id) = (hidden(&confirm, "seen"), hidden(&confirm, "form"));
    shop.world.packing.add_permits(1);
    shop.reaches("order-1", "ended").await;
    let before = shop.log("order-1").await;
    let fields = [("csrf", &*alice.csrf), ("command", "pause"), ("form", &*id), ("seen", &*seen)];
    let answer = alice.send(form("/sagas/order-1/ask", &fields)).await;
    assert!(answer.body.contains("The saga has gone on meanwhile"), "{}", answer.body);
    assert!(answer.body.contains("It would be refused"));
    assert_eq!(shop.log("order-1").await, before);
}

#[tokio::test]
async fn a_stuck_saga_is_resolved_by_its_buttons() {
    let (shop, page) = shop().await;
    shop.stuck("order-2").await;
    let alice = sign_in(page, "Alice").await;
    let saga = alice.get("/sagas/order-2").await.body;
    for command in ["retry_undo", "resolve"] {
        assert!(saga.contains(&format!("?command={command}&amp;node=charge")), "{command}: {saga}");
    }
    let confirm = alice.get("/sagas/order-2/ask?command=resolve&node=charge").await;
    let (seen, id) = (hidden(&confirm, "seen"), hidden(&confirm, "form"));
    let fields = [
        ("csrf", &*alice.csrf),
        ("command", "resolve"),
        ("node", "charge"),
        ("form", &*id),
        ("seen", &*seen),
        ("note", "paid back in cash"),
    ];
    let answer = alice.send(form("/sagas/order-2/ask", &fields)).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    shop.reaches("order-2", "ended: rolled_back").await;
    let saga = alice.get("/sagas/order-2").await.body;
    assert!(saga.contains("paid back in cash"));
    assert!(!alice.get("/needs-human").await.body.contains("order-2"));
}

#[tokio::test]
async fn who_decides_reads_what_follows_and_what_to_look_up() {
    let (shop, page) = shop().await;
    shop.parked("payout-1").await;
    let alice = sign_in(page, "Alice").await;
    let facts = shop.sec.operator("test").inspect("payout-1").await.unwrap();
    let transfer = facts.nodes.iter().find(|node| node.node == "transfer").unwrap();
    let key = transfer.action_key.to_string();
    for command in ["decide_failed", "decide_succeeded"] {
        let path = format!("/sagas/payout-1/ask?command={command}&node=transfer");
        let form = alice.get(&path).await.body;
        assert!(form.contains(&key), "{command}: {form}");
        assert!(form.contains("timed out after 50ms"), "{command}: {form}");
        assert!(form.contains("Attempts: 1; the first began"), "{command}: {form}");
        let rolls_back = command == "decide_failed";
        assert_eq!(form.contains("The saga rolls back"), rolls_back, "{command}: {form}");
        assert_eq!(form.contains("The saga goes on."), !rolls_back, "{command}: {form}");
    }
    shop.stuck("order-2").await;
    let form = alice.get("/sagas/order-2/ask?command=resolve&node=charge").await.body;
    assert!(!form.contains("Nothing is called"), "{form}");
    assert!(form.contains("Its own undo is not called any more"), "{form}");
}

#[tokio::test]
async fn nobody_else_changes_anything() {
    let (shop, page) = shop().await;
    let alice = sign_in(page.clone(), "Alice").await;
    let confirm = alice.get("/sagas/order-1/ask?command=cancel").await;
    let (seen, id) = (hidden(&confirm, "seen"), hidden(&confirm, "form"));
    let before = shop.log("order-1").await;
    let path = "/sagas/order-1/ask";
    let all = [
        ("csrf", &*alice.csrf),
        ("command", "cancel"),
        ("form", &*id),
        ("seen", &*seen),
        ("note", "why"),
    ];

    // not signed in
    assert_eq!(send(&page, form(path, &all)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        read(&page, "/sagas/order-1/ask?command=cancel").await.status,
        StatusCode::FORBIDDEN
    );
    assert!(!read(&page, "/sagas/order-1").await.body.contains("?command="));
    // a form without the session's token, or with that of somebody else
    let bob = sign_in(page.clone(), "Bob").await;
    for csrf in ["", "wrong", &bob.csrf] {
        let fields = [
            ("csrf", csrf),
            ("command", "cancel"),
            ("form", &*id),
            ("seen", &*seen),
            ("note", "why"),
        ];
        let answer = alice.send(form(path, &fields)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    // from another site, even with everything right
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "http://localhost:9999"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("sec-fetch-site", "none"),
    ] {
        let mut request = plain_form(path, &all);
        request.headers_mut().insert(name, value.parse().unwrap());
        assert_eq!(alice.send(request).await.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    // to a host that is not ours
    let mut request = form(path, &all);
    request.headers_mut().insert("host", "rebound.example".parse().unwrap());
    assert_eq!(alice.send(request).await.status, StatusCode::MISDIRECTED_REQUEST);
    // a cookie that is none
    for cookie in ["saga_session=", "saga_session=0", "other=1"] {
        let mut request = form(path, &all);
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        assert_eq!(send(&page, request).await.status, StatusCode::FORBIDDEN, "{cookie}");
    }
    // other methods
    for method in ["PUT", "DELETE", "PATCH"] {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        let answer = alice.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method}");
    }
    // after signing out
    let out = alice.send(form("/session/end", &[("csrf", &alice.csrf)])).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    assert_eq!(alice.send(form(path, &all)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(shop.log("order-1").await, before);
}

#[tokio::test]
async fn a_page_that_only_shows_lets_nobody_in() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    for options in [Options::new(), Options::new().allow_changes("")] {
        let page = shop.page(options);
        for token in ["", TOKEN] {
            let answer = send(&page, form("/session", &[("name", "Eve"), ("token", token)])).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            assert_eq!(answer.header("set-cookie"), "");
        }
        assert!(read(&page, "/").await.body.contains("Read-only"));
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused() {
    let (shop, page) = shop().await;
    let alice = sign_in(page, "Alice").await;
    let before = shop.log("order-1").await;
    for path in [
        "/sagas/order-1/ask?command=inject&node=charge",
        "/sagas/order-1/ask?command=resolve",
        "/sagas/order-1/ask?command=pause&node=charge",
        "/sagas/order-1/ask",
    ] {
        assert_eq!(alice.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let long = "x".repeat(5000);
    let fields = [("csrf", &*alice.csrf), ("command", "cancel"), ("note", &long)];
    let answer = alice.send(form("/sagas/order-1/ask", &fields)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let huge = "x".repeat(300 * 1024);
    let fields = [("csrf", &*alice.csrf), ("command", "cancel"), ("note", &huge)];
    let answer = alice.send(form("/sagas/order-1/ask", &fields)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(shop.log("order-1").await, before);
}
