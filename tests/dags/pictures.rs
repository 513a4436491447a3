//! DAGs as SVG pictures: what is drawn, and that hostile names stay text.

use roxmltree::{Document, Node as Tag};

use crate::common::lab::{Any, Lab, Provision, provision};
use saga_core::ActionState::{
    Completed, Failed, Pending, Running, Skipped, UndoFailed, Undoing, Undone,
};
use saga_core::action::ActionFunc;
use saga_core::dag::{Dag, DagBuilder, Node};
use saga_core::prelude::*;
use saga_core::render::{Graph, NodeStates, SvgOptions};
use saga_core::{ActionState, BoxError, Retry};

/// A trip whose nodes wait for each other as in the example `trip`.
fn trip() -> Result<Dag<()>, Any> {
    let node = |name: &str, action: &str| {
        let ok = |_cx| async { Ok::<_, BoxError>(1) };
        let undo = |_cx, _output| async { Ok::<_, BoxError>(()) };
        Ok::<_, Any>(Node::action(name, ActionFunc::<(), u64>::new(action, ok, undo)?)?)
    };
    let mut dag = DagBuilder::new("BookTrip")?;
    dag.append(node("quote", "price_trip")?)?;
    let booked = [("flight", "book_flight"), ("hotel", "book_hotel"), ("car", "rent_car")];
    dag.append_parallel(
        booked
            .map(|(name, action)| node(name, action))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?,
    )?;
    dag.append(node("payment", "charge_card")?.pivot())?;
    dag.append(node("itinerary", "issue_itinerary")?.retry(Retry::forever()))?;
    // follows from the others
    dag.add_edge("quote", "payment")?;
    Ok(dag.build()?)
}

fn states(all: &[(&str, ActionState)]) -> NodeStates {
    all.iter().map(|(path, state)| ((*path).into(), *state)).collect()
}

fn with_class<'a>(svg: &'a Document<'_>, class: &str) -> Vec<Tag<'a, 'a>> {
    let classes = |tag: &Tag<'_, '_>| tag.attribute("class").unwrap_or_default().to_string();
    svg.descendants().filter(|tag| classes(tag).split(' ').any(|word| word == class)).collect()
}

/// The picture as XML, which has nothing that loads or runs anything.
fn parsed(svg: &str) -> Document<'_> {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}\n{svg}"));
    for tag in document.descendants().filter(Tag::is_element) {
        let name = tag.tag_name().name();
        assert!(
            ["svg", "title", "style", "g", "a", "path", "rect", "circle", "text"].contains(&name),
            "{name}"
        );
        for attribute in tag.attributes() {
            assert!(!attribute.name().starts_with("on"), "{}", attribute.name());
            assert_ne!(attribute.name(), "style");
        }
    }
    assert!(!svg.contains("url("), "{svg}");
    document
}

#[test]
fn a_trip_that_is_undone() -> Result<(), Any> {
    let states = [
        ("quote", Completed),
        ("flight", UndoFailed),
        ("hotel", Undoing),
        ("car", Undone),
        ("payment", Failed),
        ("itinerary", Skipped),
    ];
    let svg = trip()?.to_svg(Some(&self::states(&states)));
    parsed(&svg);
    insta::assert_snapshot!("trip", svg);
    Ok(())
}

#[test]
fn each_state_has_a_word_a_sign_and_a_colour_of_its_own() -> Result<(), Any> {
    let mut looks = Vec::new();
    for state in [Pending, Running, Completed, Failed, Undoing, Undone, UndoFailed, Skipped] {
        let svg = trip()?.to_svg(Some(&states(&[("quote", state)])));
        let svg = parsed(&svg);
        let node = with_class(&svg, &format!("saga-{state}"))[0];
        assert_eq!(node.attribute("data-node"), Some("quote"));
        let label = node.attribute("aria-label").unwrap_or_default();
        assert!(label.ends_with(&format!(", {state}")), "{label}");
        let texts = node
            .descendants()
            .filter(|tag| tag.has_tag_name(("http://www.w3.org/2000/svg", "text")));
        assert!(texts.filter_map(|text| text.text()).any(|text| text == state.to_string()));
        let attribute = |class: &str, name: &str| {
            let tag = node.descendants().find(|tag| tag.attribute("class") == Some(class));
            tag.and_then(|tag| tag.attribute(name)).unwrap_or_default().to_string()
        };
        looks.push((attribute("saga-sign", "d"), attribute("saga-box", "stroke")));
    }
    let signs = looks.iter().map(|(sign, _)| sign).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(signs.len(), looks.len());
    // what has not run is grey, whether it still will or not
    let colours = looks.iter().map(|(_, colour)| colour).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(colours.len(), looks.len() - 1);
    Ok(())
}

