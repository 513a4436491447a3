//! What the pages show, and to whom.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use saga_core::prelude::*;
use saga_core::store::MemoryStore;
use saga_web::Options;

use crate::common::{IMAGE, SCRIPT, Shop, TURNED, many};
use crate::{get, read, send};

#[tokio::test]
async fn every_page_is_there_and_says_how_little_it_needs() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let page = shop.page(Options::new());
    for path in [
        "/",
        "/needs-human",
        "/sagas",
        "/sagas?state=running&saga=Order&version=1&id=order&older=",
        "/sagas/order-1",
        "/sagas/order-1/nodes",
        "/sagas/order-1/nodes?under=charge",
        "/sagas/order-1/log",
        "/session",
    ] {
        let answer = read(&page, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let policy = answer.header("content-security-policy");
        assert_eq!(
            policy,
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("x-frame-options"), "DENY");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert!(!answer.body.contains(" style="), "{path}");
        let handlers = [" onclick=", " onload=", " onerror=", "javascript:"];
        assert!(!handlers.iter().any(|handler| answer.body.contains(handler)), "{path}");
    }
    for path in ["/sagas/none", "/sagas/..%2f..", "/nowhere", "/static/secret", "/sagas/none/log"] {
        assert_eq!(read(&page, path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    for path in [
        "/sagas?state=odd",
        "/sagas?version=x",
        "/sagas?older=foo",
        "/sagas?after=%2f",
        "/needs-human?after=x",
    ] {
        let answer = read(&page, path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_page_of_a_saga_says_what_it_waits_for_and_what_remains() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    shop.stuck("order-2").await;
    let page = shop.page(Options::new());
    let running = read(&page, "/sagas/order-1").await.body;
    assert!(running.contains("`pack` has been running for"), "{running}");
    assert!(running.contains("class=\"saga-node saga-running\""));
    let stuck = read(&page, "/sagas/order-2").await;
    assert!(stuck.body.contains("the bank refuses: &lt;b&gt;account closed&lt;/b&gt;"));
    let view = shop.sec.operator("x").inspect("order-2").await.unwrap();
    let left = view.remaining_effects().next().unwrap();
    assert!(stuck.body.contains(&left.action_key.to_string()));
    assert!(stuck.body.contains(&left.undo_key.to_string()));
    let human = read(&page, "/").await.body;
    assert!(human.contains("href=\"/sagas/order-2\""));
}

#[tokio::test]
async fn what_is_in_doubt_comes_first_with_what_to_look_up() {
    use crate::changes::sign_in;
    let shop = Shop::open().await;
    shop.parked("payout-1").await;
    let alice = shop.page(Options::new().allow_changes(crate::common::TOKEN));
    let alice = sign_in(alice, "Alice").await;
    let page = alice.get("/sagas/payout-1").await;
    let doubt = page.between("id=\"doubt\"", "id=\"buttons\"");
    let facts = shop.sec.operator("x").inspect("payout-1").await.unwrap();
    let transfer = facts.nodes.iter().find(|node| node.node == "transfer").unwrap();
    for shown in [
        "In doubt",
        "transfer",
        &transfer.action_key.to_string(),
        "data-label=\"Attempts\">1<",
        "timed out after 50ms",
        &transfer.started_at.unwrap().to_string(),
        &transfer.ended_at.unwrap().to_string(),
    ] {
        assert!(doubt.contains(shown), "{shown}: {doubt}");
    }
    assert!(!doubt.contains("hidden"), "{doubt}");
    let effects = page.between("id=\"effects\"", "id=\"graph\"");
    assert!(!effects.contains("transfer"), "{effects}");
    // a call that is in flight is not in doubt
    shop.start("order-1", "Ada").await;
    let page = alice.get("/sagas/order-1").await;
    assert!(page.between("id=\"doubt\"", ">").contains("hidden"), "{}", page.body);
    let effects = page.between("id=\"effects\"", "id=\"graph\"");
    assert!(effects.contains("In flight") && effects.contains(">pack<"), "{effects}");
    assert!(!page.body.contains(">in doubt<"), "{}", page.body);
    let nodes = alice.get("/sagas/order-1/nodes").await.body;
    assert!(nodes.contains(">running<") && !nodes.contains(">in doubt<"), "{nodes}");
}

#[tokio::test]
async fn a_saga_of_an_unknown_version_is_shown_as_such_at_once() {
    let store = MemoryStore::new();
    let before = Shop::on(store.clone()).await;
    before.start("order-1", "Ada").await;
    before.sec.shutdown(std::time::Duration::ZERO).await.unwrap();
    let knows_none = Coordinator::builder(()).store(store).build().await.unwrap();
    let page = saga_web::router(knows_none.operator("page"));
    let saga = read(&page, "/sagas/order-1").await;
    assert!(saga.between("<h1", "</h1>").contains("unknown version"), "{}", saga.body);
    for path in ["/", "/needs-human"] {
        let human = read(&page, path).await.body;
        assert!(human.contains("href=\"/sagas/order-1\""), "{path}: {human}");
    }
}

#[tokio::test]
async fn the_page_works_wherever_it_is_mounted() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let nested = Router::new().nest("/ops/sagas", shop.page(Options::new()));
    let service = Router::new().nest_service("/ops/sagas", shop.page(Options::new()));
    for (service, path) in [
        (&nested, "/ops/sagas"),
        (&nested, "/ops/sagas/sagas/order-1"),
        (&service, "/ops/sagas"),
        // as people type it
        (&service, "/ops/sagas/"),
        (&service, "/ops/sagas/sagas/order-1"),
    ] {
        let answer = read(service, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        for (i, _) in answer.body.match_indices(" href=\"/") {
            let rest = &answer.body[i..];
            assert!(
                rest.starts_with(" href=\"/ops/sagas")
                    && !rest.starts_with(" href=\"/ops/sagas/\""),
                "{path}: {}",
                &rest[..40]
            );
        }
        let css = answer.between("rel=\"stylesheet\" href=\"", "\"");
        let file = read(service, &css).await;
        assert_eq!(file.status, StatusCode::OK);
        assert!(file.header("content-type").starts_with("text/css"));
        assert!(file.header("cache-control").contains("immutable"));
    }
}

#[tokio::test]
async fn other_hosts_are_not_answered() {
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let page = shop.page(Options::new().host("ops.example.com"));
    let with = async |host: &str| {
        let request = Request::get("/sagas/order-1").header("host", host);
        send(&page, request.body(Body::empty()).unwrap()).await
    };
    for host in
        ["localhost", "127.0.0.1:9000", "[::1]:9000", "ops.example.com", "OPS.example.com:443"]
    {
        assert_eq!(with(host).await.status, StatusCode::OK, "{host}");
    }
    for host in
        ["rebound.example", "localhost.example", "192.168.0.1", "ops.example.com.evil", "<b>"]
    {
        let answer = with(host).await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
        assert!(!answer.body.contains("order-1"));
        assert!(answer.header("content-type").starts_with("text/plain"));
    }
    let nameless = Request::get("/").body(Body::empty()).unwrap();
    assert_eq!(send(&page, nameless).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn hostile_names_and_outputs_are_text() {
    let shop = Shop::open().await;
    shop.hostile("hostile").await;
    let shows = shop.page(Options::new().show_outputs());
    for path in [
        "/",
        "/sagas",
        "/sagas/hostile",
        "/sagas/hostile/nodes",
        "/sagas/hostile/log",
        "/needs-human",
    ] {
        let answer = read(&shows, path).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(!answer.body.contains(SCRIPT) && !answer.body.contains(IMAGE), "{path}");
        assert!(answer.body.len() < 200_000, "{path} has {} bytes", answer.body.len());
        // what is turned stands where it cannot turn what is around it
        for (i, _) in answer.body.match_indices(TURNED) {
            let before = &answer.body[..i];
            let (element, attribute) = (before.rfind("<bdi"), before.rfind('\u{2068}'));
            let ended = before.rfind("</bdi>").max(before.rfind('\u{2069}'));
            assert!(element.max(attribute) > ended, "{path}: {}", &answer.body[i - 60..i]);
        }
    }
    let nodes = read(&shows, "/sagas/hostile/nodes").await.body;
    assert!(nodes.contains("4.0 MiB in all") || nodes.contains("5.0 MiB in all"), "{nodes}");
    let hides = shop.page(Options::new());
    let nodes = read(&hides, "/sagas/hostile/nodes").await.body;
    assert!(!nodes.contains("Output") && !nodes.contains("MiB"));
    assert!(!read(&hides, "/sagas/hostile").await.body.contains("Parameters"));
}

#[tokio::test]
async fn a_hundred_thousand_sagas_are_shown_a_page_at_a_time() {
    let shop = Shop::on(many(100_000).await).await;
    let page = shop.page(Options::new());
    let first = read(&page, "/sagas").await.body;
    assert_eq!(first.matches("class=\"id\"").count(), 50);
    let next = crate::Answered { body: first, ..read(&page, "/session").await };
    let next = next.between("rel=\"next\" href=\"", "\"").replace("&amp;", "&");
    let second = read(&page, &next).await.body;
    assert!(second.contains("order-000050") && !second.contains("order-000049<"));
    let fleet = read(&page, "/").await.body;
    assert!(fleet.contains("99\u{202f}995"), "{fleet}");
    assert!(fleet.len() < 20_000);
    let stuck = read(&page, "/sagas?state=stuck").await.body;
    assert_eq!(stuck.matches("class=\"id\"").count(), 5);
}

#[tokio::test]
async fn a_thousand_nodes_are_one_picture() {
    let shop = Shop::open().await;
    shop.large("large").await;
    let page = shop.page(Options::new());
    let answer = read(&page, "/sagas/large").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.len() < 3_000_000, "{}", answer.body.len());
    assert!(answer.body.contains("The latest 200 of 1000 attempts"));
    let nodes = read(&page, "/sagas/large/nodes?from=900").await.body;
    assert_eq!(nodes.matches("<li>").count(), 100);
}

#[tokio::test]
async fn a_stream_says_when_a_saga_has_changed() {
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    let shop = Shop::open().await;
    shop.start("order-1", "Ada").await;
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let page = shop.page(Options::new().until(async move {
        let _ = stopped.wait_for(|stop| *stop).await;
    }));
    let shown = read(&page, "/sagas/order-1").await.between("data-version=\"", "\"");
    let request = get("/events?saga=order-1").body(Body::empty()).unwrap();
    let response = page.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut next = async || {
        let frame = body.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(frame.to_vec()).unwrap())
    };
    assert_eq!(next().await.unwrap(), format!("data: {shown}\n\n"));
    shop.world.packing.add_permits(1);
    assert_ne!(next().await.unwrap(), format!("data: {shown}\n\n"));
    stop.send(true).unwrap();
    // at most what was on its way
    while next().await.is_some() {}
}

#[tokio::test]
async fn sagas_whose_ids_are_dots_have_pages() {
    let shop = Shop::open().await;
    let page = shop.page(Options::new());
    for id in [".", ".."] {
        shop.start(id, "Ada").await;
        let list = read(&page, "/sagas").await.body;
        assert!(list.contains(&format!("href=\"/sagas/~{id}\"")), "{list}");
        let saga = read(&page, &format!("/sagas/~{id}")).await;
        assert_eq!(saga.status, StatusCode::OK);
        assert!(saga.body.contains(&format!("href=\"/sagas/~{id}/nodes\"")), "{}", saga.body);
        assert_eq!(read(&page, &format!("/sagas/~{id}/log")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn where_only_the_program_knows_whether_an_output_can_be_read_each_can_be_replaced() {
    use crate::changes::sign_in;
    use saga_core::operator::Operator;
    let (shop, store) = Shop::with_an_unreadable_parcel("parcel-1").await;
    let attached = Operator::attach(store, "page", std::time::Duration::ZERO);
    let options = Options::new().allow_changes(crate::common::TOKEN);
    let attached = sign_in(saga_web::router_with(attached, options.clone()), "Alice").await;
    let nodes = attached.get("/sagas/parcel-1/nodes").await.body;
    assert!(nodes.contains("ask?command=decide_output&amp;node=weight\""), "{nodes}");
    assert!(
        !read(&shop.page(options.clone()), "/sagas/parcel-1/nodes")
            .await
            .body
            .contains("decide_output")
    );
    // the program itself knows which
    let own = sign_in(shop.page(options), "Alice").await;
    let nodes = own.get("/sagas/parcel-1/nodes").await.body;
    assert!(nodes.contains("The program cannot read its output"), "{nodes}");
    assert!(
        own.get("/sagas/parcel-1")
            .await
            .body
            .contains("ask?command=decide_output&amp;node=weight\"")
    );
    shop.parked("payout-1").await;
    assert!(!own.get("/sagas/payout-1/nodes").await.body.contains("decide_output"));
}