#[test]
fn the_edges_that_a_rollback_has_come_to_lead_back() -> Result<(), Any> {
    let frontier = |states: Option<&NodeStates>| {
        Ok::<_, Any>(with_class(&parsed(&trip()?.to_svg(states)), "saga-frontier").len() / 2)
    };
    // each edge is a line and a head
    let failed =
        [("quote", Completed), ("flight", Completed), ("hotel", Completed), ("car", Failed)];
    assert_eq!(frontier(Some(&states(&failed)))?, 0, "it may be tried again");
    let begun = [("quote", Completed), ("flight", Completed), ("hotel", Undone), ("car", Failed)];
    assert_eq!(frontier(Some(&states(&begun)))?, 2, "to hotel and car");
    let done = [("quote", Undone), ("flight", Undone), ("hotel", Undone), ("car", Failed)];
    assert_eq!(frontier(Some(&states(&done)))?, 0);
    assert_eq!(frontier(None)?, 0);
    Ok(())
}

#[tokio::test]
async fn what_a_node_contains_is_within_it_and_instances_are_counted() -> Result<(), Any> {
    let failing = "machines[1]/disks#0[2]/mount";
    let sec = Coordinator::builder(Lab::failing(Some(failing))).saga::<Provision>().build().await?;
    let error = sec.run(provision()).await.unwrap_err();
    let report = error.report().ok_or("no report")?;
    let states = report.nodes.iter().map(|n| (n.node.clone(), n.state)).collect::<NodeStates>();
    let dag = Dag::of::<Provision>()?;
    let svg = dag.to_svg(Some(&states));
    // what is stored with the saga gives the same pictures, without its definition
    let view = sec.inspect(report.saga.as_str()).await?.ok_or("not stored")?;
    let graph = view.graph()?;
    assert_eq!(graph.to_svg(Some(&view.node_states())), svg);
    assert_eq!(graph.to_dot(Some(&states)), dag.to_dot(Some(&states)));
    assert_eq!(graph.to_mermaid(None), dag.to_mermaid(None));
    let svg = parsed(&svg);
    let titles = with_class(&svg, "saga-title");
    let titles = titles.iter().filter_map(Tag::text).collect::<Vec<_>>();
    for title in [
        "each item of machines, 4 items",
        "each item of local, 3 items",
        "saga Address",
        "arm 1 of disks",
    ] {
        assert!(titles.contains(&title), "{title} {titles:?}");
    }
    let at = |path: &str| {
        with_class(&svg, "saga-node")
            .into_iter()
            .find(|tag| tag.attribute("data-node") == Some(path))
    };
    let mount = at("machines[]/disks#0[]/mount").ok_or("no mount")?;
    assert_eq!(mount.attribute("class"), Some("saga-node saga-failed"));
    let label = mount.attribute("aria-label").unwrap_or_default();
    assert_eq!(
        label,
        "\u{2068}mount\u{2069}: \u{2068}ready\u{2069}, 1 failed, 2 undone; after \u{2068}volume\u{2069}"
    );
    let inside = mount.ancestors().filter_map(|tag| tag.attribute("data-node")).collect::<Vec<_>>();
    assert_eq!(
        inside,
        ["machines[]/disks#0[]/mount", "machines[]/disks#0", "machines[]/disks", "machines"]
    );

    // each node is within the box of the node that contains it
    let number = |tag: &Tag<'_, '_>, name: &str| {
        tag.attribute(name).and_then(|n| n.parse::<f64>().ok()).unwrap_or_default()
    };
    let frame = |node: &Tag<'_, '_>| {
        let own = node.children().find(|tag| tag.attribute("class") == Some("saga-box"));
        own.map(|own| ["x", "y", "width", "height"].map(|name| number(&own, name)))
    };
    for node in with_class(&svg, "saga-node") {
        let outer = node.ancestors().skip(1).find(|tag| tag.attribute("data-node").is_some());
        let (Some(outer), Some([x, y, width, height])) = (outer, frame(&node)) else { continue };
        let [left, top, wide, high] = frame(&outer).ok_or("no box")?;
        assert!(left < x && top < y && x + width < left + wide && y + height < top + high);
    }
    Ok(())
}

#[test]
fn hostile_names_stay_text() -> Result<(), Any> {
    let names = [
        "</text><script>alert(1)</script>",
        "\" onload=\"alert(1)",
        "' & &amp; <!-- -- ?> ]]>",
        "\u{202e}kcab\u{2069}\u{2066}",
        "שלום עולם",
        "🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀🦀",
        "\u{fffe}\u{ffff}\u{2028}",
        "\u{e000}\u{301}\u{301}\u{301}\u{301}",
    ];
    let mut dag = DagBuilder::<()>::new("<svg onload=\"alert(1)\">&")?;
    for name in names {
        let name = name.replace(['/', '[', ']'], "|");
        dag.append(
            Node::constant(name.as_str(), 1)?.label(format!("{name}\n\u{1b}[31m").as_str()),
        )?;
    }
    let dag = dag.build()?;
    let link = |path: &str| Some(format!("/n?p={path}\"><script>"));
    for svg in [dag.to_svg(None), dag.to_svg_with(None, &SvgOptions::new().embedded().links(link))]
    {
        let svg = parsed(&svg);
        let texts = with_class(&svg, "saga-name")
            .into_iter()
            .filter_map(|tag| tag.text())
            .collect::<Vec<_>>();
        assert_eq!(texts[0], "<|text><script>alert(1)<|…");
        assert_eq!(texts[1], "\" onload=\"alert(1)");
        assert_eq!(texts[3], "\u{fffd}kcab\u{fffd}\u{fffd}");
        assert_eq!(texts[4], "שלום עולם");
        assert!(texts[5].ends_with('…'));
        // in full, and turned only within itself
        let title = with_class(&svg, "saga-node")[0]
            .descendants()
            .find(|tag| tag.tag_name().name() == "title");
        let title = title.and_then(|title| title.text()).unwrap_or_default();
        assert!(title.starts_with("\u{2068}<|text><script>alert(1)<|script>\u{2069}\n"), "{title}");
    }
    Ok(())
}

#[test]
fn a_picture_for_a_page_has_no_styles_and_may_have_links() -> Result<(), Any> {
    let dag = trip()?;
    assert!(dag.to_svg(None).contains("<style>"));
    let link = |path: &str| (path != "car").then(|| format!("/nodes/{path}?a=1&b=2"));
    let svg = dag.to_svg_with(None, &SvgOptions::new().embedded().links(link));
    assert!(!svg.contains("style"), "{svg}");
    let svg = parsed(&svg);
    let links = svg.descendants().filter_map(|tag| tag.attribute("href")).collect::<Vec<_>>();
    assert_eq!(links.len(), 5);
    // from top to bottom, for the tab key
    assert_eq!(links[0], "/nodes/quote?a=1&b=2");
    assert_eq!(links[4], "/nodes/itinerary?a=1&b=2");
    Ok(())
}

#[test]
fn a_damaged_dag_is_refused() {
    let node = |name: &str, after: &str| {
        format!(r#"{{"name":"{name}","kind":"computed","after":["{after}"]}}"#)
    };
    let circle = format!(r#"{{"name":"Order","nodes":[{},{}]}}"#, node("a", "b"), node("b", "a"));
    for json in ["", "[]", r#"{"name":"Order"}"#, circle.as_str()] {
        assert!(Graph::from_json(json.as_bytes()).is_err(), "{json}");
    }
    let error = Graph::from_json(circle.as_bytes()).unwrap_err().to_string();
    assert_eq!(error, "the stored DAG does not decode: nodes of 'Order' wait for each other");
}

#[test]
fn a_thousand_nodes_are_drawn_once_each() -> Result<(), Any> {
    for widths in [vec![1; 1_000], vec![25; 40], vec![1, 998, 1], vec![500, 500], vec![1_000]] {
        let mut dag = DagBuilder::<()>::new("Large")?;
        for (stage, width) in widths.iter().enumerate() {
            let nodes = (0..*width).map(|k| Node::constant(format!("s{stage}_{k}").as_str(), k));
            dag.append_parallel(nodes.collect::<Result<Vec<_>, _>>()?)?;
        }
        let dag = dag.build()?;
        let svg = dag.to_svg(None);
        assert_eq!(svg, dag.to_svg(None));
        // 250 000 edges between two stages would be more than a reader, or a browser, could bear
        assert!(svg.len() < 1_000_000, "{} bytes for {widths:?}", svg.len());
        let svg = parsed(&svg);
        let nodes = with_class(&svg, "saga-node");
        let paths = nodes.iter().filter_map(|tag| tag.attribute("data-node"));
        assert_eq!(paths.collect::<std::collections::BTreeSet<_>>().len(), 1_000);
        let ids = svg.descendants().filter_map(|tag| tag.attribute("id")).collect::<Vec<_>>();
        assert_eq!(ids.len(), ids.iter().collect::<std::collections::BTreeSet<_>>().len());
    }
    Ok(())
}
